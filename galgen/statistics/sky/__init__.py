"""Surveys on the sky: coordinates, regions, angular power, n(z)."""

from galgen.cosmology.coordinates import (
    SkyPositions,
    cartesian_positions,
    sky_positions,
    unit_vectors,
)
from galgen.cosmology.distances import comoving_distance, redshift_at
from galgen.statistics.sky.angular_power import (
    AngularPower,
    SkyField,
    angular_power,
    count_map,
    galaxy_field,
    masked_field,
    survey_area,
)
from galgen.statistics.sky.redshift_distribution import (
    RedshiftDistribution,
    jackknife_redshift_distribution,
    redshift_distribution,
)
from galgen.statistics.sky.regions import SkyRegions, sky_regions

__all__ = [
    "AngularPower",
    "RedshiftDistribution",
    "SkyField",
    "SkyPositions",
    "SkyRegions",
    "angular_power",
    "cartesian_positions",
    "comoving_distance",
    "count_map",
    "galaxy_field",
    "jackknife_redshift_distribution",
    "masked_field",
    "redshift_at",
    "redshift_distribution",
    "sky_positions",
    "sky_regions",
    "survey_area",
    "unit_vectors",
]
