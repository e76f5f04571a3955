"""From a catalogue to cosmology: posteriors with their own error bars, and tests of calibration."""

from galgen.inference.likelihood.field_level import FieldLevel
from galgen.inference.likelihood.profile import GridPosterior, grid_posterior
from galgen.inference.neural.amortized import sample_posterior
from galgen.inference.neural.neural_posterior import NeuralPosterior
from galgen.inference.priors.prior import Gaussian, Prior, ProductPrior, Uniform, uniform_prior

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
