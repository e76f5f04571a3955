"""Slabs of catalogues: the marker of a halo grows with its mass, whatever the dtype of its mass."""

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.plot_style import new_figure
from galgen.validation.report.plot_slices import draw_slab, mass_range, suite_figure


def haloes(seed, number=60):
    """Float32 masses, the lightest and the heaviest in the slab that is drawn."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, 9.9, number).astype(np.float32) for name in "xyz"}
    masses = np.sort(rng.lognormal(30 + seed % 3, 1.0, number)).astype(np.float32)
    columns["z"][[0, -1]] = 0.5
    return Catalogue({**columns, "mass": masses}, (10.0,) * 3)


@pytest.mark.parametrize("seed", range(20))
def test_markers_grow_from_the_lightest_to_the_heaviest(seed):
    catalogue = haloes(seed)
    axes = new_figure(3.0, 3.0).subplots()
    draw_slab(axes, catalogue, "black", mass_range([catalogue]))
    inside = catalogue.columns["z"] < 2.5
    sizes = axes.collections[0].get_sizes()
    assert len(sizes) == inside.sum() and np.all(np.diff(sizes) > 0)
    np.testing.assert_allclose(sizes[[0, -1]], [3.0, 48.0])


def test_the_range_is_over_all_catalogues_in_float64():
    pair = [haloes(0), haloes(1)]
    masses = np.concatenate([c.columns["mass"] for c in pair]).astype(np.float64)
    found = mass_range(pair)
    assert found is not None
    np.testing.assert_allclose(found, np.log10([masses.min(), masses.max()]), rtol=1e-15)


@pytest.mark.parametrize("masses", [None, [], [0.0, 1e13]])
def test_no_range_without_positive_masses(masses):
    columns = {} if masses is None else {"mass": np.array(masses)}
    number = 2 if masses is None else len(masses)
    rest = Catalogue({**{name: np.ones(number) for name in "xyz"}, **columns}, (10.0,) * 3)
    assert mass_range([rest]) is None
    assert mass_range([rest, rest]) is None


def test_slabs_of_a_suite_of_float32_masses(tmp_path):
    path = tmp_path / "suite.h5"
    write_suite(path, [haloes(seed) for seed in range(6)])
    with Suite(path) as suite:
        figure = suite_figure(suite)
        low, high = mass_range([suite[i] for i in range(4)])
    slabs = [axes for axes in figure.axes if "N = 60" in axes.get_title()]
    assert len(slabs) == 4
    for seed, axes in enumerate(slabs):
        mass = haloes(seed).columns["mass"]
        logs = np.log10(mass[haloes(seed).columns["z"] < 2.5].astype(np.float64))
        sizes = 3 + 45 * ((logs - low) / (high - low)) ** 1.5
        np.testing.assert_allclose(axes.collections[0].get_sizes(), sizes)
    figure.canvas.draw()
