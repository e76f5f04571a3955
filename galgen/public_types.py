"""The classes that a run's JSON files may name, each by one public name.

This is the list of what is allowed: a name that is not here is not looked up, so that reading a
file imports no other module and calls nothing else. A name stays when its class moves to another
module; one that is given up goes to :data:`ALIASES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from galgen.errors import InputError

_CLASSES = {
    "data.cardinality": "Cardinality",
    "data.dataset": "CatalogueDataset DigitDataset ToyDataset",
    "data.encoding": "ArrayEncoding CloudEncoding",
    "data.field_encoding": "FieldEncoding",
    "data.normalization": "Standardizer",
    "data.toys": "Checkerboard EightGaussians Pinwheel TwoMoons TwoSpirals",
    "experiment": "Experiment",
    "generative.models.births": "Births",
    "generative.sampling.adaptive": "AdaptiveSampler",
    "generative.sampling.birth_sampler": "BirthSampler",
    "generative.paths.affine": "LinearPath TrigonometricPath VarianceExploding VariancePreserving",
    "generative.paths.base": "Empirical GaussianMixture Normal Uniform",
    "generative.models.bridge": "Bridge",
    "generative.models.continuous_flow": "ContinuousFlow",
    "generative.coupling.assignment": "OptimalAssignment",
    "generative.coupling.base": "Independent",
    "generative.coupling.bisection": "BisectionAssignment",
    "generative.coupling.curve": "SpaceFillingCurve",
    "generative.coupling.minibatch": "MinibatchTransport",
    "generative.coupling.sinkhorn": "SinkhornAssignment",
    "generative.objectives.exchange": "Exchange",
    "generative.sampling.guidance": "Guidance",
    "generative.paths.interpolant": "StochasticInterpolant",
    "generative.models.learned_diffusion": "LearnedDiffusion",
    "generative.sampling.likelihood": "ExactDivergence Hutchinson Likelihood",
    "generative.models.maximum_likelihood": "FlowSampler MaximumLikelihood",
    "generative.models.mean_flow": "MeanFlow MeanFlowSampler",
    "generative.paths.noise_schedule": (
        "CosineSchedule LearnedLinearSchedule LinearSchedule MonotoneSchedule"
    ),
    "generative.normalizing_flow.bijection": "BoxMuller Chain Inverse Reversal Rotation",
    "generative.normalizing_flow.coupling_layer": "CouplingLayer",
    "generative.normalizing_flow.flow": "NormalizingFlow",
    "generative.normalizing_flow.masked_autoregressive": "MaskedAutoregressive",
    "generative.normalizing_flow.transforms": "Affine RationalQuadraticSpline",
    "generative.sampling.ode": "AdaptiveSteps FixedSteps RungeKutta",
    "generative.objectives.preconditioning": "PreconditionedPrediction",
    "generative.objectives.prediction": (
        "DataPrediction NoisePrediction ScorePrediction VelocityPrediction"
    ),
    "generative.paths.product": "ProductPath",
    "generative.sampling.sampler": "Sampler",
    "generative.sampling.step": "Churn DDIM DPMSolver Euler Heun",
    "generative.objectives.times": "LogSNRTimes LogitNormalTimes UniformTimes",
    "generative.paths.torus": "TorusDiffusion TorusGeodesic",
    "generative.models.variational": "VariationalDiffusion",
    "generative.objectives.weighting": "MinSNRWeighting SNRWeighting SigmoidWeighting",
    "geometry": "Euclidean PeriodicBox",
    "inference.neural.classifier": "Classification CloudClassifier",
    "inference.neural.neural_likelihood": "NeuralLikelihood",
    "inference.neural.neural_posterior": "NeuralPosterior",
    "inference.neural.neural_ratio": "NeuralRatio",
    "inference.neural.posterior_head": "FlowHead MatchingHead",
    "inference.neural.regression": "Regression",
    "inference.sampling.hamiltonian": "HMC NUTS",
    "inference.sampling.random_walk": "RandomWalk",
    "inference.sampling.tempered": "TemperedSMC",
    "inference.sampling.variational": "VariationalGaussian",
    "inference.neural.summaries": "SummaryDataset SummaryEncoding",
    "inference.priors.support": "Bounded Unbounded",
    "inference.neural.tasks": "GaussianLinearTask SLCPTask TaskDataset TwoMoonsTask",
    "inference.neural.vectors": "Parameters VectorEncoding",
    "evaluation": "Evaluation",
    "measurements.counts": "CountsInCells Joint LogNumber NearestNeighbors",
    "measurements.fourier": "Bispectrum LogPower Power",
    "measurements.pairs": (
        "Correlation LogCorrelation MarkedCorrelation PairwiseVelocity RedshiftSpaceMultipoles"
    ),
    "lagrangian.dataset": "LagrangianDataset",
    "lagrangian.encoding": "LagrangianEncoding",
    "lagrangian.grid": "GridUnits",
    "lagrangian.model": "LagrangianHaloes",
    "lagrangian.network": "LagrangianNetwork",
    "lagrangian.sampler": "LagrangianSampler",
    "networks.classifier": "ConvolutionalClassifier MLPClassifier",
    "networks.convolutional": "ConvolutionalNetwork",
    "networks.deep_set": "DeepSet",
    "networks.egnn": "EGNN",
    "networks.encoder": "PooledNetwork VectorNetwork",
    "networks.equivariant_network": "EquivariantNetwork",
    "networks.graph_network": "GraphNetwork",
    "networks.mesh_rate": "MeshRate",
    "networks.mlp": "MLP",
    "networks.particle_mesh": "ParticleMesh",
    "networks.set_transformer": "SetTransformer",
    "run_folder": "Calibration Fingerprints",
    "simulation.particle_mesh_simulator": "ParticleMeshSimulator",
    "simulation.recipe": "SuiteRecipe",
    "simulation.simulator": "HaloSimulator",
    "training.trainer": "Trainer",
}
MODULES: Mapping[str, str] = {
    name: f"galgen.{module}" for module, names in _CLASSES.items() for name in names.split()
}
"""The module of each public name."""
ALIASES: Mapping[str, str] = {
    "CorrelationSummary": "LogCorrelation",
    "CountSummary": "LogNumber",
    "JointSummary": "Joint",
    "Monitor": "Evaluation",
    "PowerSummary": "LogPower",
}
"""Names of classes as they once were, and as they are."""
GONE = ("NoDraws",)
"""Names of classes that are no longer there, and are read as None."""
FIELD_ALIASES: Mapping[str, Mapping[str, str]] = {
    "Experiment": {"monitor": "evaluation"},
    "Sampler": {"lateness": "rho"},
    "LogPower": {"k_edges": "edges", "mesh": "mesh_size"},
    "LogitNormalTimes": {"deviation": "std"},
    "PreconditionedPrediction": {"deviation": "std"},
    "GaussianMixture": {"deviation": "std"},
    "EightGaussians": {"deviation": "std"},
    "TwoMoons": {"deviation": "std"},
    "TwoSpirals": {"deviation": "std"},
    "Pinwheel": {"radial_deviation": "radial_std", "tangential_deviation": "tangential_std"},
}
"""Names of the fields of a class as they once were, and as they are."""
GONE_FIELDS: Mapping[str, tuple[str, ...]] = {"VariationalDiffusion": ("shared",)}
"""Names of fields that are no longer there, and are left out."""


def public_name(kind: type) -> str | None:
    """The public name of a class; None if it has none."""
    return kind.__name__ if MODULES.get(kind.__name__) == kind.__module__ else None


def public_class(name: str) -> type:
    """The class of a public name, which may be written with ``galgen.`` and a module before it.

    Raises:
        InputError: for any other name.
    """
    written = name.rpartition(".")[2] if name.startswith("galgen.") else name
    found = ALIASES.get(written, written)
    if found not in MODULES:
        raise InputError(
            f"expected a configuration class of this version of galgen, got {name[:100]!r}; read "
            "the file with the version that wrote it"
        )
    kind: type = getattr(importlib.import_module(MODULES[found]), found)
    return kind
