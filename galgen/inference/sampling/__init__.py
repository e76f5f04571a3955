"""Samplers of posteriors, by blackjax: one target, one result, five ways between."""

from galgen.inference.sampling.hamiltonian import HMC, NUTS
from galgen.inference.sampling.random_walk import RandomWalk
from galgen.inference.sampling.result import PosteriorSamples
from galgen.inference.sampling.sampler import PosteriorSampler
from galgen.inference.sampling.target import Target, field_target
from galgen.inference.sampling.tempered import TemperedSMC
from galgen.inference.sampling.variational import VariationalGaussian

__all__ = [
    "HMC",
    "NUTS",
    "PosteriorSampler",
    "PosteriorSamples",
    "RandomWalk",
    "Target",
    "TemperedSMC",
    "VariationalGaussian",
    "field_target",
]
