"""From a catalogue to cosmology: posteriors with their own error bars, and tests of calibration."""

from galgen.inference.amortized import sample_posterior
from galgen.inference.field_level import FieldLevel
from galgen.inference.neural_posterior import NeuralPosterior
from galgen.inference.prior import Gaussian, Prior, ProductPrior, Uniform, uniform_prior
from galgen.inference.profile import GridPosterior, grid_posterior

__all__ = [
    "FieldLevel",
    "Gaussian",
    "GridPosterior",
    "NeuralPosterior",
    "Prior",
    "ProductPrior",
    "Uniform",
    "grid_posterior",
    "sample_posterior",
    "uniform_prior",
]
