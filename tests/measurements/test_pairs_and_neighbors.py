"""Nearest neighbours and pairwise velocities in a comparison, against brute force."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree

from galgen.cosmology import astropy_cosmology
from galgen.data.catalogue import VELOCITIES, Catalogue
from galgen.data.toys import ThomasProcess
from galgen.errors import InputError
from galgen.measurements.counts import NearestNeighbors
from galgen.measurements.pairs import PairwiseVelocity, RedshiftSpaceMultipoles
from galgen.measurements.statistic import Volume, measure
from galgen.statistics.counts.sphere_counts import lattice_centers
from galgen.statistics.pairs.multipoles import correlation_multipoles
from galgen.validation.comparison import compare
from galgen.validation.settings import ValidationSettings

SIDE = 50.0
STATISTICS = (NearestNeighbors((1, 2), (0.2, 0.5, 0.9), 6), PairwiseVelocity((1.0, 3.0, 6.0)))


def catalogues(seed, number=8, clustered=True, speed=30.0):
    """Clumps whose members fall towards their centre of mass at ``speed`` km/s per Mpc/h."""
    rng = np.random.default_rng(seed)
    made = []
    for cloud in ThomasProcess(20.0, 5.0, 0.04).sample(rng, number):
        x = SIDE * cloud.astype(np.float64) if clustered else rng.uniform(0, SIDE, cloud.shape)
        apart = x[None] - x[:, None]
        apart -= SIDE * np.round(apart / SIDE)
        near = np.linalg.norm(apart, axis=-1, keepdims=True) < 6
        fall = np.sum(np.where(near, apart, 0.0), axis=1) / near.sum(axis=1)
        columns = dict(zip("xyz", x.T, strict=True)) | dict(
            zip(VELOCITIES, speed * fall.T + rng.normal(0, 5, fall.T.shape), strict=True)
        )
        made.append(Catalogue(columns, (SIDE,) * 3))
    return made


@pytest.fixture(scope="module")
def measured():
    made = catalogues(0)
    made[3] = made[3].select(np.zeros(len(made[3]), bool))
    return made, measure(STATISTICS, made, Volume((SIDE,) * 3, True, 100.0), 5)


def test_neighbours_are_those_of_a_tree(measured):
    made, found = measured
    edges = found.axes[0].edges
    queries = lattice_centers(6, (SIDE,) * 3)
    for index, catalogue in enumerate(made):
        for column, name in enumerate(("knn1", "knn2")):
            ratio = found.ratio(name)
            if not len(catalogue):
                assert not ratio.above[index].any() and not ratio.below[index].any()
                continue
            tree = cKDTree(catalogue.positions % SIDE, boxsize=SIDE)
            distance = tree.query(queries, k=[column + 1])[0][:, 0]
            np.testing.assert_array_equal(ratio.above[index], np.histogram(distance, edges)[0])
            assert np.all(ratio.below[index] == 216)


def test_pairwise_velocities_are_those_of_a_double_loop(measured):
    made, found = measured
    ratio = found.ratio("v12")
    for index, catalogue in enumerate(made):
        x, v = catalogue.positions, catalogue.velocities
        apart = x[None] - x[:, None]
        apart -= SIDE * np.round(apart / SIDE)
        r = np.linalg.norm(apart, axis=-1)
        along = np.sum((v[None] - v[:, None]) * apart, axis=-1) / np.where(r > 0, r, 1)
        for column, (low, high) in enumerate(((1, 3), (3, 6))):
            inside = (r >= low) & (r < high)
            assert ratio.below[index, column] == inside.sum()
            assert ratio.above[index, column] == pytest.approx(along[inside].sum(), rel=1e-4, abs=1)


def test_a_comparison_tells_voids_and_infall():
    settings = ValidationSettings(
        mesh_size=16, separation_edges=(2.0, 6.0, 10.0), statistics=STATISTICS, relabellings=20
    )
    held_out = {"test": catalogues(1, 24)}
    wrong = {"test": catalogues(2, 24, clustered=False, speed=-30.0)}
    right = compare({"test": catalogues(3, 24)}, held_out, settings).main
    uniform_outflow = compare(wrong, held_out, settings).main
    for name in ("knn1", "v12"):
        assert right.curve(name).means.p_value > 1e-3
        assert uniform_outflow.curve(name).means.p_value < 1e-6
    infall = right.curve("v12")
    assert np.all(infall.held_out.mean < -5 * infall.held_out.error)
    assert np.all(np.abs(infall.base.mean) < 5 * infall.base.error)


def test_multipoles_in_redshift_space_are_those_of_moved_catalogues():
    cosmologies = [
        {"omega_m": 0.2},
        {"omega_m": 0.3, "w0": -0.2, "wa": -0.5},
        {"omega_m": 0.4, "omega_k": 0.3},
        {"omega_m": 0.5, "h": 0.7, "m_nu": 3.0},
    ]
    made = [
        dataclasses.replace(catalogue, cosmology=cosmology, redshift=0.5)
        for catalogue, cosmology in zip(catalogues(4, 4), cosmologies, strict=True)
    ]
    statistic = RedshiftSpaceMultipoles((0, 2), (1.0, 4.0, 9.0), mu_bins=8)
    volume = Volume((SIDE,) * 3, True, 100.0)
    found = measure((statistic,), made, volume, 4)
    for index, catalogue in enumerate(made):
        factor = 1.5 / (100 * astropy_cosmology(catalogue.cosmology).efunc(0.5))
        moved = catalogue.positions + factor * catalogue.velocities * np.array([0, 0, 1])
        truth = correlation_multipoles(moved[None], None, (1.0, 4.0, 9.0), SIDE, 8, (0, 2))
        for row, name in enumerate(("xis0", "xis2")):
            ratio = found.ratio(name)
            value = ratio.above[index] / ratio.below[index] + ratio.offset
            np.testing.assert_allclose(value, truth.multipoles[0, row], rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match=r"periodic boxes for multipoles .* got open ones; leave"):
        measure((statistic,), made, Volume((SIDE,) * 3, False, 100.0), 4)
    with pytest.raises(InputError, match="catalogues that know omega_m"):
        measure((statistic,), catalogues(4, 4), volume, 4)
