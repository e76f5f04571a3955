"""Bispectrum, counts in cells and marked correlation in a comparison, against other routes."""

import itertools

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.toys import ThomasProcess
from galgen.errors import InputError
from galgen.measurements.bins import cells_per_side
from galgen.measurements.counts import CountsInCells
from galgen.measurements.fourier import Bispectrum
from galgen.measurements.pairs import MarkedCorrelation
from galgen.measurements.statistic import Volume, measure
from galgen.statistics.fourier.bispectrum import bispectrum
from galgen.validation.comparison import compare
from galgen.validation.report.plot_curves import statistics_figure
from galgen.validation.settings import ValidationSettings

SIDE = 50.0
VOLUME = Volume((SIDE,) * 3, True, 100.0)
FUNDAMENTAL = 2 * np.pi / SIDE
EDGES = tuple((FUNDAMENTAL * np.array([0.5, 1.5, 2.5, 3.5])).tolist())
STATISTICS = (
    Bispectrum(EDGES, mesh_size=16),
    CountsInCells((0.8, 3.7)),
    MarkedCorrelation("mass", (1.0, 3.0, 8.0)),
)


def catalogues(seed, number=8, clustered=True):
    """Clumps, where a point is heavier the more others are near; else neither."""
    rng = np.random.default_rng(seed)
    made = []
    for cloud in ThomasProcess(20.0, 5.0, 0.04).sample(rng, number):
        x = SIDE * cloud.astype(np.float64) if clustered else rng.uniform(0, SIDE, cloud.shape)
        apart = x[None] - x[:, None]
        r = np.linalg.norm(apart - SIDE * np.round(apart / SIDE), axis=-1)
        near = (r < 5).sum(axis=1) if clustered else 2
        mass = 1e13 * (1 + near) * rng.lognormal(0, 0.2, len(x))
        columns = dict(zip("xyz", x.T, strict=True)) | {"mass": mass}
        made.append(Catalogue(columns, (SIDE,) * 3))
    return made


@pytest.fixture(scope="module")
def measured():
    made = catalogues(0)
    made[3] = made[3].select(np.zeros(len(made[3]), bool))
    return made, measure(STATISTICS, made, VOLUME, 5)


def test_an_empty_catalogue_has_nothing_in_any_bin(measured):
    _, found = measured
    assert [axis.name for axis in found.axes] == [
        "B_equilateral", "B_squeezed", "cells", "void", "marked",
    ]  # fmt: skip
    for ratio in found.ratios:
        assert not ratio.above[3].any() and not ratio.below[3].any()
        assert np.all(np.isfinite(ratio.above)) and ratio.below[0].all()


def test_the_bispectrum_is_that_of_each_catalogue(measured):
    made, found = measured
    triples = ((0, 0, 0), (1, 1, 1), (2, 2, 2), (0, 1, 1), (0, 2, 2))
    for index in (0, 6):
        x = made[index].positions[None]
        truth = np.asarray(bispectrum(x, None, SIDE, 16, EDGES, triples).bispectrum)[0]
        both = [found.ratio(f"B_{name}").above[index] for name in ("equilateral", "squeezed")]
        np.testing.assert_allclose(np.concatenate(both), truth, rtol=1e-3, atol=1e-3 * truth.max())
    assert np.all(found.ratio("B_squeezed").below[0] == 1)
    np.testing.assert_array_equal(found.axes[1].edges, EDGES[1:])


def test_cells_are_those_of_a_histogram(measured):
    made, found = measured
    cells = cells_per_side(VOLUME, STATISTICS[1].mean_numbers)
    assert cells == (5, 3)
    edges = found.axes[2].edges
    assert edges[0] < SIDE / 5 < edges[1] < SIDE / 3 < edges[2]
    for index in (0, 7):
        for column, per_side in enumerate(cells):
            bins = [np.linspace(0, SIDE, per_side + 1)] * 3
            counts = np.histogramdd(made[index].positions, bins)[0].ravel()
            xi = (counts * (counts - 1)).mean() / counts.mean() ** 2 - 1
            assert found.ratio("cells").single()[index, column] == pytest.approx(xi, rel=1e-9)
            void = np.mean(counts == 0)
            assert found.ratio("void").single()[index, column] == pytest.approx(void, rel=1e-12)


def test_marked_pairs_are_those_of_a_double_loop(measured):
    made, found = measured
    x, mass = made[1].positions, made[1].columns["mass"]
    apart = x[None] - x[:, None]
    r = np.linalg.norm(apart - SIDE * np.round(apart / SIDE), axis=-1)
    np.fill_diagonal(r, np.inf)
    product = mass[:, None] * mass / mass.mean() ** 2
    for column, (low, high) in enumerate(itertools.pairwise((1.0, 3.0, 8.0))):
        inside = (r >= low) & (r < high)
        assert found.ratio("marked").below[1, column] == inside.sum()
        assert found.ratio("marked").single()[1, column] == pytest.approx(
            product[inside].mean(), rel=1e-4
        )


@pytest.mark.slow
def test_a_comparison_tells_clumps_and_where_the_heavy_are():
    settings = ValidationSettings(
        mesh_size=16, separation_edges=(2.0, 6.0, 10.0), statistics=STATISTICS, relabellings=20
    )
    held_out = {"test": catalogues(1, 24)}
    right = compare({"test": catalogues(2, 24)}, held_out, settings).main
    uniform = compare({"test": catalogues(3, 24, clustered=False)}, held_out, settings).main
    for name in ("B_equilateral", "B_squeezed", "cells", "void", "marked"):
        assert right.curve(name).means.full
        assert right.curve(name).means.p_value > 1e-3
        # The bispectrum of a box is the noisiest of them.
        assert uniform.curve(name).means.p_value < (1e-2 if name[0] == "B" else 1e-4)
    marked = right.curve("marked")
    assert marked.held_out.mean[0] > 1.1
    assert abs(marked.base.mean[0] - 1) < 5 * marked.base.error[0]
    assert right.curve("void").held_out.mean[0] > right.curve("void").base.mean[0]
    figure = statistics_figure(right)
    assert len(figure.axes) == 2 * len(right.statistics) == 10
    assert figure.get_size_inches()[0] <= 18  # four in a row


def test_default_bins_fit_the_box_and_bad_ones_are_named():
    axes = Bispectrum().axes(VOLUME)
    np.testing.assert_allclose(axes[0].edges, FUNDAMENTAL * np.arange(0.5, 11, 2))
    few = Bispectrum(mesh_size=20).axes(VOLUME)[0]
    np.testing.assert_allclose(few.edges, FUNDAMENTAL * np.array([0.5, 2.5, 4.5]))
    one = CountsInCells((1.0,)).axes(VOLUME)[0]
    assert one.edges[0] < SIDE / 5 < one.edges[1] and len(one.edges) == 2
    with pytest.raises(
        InputError, match=r"room for 2 bins .* got mesh_size=8 and bins=5 .* enlarge"
    ):
        Bispectrum(mesh_size=8).axes(VOLUME)
    with pytest.raises(
        InputError, match=r"at least 2 bins for squeezed triangles, got edges \(0.1"
    ):
        Bispectrum((0.1, 0.2)).axes(VOLUME)
    bare = [c.replace(columns={n: c.columns[n] for n in "xyz"}) for c in catalogues(4, 4)]
    with pytest.raises(InputError, match=r"expected a column 'mass'"):
        measure(STATISTICS[2:], bare, VOLUME, 4)
