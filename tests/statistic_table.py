"""A call of every public statistic, and the arrays that it takes."""

import numpy as np
from astropy.cosmology import FlatLambdaCDM

from galgen.mocks import (
    FibreCollisions,
    HaloOccupation,
    RadialSelection,
    Remapping,
    SkyMask,
    Viewpoint,
)
from galgen.statistics import counts, fourier, pairs, redshift_space, sky

SIDE, POINTS, REAL = 32.0, 16, 12
EDGES = (0.3, 5.3, 9.7, 15.1)
K_EDGES = tuple((2 * np.pi / SIDE * np.array([0.5, 1.5, 2.3])).tolist())
MASSES = (12.0, 12.7, 13.3, 14.5)
COSMOLOGY = FlatLambdaCDM(70, 0.3, Tcmb0=0)


def data():
    """Arguments by name: numbers that float16 keeps, and NaN in the padding of the batches."""
    rng = np.random.default_rng(0)
    mask = np.arange(POINTS) < REAL - np.arange(2)[:, None]

    def padded(values):
        keep = mask.reshape(mask.shape + (1,) * (values.ndim - 2))
        return np.where(keep, values, np.nan)

    number, pixels = 40, 12 * 4**2
    seen = rng.integers(0, 3, pixels) / 2.0
    seen[0] = 1.0
    return {
        "positions": padded(rng.integers(0, 8 * SIDE, (2, POINTS, 3)) / 8.0),
        "mask": mask,
        "other_positions": padded(rng.integers(0, 8 * SIDE, (2, POINTS, 3)) / 8.0),
        "other_mask": mask,
        "velocities": padded(rng.integers(-900, 900, (2, POINTS, 3)).astype(float)),
        "weights": padded(rng.integers(1, 9, (2, POINTS)) / 2.0),
        "other_weights": padded(rng.integers(1, 9, (2, POINTS)) / 2.0),
        "marks": padded(rng.integers(1, 9, (2, POINTS)) / 2.0),
        "log10_mass": padded(rng.integers(96, 116, (2, POINTS)) / 8.0),
        "queries": rng.integers(0, 8 * SIDE, (POINTS, 3)) / 8.0,
        "field": rng.integers(-8, 9, (1, 8, 8, 8)) / 4.0,
        "right ascension": rng.integers(0, 720, number) / 2.0,
        "declination": rng.integers(-90, 90, number) / 2.0,
        "redshift": rng.integers(1, 64, number) / 64.0,
        "object weights": rng.integers(1, 9, number) / 2.0,
        "region": np.arange(number) % 2,
        "distance": rng.integers(1, 900, number).astype(float),
        "places": rng.integers(1, 900, (number, 3)).astype(float),
        "counts": rng.integers(3, 9, pixels).astype(float),
        "completeness": seen,
        "density": rng.integers(1, 9, number) / 1024.0,
        "mass": rng.integers(1, 9, number) * 1024.0,
    }


def batch(*names):
    return ("positions", "mask", *names)


def survey_points(a, name="places"):
    return pairs.SurveyCatalogue(a[name], a["object weights"])


POINTS_OF = {  # the arrays that a statistic takes, and a call of it
    "pairs.pair_counts": (
        batch("weights"),
        lambda a: pairs.pair_counts(a["positions"], a["mask"], EDGES, SIDE, weights=a["weights"]),
    ),
    "pairs.cross_pair_counts": (
        batch("other_positions", "other_mask", "weights", "other_weights"),
        lambda a: pairs.cross_pair_counts(
            a["positions"],
            a["mask"],
            a["other_positions"],
            a["other_mask"],
            EDGES,
            SIDE,
            weights=a["weights"],
            other_weights=a["other_weights"],
        ),
    ),
    "pairs.two_point_correlation": (
        batch(),
        lambda a: pairs.two_point_correlation(a["positions"], a["mask"], EDGES, SIDE).xi,
    ),
    "pairs.two_point_correlation by cells": (
        batch("weights"),
        lambda a: (
            pairs.two_point_correlation(
                a["positions"], a["mask"], EDGES, SIDE, False, a["weights"], pairs.sums_by_cells
            ).xi
        ),
    ),
    "pairs.cross_correlation": (
        batch("other_positions", "other_mask"),
        lambda a: (
            pairs.cross_correlation(
                a["positions"], a["mask"], a["other_positions"], a["other_mask"], EDGES, SIDE
            ).xi
        ),
    ),
    "pairs.correlation_multipoles": (
        batch(),
        lambda a: (
            pairs.correlation_multipoles(
                a["positions"], a["mask"], EDGES, SIDE, 4, (0, 2)
            ).multipoles
        ),
    ),
    "pairs.projected_correlation": (
        batch(),
        lambda a: pairs.projected_correlation(a["positions"], a["mask"], EDGES, SIDE, 12.0, 4).wp,
    ),
    "pairs.soft_correlation": (
        batch(),
        lambda a: pairs.soft_correlation(a["positions"], a["mask"], EDGES[:3], SIDE, 0.2),
    ),
    "pairs.pairwise_velocity": (
        batch("velocities"),
        lambda a: (
            pairs.pairwise_velocity(
                a["positions"], a["velocities"], a["mask"], EDGES, SIDE
            ).velocity
        ),
    ),
    "pairs.marked_correlation": (
        batch("marks"),
        lambda a: (
            pairs.marked_correlation(a["positions"], a["marks"], a["mask"], EDGES, SIDE).marked
        ),
    ),
    "fourier.power_spectrum": (
        batch("weights"),
        lambda a: (
            fourier.power_spectrum(
                a["positions"], a["mask"], SIDE, 8, K_EDGES, (0, 2), weights=a["weights"]
            ).power
        ),
    ),
    "fourier.cross_power_spectrum": (
        batch("other_positions", "other_mask", "weights", "other_weights"),
        lambda a: (
            fourier.cross_power_spectrum(
                a["positions"],
                a["mask"],
                a["other_positions"],
                a["other_mask"],
                SIDE,
                8,
                K_EDGES,
                (0,),
                weights=a["weights"],
                other_weights=a["other_weights"],
            ).power
        ),
    ),
    "fourier.cross_coefficient": (
        batch("other_positions", "other_mask", "weights", "other_weights"),
        lambda a: fourier.cross_coefficient(
            a["positions"],
            a["mask"],
            a["other_positions"],
            a["other_mask"],
            SIDE,
            8,
            K_EDGES,
            weights=a["weights"],
            other_weights=a["other_weights"],
        ).coefficient(),
    ),
    "fourier.field_cross_coefficient": (
        batch("weights", "field"),
        lambda a: fourier.field_cross_coefficient(
            a["positions"], a["mask"], a["field"], SIDE, 8, K_EDGES, weights=a["weights"]
        ).coefficient(),
    ),
    "fourier.bispectrum": (
        batch("weights"),
        lambda a: (
            fourier.bispectrum(
                a["positions"], a["mask"], SIDE, 8, K_EDGES, ((0, 0, 0),), weights=a["weights"]
            ).bispectrum
        ),
    ),
    "fourier.velocity_power_spectrum": (
        batch("velocities", "weights"),
        lambda a: (
            fourier.velocity_power_spectrum(
                a["positions"],
                a["velocities"],
                a["mask"],
                SIDE,
                8,
                0.3,
                0.0,
                0.5,
                K_EDGES,
                weights=a["weights"],
            ).power
        ),
    ),
    "fourier.paint": (
        batch("weights"),
        lambda a: fourier.paint(a["positions"], a["mask"], SIDE, 8, weights=a["weights"]),
    ),
    "counts.counts_in_cells": (
        batch(),
        lambda a: counts.counts_in_cells(a["positions"], a["mask"], SIDE, 4, 4).probability,
    ),
    "counts.weighted_counts_in_cells": (
        batch("weights"),
        lambda a: (
            counts.weighted_counts_in_cells(a["positions"], a["mask"], a["weights"], SIDE, 4).xi
        ),
    ),
    "counts.sphere_counts": (
        batch("queries"),
        lambda a: counts.sphere_counts(a["positions"], a["mask"], EDGES, SIDE, a["queries"]),
    ),
    "counts.sphere_counts_by_tree": (
        batch("queries"),
        lambda a: counts.sphere_counts_by_tree(
            a["positions"], a["mask"], EDGES, SIDE, a["queries"]
        ),
    ),
    "counts.counts_in_spheres": (
        batch("queries"),
        lambda a: (
            counts.counts_in_spheres(
                a["positions"],
                a["mask"],
                EDGES,
                SIDE,
                a["queries"],
                largest=4,
                counter=counts.sphere_counts_by_tree,
            ).average
        ),
    ),
    "counts.neighbor_counts": (
        batch("queries"),
        lambda a: counts.neighbor_counts(
            [(a["positions"], a["mask"])], EDGES, SIDE, a["queries"], (1, 3)
        ),
    ),
    "counts.neighbor_counts_by_tree": (
        batch("queries"),
        lambda a: counts.neighbor_counts_by_tree(
            [(a["positions"], a["mask"])], EDGES, SIDE, a["queries"], (1, 3)
        ),
    ),
    "counts.nearest_neighbor_distribution": (
        batch("queries"),
        lambda a: (
            counts.nearest_neighbor_distribution(
                a["positions"],
                a["mask"],
                EDGES,
                SIDE,
                a["queries"],
                (1, 3),
                counter=counts.neighbor_counts_by_tree,
            ).cdf
        ),
    ),
    "counts.joint_neighbor_distribution": (
        batch("other_positions", "other_mask", "queries"),
        lambda a: (
            counts.joint_neighbor_distribution(
                a["positions"],
                a["mask"],
                a["other_positions"],
                a["other_mask"],
                EDGES,
                SIDE,
                a["queries"],
                (1, 3),
                counter=counts.neighbor_counts_by_tree,
            ).joint
        ),
    ),
    "counts.mark_distribution": (
        ("log10_mass", "mask"),
        lambda a: counts.mark_distribution(a["log10_mass"], a["mask"], MASSES).counts,
    ),
    "counts.mass_function": (
        ("log10_mass", "mask", "weights"),
        lambda a: (
            counts.mass_function(a["log10_mass"], a["mask"], MASSES, SIDE, a["weights"]).density
        ),
    ),
    "counts.mean_in_bins": (
        ("log10_mass", "marks", "mask"),
        lambda a: counts.mean_in_bins(a["log10_mass"], a["marks"], a["mask"], MASSES),
    ),
    "redshift_space.redshift_space_positions": (
        ("places",),
        lambda a: redshift_space.redshift_space_positions(a["places"], a["places"], SIDE, 0.3, 0.5),
    ),
    "redshift_space.radial_redshift_space_positions": (
        ("places",),
        lambda a: redshift_space.radial_redshift_space_positions(
            a["places"], a["places"], (1.0, 2.0, 3.0), 0.3, 0.5
        ),
    ),
    "fourier.field_power_spectrum": (
        ("field",),
        lambda a: fourier.field_power_spectrum(a["field"], SIDE, K_EDGES, (0,)).power,
    ),
    "fourier.field_bispectrum": (
        ("field",),
        lambda a: fourier.field_bispectrum(a["field"], SIDE, K_EDGES, ((0, 0, 0),)).bispectrum,
    ),
}
OBJECTS = {
    "pairs.landy_szalay": (
        ("places", "object weights"),
        lambda a: (
            pairs.landy_szalay(
                survey_points(a), survey_points(data(), "places"), (50.0, 400.0, 900.0)
            ).xi
        ),
    ),
    "fourier.survey_power_spectrum": (
        ("places", "object weights"),
        lambda a: (
            fourier.survey_power_spectrum(
                survey_points(a), survey_points(data()), 8, (0.002, 0.01), (0,)
            ).power
        ),
    ),
    "fourier.fkp_weights": (("density",), lambda a: fourier.fkp_weights(a["density"])),
    "sky.unit_vectors": (
        ("right ascension", "declination"),
        lambda a: sky.unit_vectors(a["right ascension"], a["declination"]),
    ),
    "sky.cartesian_positions": (
        ("right ascension", "declination", "redshift"),
        lambda a: sky.cartesian_positions(
            a["right ascension"], a["declination"], a["redshift"], COSMOLOGY
        ),
    ),
    "sky.sky_positions": (
        ("places",),
        lambda a: sky.sky_positions(a["places"], COSMOLOGY).redshift,
    ),
    "sky.comoving_distance": (
        ("redshift",),
        lambda a: sky.comoving_distance(a["redshift"], COSMOLOGY),
    ),
    "sky.redshift_at": (("distance",), lambda a: sky.redshift_at(a["distance"], COSMOLOGY)),
    "sky.redshift_distribution": (
        ("redshift", "object weights"),
        lambda a: (
            sky.redshift_distribution(
                a["redshift"], (0.1, 0.3, 0.9), COSMOLOGY, 900.0, a["object weights"]
            ).density
        ),
    ),
    "sky.jackknife_redshift_distribution": (
        ("redshift", "region", "object weights"),
        lambda a: (
            sky.jackknife_redshift_distribution(
                a["redshift"],
                a["region"],
                (0.5, 0.5),
                (0.1, 0.3, 0.9),
                COSMOLOGY,
                900.0,
                a["object weights"],
            ).error
        ),
    ),
    "sky.sky_regions": (
        ("right ascension", "declination", "object weights"),
        lambda a: (
            sky.sky_regions(a["right ascension"], a["declination"], 2, a["object weights"], 4).share
        ),
    ),
    "sky.count_map": (
        ("right ascension", "declination", "object weights"),
        lambda a: sky.count_map(a["right ascension"], a["declination"], 4, a["object weights"]),
    ),
    "sky.survey_area": (("completeness",), lambda a: sky.survey_area(a["completeness"])),
    "sky.galaxy_field": (
        ("counts", "completeness"),
        lambda a: sky.galaxy_field(a["counts"], a["completeness"]).weighted,
    ),
    "sky.masked_field": (
        ("counts", "completeness"),
        lambda a: sky.masked_field(a["counts"], a["completeness"]).weighted,
    ),
    "sky.angular_power": (
        ("counts", "completeness"),
        lambda a: (
            sky.angular_power(sky.galaxy_field(a["counts"], a["completeness"]), (0, 4, 8)).power
        ),
    ),
    "mocks.FibreCollisions": (
        ("right ascension", "declination"),
        lambda a: FibreCollisions(3599.0)(
            a["right ascension"], a["declination"], np.random.default_rng(0)
        )[1],
    ),
    "mocks.HaloOccupation": (
        ("mass",),
        lambda a: HaloOccupation(3.5, 0.2, 3.0, 3.0).mean_satellites(a["mass"]),
    ),
    "mocks.RadialSelection": (
        ("redshift",),
        lambda a: RadialSelection((0.1, 0.9), (1e-3, 1e-4)).at(a["redshift"]),
    ),
    "mocks.SkyMask": (("completeness",), lambda a: SkyMask(a["completeness"]).area),
    "mocks.SkyMask.at": (
        ("right ascension", "declination"),
        lambda a: SkyMask(np.arange(12) / 12).at(a["right ascension"], a["declination"]),
    ),
    "mocks.Remapping": (
        ("places",),
        lambda a: Remapping(((1, 1, 0), (0, 1, 0), (0, 0, 1))).moves(a["places"], (9.0, 9.0, 9.0)),
    ),
    "mocks.Viewpoint": (
        ("places",),
        lambda a: Viewpoint().from_observer(a["places"], (9.0, 9.0, 9.0)),
    ),
}
TABLE = POINTS_OF | OBJECTS
