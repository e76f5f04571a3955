"""The mock, read back from its files, has the xi multipoles of the box that it was made from.

The box is seen by a distant observer along x (natural estimator, periodic), the mock by Landy and
Szalay along the direction to each pair, in a field around the direction to which x points. Both
have the same structure, so their difference is smaller than the scatter between boxes; it is judged
by its own scatter over independent boxes, and its mean must be below the error of one mock too.
"""

import dataclasses

import healpy
import numpy as np
import pytest
from mock_boxes import thomas_box

from galgen.mocks import (
    HaloOccupation,
    RadialSelection,
    RandomRecipe,
    SkyMask,
    Survey,
    Viewpoint,
    populate,
    read_sky_catalogue,
    write_sky_catalogue,
)
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.simulator import HaloSimulator
from galgen.statistics.pairs.bins import AngleBins
from galgen.statistics.pairs.landy_szalay import landy_szalay
from galgen.statistics.pairs.multipoles import correlation_multipoles, legendre_weights
from galgen.statistics.redshift_space import redshift_space_positions
from galgen.statistics.sky.regions import sky_regions

ELLS = (0, 2, 4)
MU_BINS = 20
CENTRE = (160.0, 25.0)


def field(radius, nside=64, low=0.5):
    """A disc around the direction to which x points, of completeness from ``low`` to 1."""
    vectors = np.array(healpy.pix2vec(nside, np.arange(12 * nside**2)))
    inside = healpy.ang2vec(*CENTRE, lonlat=True) @ vectors > np.cos(np.radians(radius))
    return SkyMask.from_ring(inside * (low + (1 - low) * (1 + vectors[0] + vectors[2]) / 2.5))


def of_box(box, edges, redshift_space=True):
    positions = box.positions
    if redshift_space:
        omega_m = box.cosmology["omega_m"]
        positions = redshift_space_positions(
            positions, box.velocities, box.box, omega_m, box.redshift, line_of_sight=0
        )
    found = correlation_multipoles(
        np.asarray(positions)[None], None, edges, box.box, MU_BINS, ELLS, line_of_sight=0
    )
    return np.asarray(found.multipoles[0])


def of_mock(mock, folder, edges, regions=0):
    """By Landy and Szalay from the files; with regions, the jackknife error too."""
    catalogues = {}
    for name in ("data", "randoms"):
        write_sky_catalogue(folder / f"{name}.fits", getattr(mock, name))
        catalogues[name] = read_sky_catalogue(folder / f"{name}.fits")
    angles = [[c.columns[n] for n in ("RA", "DEC")] for c in catalogues.values()]
    labels = [None, None]
    if regions:
        sky = sky_regions(*angles[1], regions, nside=128)
        labels = [sky.label(*pair) for pair in angles]
    points = [c.points(label) for c, label in zip(catalogues.values(), labels, strict=True)]
    found = landy_szalay(*points, AngleBins(tuple(edges), MU_BINS, None))
    if regions:
        result = found.multipoles(ELLS)
        return result.mean, result.error
    weight = legendre_weights(ELLS, MU_BINS) / MU_BINS
    return np.einsum("sm,lm->ls", found.xi, weight), None


def agree(differences):
    """The mean is zero within its error, bin by bin and in all, and below the error of one mock."""
    mean, scatter = np.mean(differences, axis=0), np.std(differences, axis=0, ddof=1)
    pull = mean / (scatter / np.sqrt(len(differences)))
    assert np.all(np.abs(mean) < scatter), np.round(mean / scatter, 2)
    # Student's t of few mocks has wide wings.
    assert np.abs(pull).max() < 4.5 and np.sqrt(np.mean(pull**2)) < 1.7, np.round(pull, 1)
    return mean, scatter


@pytest.mark.slow
def test_multipoles_of_families(tmp_path):
    """A Thomas process with motions of its own, thinned by n(z) and by a map of completeness."""
    edges = np.array([2.0, 5.0, 9.0, 14.0, 20.0])
    survey = Survey(
        (0.46, 0.54),
        Viewpoint((0.3, 0.6, 0.1), CENTRE),
        field(5.0),
        RadialSelection((0.46, 0.49, 0.54), (3e-4, 8e-4, 4e-4)),
        randoms=RandomRecipe(6),
    )
    real = dataclasses.replace(survey, redshift_space=False)
    seen, true, still = [], [], []
    for seed in range(12):
        box = thomas_box(seed)
        true.append(of_box(box, edges))
        seen.append(of_mock(survey.observe([box], seed), tmp_path, edges)[0])
        if seed < 3:
            still.append(of_mock(real.observe([box], seed), tmp_path, edges)[0])
    agree(np.array(seen) - np.array(true))
    # It is a signal that agrees: without motions the same boxes have other multipoles.
    moving, at_rest = np.mean(seen, axis=0), np.mean(still, axis=0)
    assert 1.0 < moving[0, 0] < 1.35 < at_rest[0, 0] < 1.9
    assert moving[1, 2] > 0.15 > 0.1 > np.abs(at_rest[1, 2])


@pytest.mark.slow
def test_multipoles_of_galaxies_in_simulated_haloes(tmp_path):
    """Haloes of the simulator with galaxies, weights and n(z) of a survey; jackknife errors too."""
    edges = np.array([1.0, 4.0, 8.0, 13.0, 19.0, 26.0])
    survey = Survey(
        (0.45, 0.55),
        Viewpoint((0.2, 0.7, 0.4), CENTRE),
        field(11.0),
        RadialSelection((0.45, 0.5, 0.55), (6e-5, 1.2e-4, 6e-5)),
        randoms=RandomRecipe(20),
    )
    simulator = HaloSimulator(box=256.0, mesh=128, mass_min=2.5e13, redshift=0.5)
    occupation = HaloOccupation(13.45, 0.15, 13.4, 14.0, 1.0)
    seen, errors, true = [], [], []
    for seed in range(12):
        box = populate(simulator.simulate(Cosmology(), seed), occupation, seed)
        true.append(of_box(box, edges))
        xi, error = of_mock(survey.observe([box], seed), tmp_path, edges, regions=20)
        seen.append(xi)
        errors.append(error)
    differences = np.array(seen) - np.array(true)
    mean, scatter = agree(differences)
    # The jackknife knows the variance of the structure, which the two share, so it is the wider.
    assert np.sqrt(np.mean((differences / np.array(errors)) ** 2)) < 1.3
    np.set_printoptions(precision=3, suppress=True)
    print("\nbox", np.mean(true, axis=0), "mean difference", mean, "scatter", scatter, sep="\n")
    print("jackknife error", np.mean(errors, axis=0), sep="\n")
