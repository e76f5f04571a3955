"""Bridges between a base and the data: paths, couplings, predictions, losses and samplers."""

from galgen.generative.coupling import (
    BisectionAssignment,
    CloudCoupling,
    Coupling,
    Independent,
    MinibatchTransport,
    OptimalAssignment,
    SinkhornAssignment,
    SpaceFillingCurve,
)
from galgen.generative.models.bridge import Bridge
from galgen.generative.models.continuous_flow import ContinuousFlow
from galgen.generative.models.learned_diffusion import LearnedDiffusion
from galgen.generative.models.maximum_likelihood import BoundFlow, FlowSampler, MaximumLikelihood
from galgen.generative.models.mean_flow import MeanFlow, MeanFlowSampler
from galgen.generative.models.model import Denoiser, Model
from galgen.generative.models.variational import Elbo, VariationalDiffusion
from galgen.generative.normalizing_flow import (
    Affine,
    Bijection,
    BoxMuller,
    Chain,
    CouplingLayer,
    Inverse,
    MaskedAutoregressive,
    NormalizingFlow,
    RationalQuadraticSpline,
    Reversal,
    Rotation,
    ScalarTransform,
    coupling_flow,
    masked_autoregressive_flow,
)
from galgen.generative.objectives.exchange import Exchange
from galgen.generative.objectives.log_snr_times import LogSNRTimes
from galgen.generative.objectives.preconditioning import PreconditionedPrediction
from galgen.generative.objectives.prediction import (
    DataPrediction,
    NoisePrediction,
    Prediction,
    ScorePrediction,
    VelocityPrediction,
)
from galgen.generative.objectives.times import LogitNormalTimes, Times, UniformTimes
from galgen.generative.objectives.weighting import (
    MinSNRWeighting,
    SigmoidWeighting,
    SNRWeighting,
    Weighting,
)
from galgen.generative.paths.affine import (
    AffinePath,
    LinearPath,
    TrigonometricPath,
    VarianceExploding,
    VariancePreserving,
)
from galgen.generative.paths.base import Base, Empirical, GaussianMixture, Normal, Uniform
from galgen.generative.paths.interpolant import StochasticInterpolant
from galgen.generative.paths.noise_schedule import (
    CosineSchedule,
    LearnedLinearSchedule,
    LinearSchedule,
    MonotoneSchedule,
    NoiseSchedule,
)
from galgen.generative.paths.path import Ends, ProbabilityPath
from galgen.generative.paths.product import ProductPath
from galgen.generative.paths.torus import TorusDiffusion, TorusGeodesic
from galgen.generative.sampling.adaptive import AdaptiveSampler
from galgen.generative.sampling.guidance import Guidance
from galgen.generative.sampling.likelihood import (
    Divergence,
    ExactDivergence,
    Hutchinson,
    Likelihood,
    LogLikelihood,
)
from galgen.generative.sampling.ode import AdaptiveSteps, FixedSteps, RungeKutta, Solver
from galgen.generative.sampling.sampler import Sampler, Samples, SamplingMethod
from galgen.generative.sampling.step import DDIM, Churn, DPMSolver, Euler, Flow, Heun, Step
from galgen.generative.sampling.tilting import Anchored, tilted

__all__ = [
    "DDIM",
    "AdaptiveSampler",
    "AdaptiveSteps",
    "Affine",
    "AffinePath",
    "Anchored",
    "Base",
    "Bijection",
    "BisectionAssignment",
    "BoundFlow",
    "BoxMuller",
    "Bridge",
    "Chain",
    "Churn",
    "CloudCoupling",
    "ContinuousFlow",
    "CosineSchedule",
    "Coupling",
    "CouplingLayer",
    "DPMSolver",
    "DataPrediction",
    "Denoiser",
    "Divergence",
    "Elbo",
    "Empirical",
    "Ends",
    "Euler",
    "ExactDivergence",
    "Exchange",
    "FixedSteps",
    "Flow",
    "FlowSampler",
    "GaussianMixture",
    "Guidance",
    "Heun",
    "Hutchinson",
    "Independent",
    "Inverse",
    "LearnedDiffusion",
    "LearnedLinearSchedule",
    "Likelihood",
    "LinearPath",
    "LinearSchedule",
    "LogLikelihood",
    "LogSNRTimes",
    "LogitNormalTimes",
    "MaskedAutoregressive",
    "MaximumLikelihood",
    "MeanFlow",
    "MeanFlowSampler",
    "MinSNRWeighting",
    "MinibatchTransport",
    "Model",
    "MonotoneSchedule",
    "NoisePrediction",
    "NoiseSchedule",
    "Normal",
    "NormalizingFlow",
    "OptimalAssignment",
    "PreconditionedPrediction",
    "Prediction",
    "ProbabilityPath",
    "ProductPath",
    "RationalQuadraticSpline",
    "Reversal",
    "Rotation",
    "RungeKutta",
    "SNRWeighting",
    "Sampler",
    "Samples",
    "SamplingMethod",
    "ScalarTransform",
    "ScorePrediction",
    "SigmoidWeighting",
    "SinkhornAssignment",
    "Solver",
    "SpaceFillingCurve",
    "Step",
    "StochasticInterpolant",
    "Times",
    "TorusDiffusion",
    "TorusGeodesic",
    "TrigonometricPath",
    "Uniform",
    "UniformTimes",
    "VarianceExploding",
    "VariancePreserving",
    "VariationalDiffusion",
    "VelocityPrediction",
    "Weighting",
    "coupling_flow",
    "masked_autoregressive_flow",
    "tilted",
]
