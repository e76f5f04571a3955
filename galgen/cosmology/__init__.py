"""Cosmology for all rooms: parameters, expansion, growth, distances, places on the sky, transfer.

The cosmologies of astropy take half a second to import, and are imported where they are needed.
"""

from galgen.cosmology.background import (
    CRITICAL_DENSITY,
    SPEED_OF_LIGHT,
    astropy_cosmology,
    flat_expansion_squared,
    flat_growth_factor,
    flat_growth_rate,
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
    "flat_growth_rate",
    "parameter_name",
]
