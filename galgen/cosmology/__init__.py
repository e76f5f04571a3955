"""Cosmology for all rooms: parameters, expansion and growth, distances, the transfer function.

``expansion`` and ``distances`` import the cosmologies of astropy, which takes a second; what is
exported here does not.
"""

from galgen.cosmology.background import (
    CRITICAL_DENSITY,
    SPEED_OF_LIGHT,
    astropy_cosmology,
    flat_expansion_squared,
    flat_growth_factor,
)
from galgen.cosmology.parameters import (
    COMMON,
    RANGES,
    canonical_parameters,
    expansion_parameters,
    parameter_name,
)

__all__ = [
    "COMMON",
    "CRITICAL_DENSITY",
    "RANGES",
    "SPEED_OF_LIGHT",
    "astropy_cosmology",
    "canonical_parameters",
    "expansion_parameters",
    "flat_expansion_squared",
    "flat_growth_factor",
    "parameter_name",
]
