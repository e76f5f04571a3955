"""Bridges between a base and the data: paths, couplings, predictions, losses and samplers."""

from galgen.generative.bridge import Bridge, Denoiser
from galgen.generative.coupling import Coupling, Independent, OptimalAssignment
from galgen.generative.path import (
    AffinePath,
    LinearPath,
    Path,
    ProductPath,
    TorusGeodesic,
    VariancePreserving,
)
from galgen.generative.prediction import (
    DataPrediction,
    NoisePrediction,
    Prediction,
    VelocityPrediction,
)
from galgen.generative.sampler import Euler, Heun, Sampler, Samples, Step

__all__ = [
    "AffinePath",
    "Bridge",
    "Coupling",
    "DataPrediction",
    "Denoiser",
    "Euler",
    "Heun",
    "Independent",
    "LinearPath",
    "NoisePrediction",
    "OptimalAssignment",
    "Path",
    "Prediction",
    "ProductPath",
    "Sampler",
    "Samples",
    "Step",
    "TorusGeodesic",
    "VariancePreserving",
    "VelocityPrediction",
]
