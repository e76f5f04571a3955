"""Bridges between a base and the data: paths, couplings, predictions, losses and samplers."""

from galgen.generative.adaptive_sampler import AdaptiveSampler
from galgen.generative.affine_path import (
    AffinePath,
    LinearPath,
    TrigonometricPath,
    VarianceExploding,
    VariancePreserving,
)
from galgen.generative.base import Base, Empirical, GaussianMixture, Normal, Uniform
from galgen.generative.bridge import Bridge
from galgen.generative.continuous_flow import ContinuousFlow
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
from galgen.generative.exchange import Exchange
from galgen.generative.guidance import Guidance
from galgen.generative.interpolant import StochasticInterpolant
from galgen.generative.learned_diffusion import LearnedDiffusion
from galgen.generative.likelihood import (
    Divergence,
    ExactDivergence,
    Hutchinson,
    Likelihood,
    LogLikelihood,
)
from galgen.generative.log_snr_times import LogSNRTimes
from galgen.generative.maximum_likelihood import BoundFlow, FlowSampler, MaximumLikelihood
from galgen.generative.mean_flow import MeanFlow, MeanFlowSampler
from galgen.generative.model import Denoiser, Model
from galgen.generative.noise_schedule import (
    CosineSchedule,
    LearnedLinearSchedule,
    LinearSchedule,
    MonotoneSchedule,
    NoiseSchedule,
)
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
from galgen.generative.ode import AdaptiveSteps, FixedSteps, RungeKutta, Solver
from galgen.generative.path import Ends, Path
from galgen.generative.preconditioning import PreconditionedPrediction
from galgen.generative.prediction import (
    DataPrediction,
    NoisePrediction,
    Prediction,
    ScorePrediction,
    VelocityPrediction,
)
from galgen.generative.product_path import ProductPath
from galgen.generative.sampler import Sampler, Samples, SamplingMethod
from galgen.generative.step import DDIM, Churn, DPMSolver, Euler, Flow, Heun, Step
from galgen.generative.tilting import Anchored, tilted
from galgen.generative.times import LogitNormalTimes, Times, UniformTimes
from galgen.generative.torus import TorusDiffusion, TorusGeodesic
from galgen.generative.variational import Elbo, VariationalDiffusion
from galgen.generative.weighting import (
    MinSNRWeighting,
    SigmoidWeighting,
    SNRWeighting,
    Weighting,
)

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
    "Path",
    "PreconditionedPrediction",
    "Prediction",
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
