"""Pair counts and correlations are those of Corrfunc: frozen, and alive where it is installed."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from galgen.statistics.pairs.bins import AngleBins
from galgen.statistics.pairs.correlation import two_point_correlation
from galgen.statistics.pairs.counts import cross_pair_counts, pair_counts
from galgen.statistics.pairs.multipoles import correlation_multipoles, projected_correlation

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "make_pair_references.py"


@pytest.fixture(scope="module")
def script():
    """The script that froze the numbers: its catalogue and bins are used here."""
    specification = importlib.util.spec_from_file_location("make_pair_references", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frozen(script):
    content = json.loads(script.FILE.read_text())
    assert content["code"] == "Corrfunc"
    assert script.catalogue().sum() == pytest.approx(content["sum_of_positions"], rel=1e-14)
    return content


def test_auto_cross_and_weighted_counts(script, frozen):
    x, y = script.catalogue()[None], script.catalogue(1500, 2027)[None]
    arguments = (script.EDGES, script.BOX)
    counts = pair_counts(x, None, *arguments)
    np.testing.assert_array_equal(counts[0], frozen["pairs"])
    cross = cross_pair_counts(x, None, y, None, *arguments)
    np.testing.assert_array_equal(cross[0], frozen["cross"])
    weights = script.weights()[None]
    weighted = pair_counts(x, None, *arguments, weights=weights)
    np.testing.assert_allclose(weighted[0], frozen["weighted"], rtol=1e-12)


def test_xi(script, frozen):
    x = script.catalogue()[None]
    xi = two_point_correlation(x, None, script.EDGES, script.BOX).xi[0]
    np.testing.assert_allclose(xi, frozen["xi"], rtol=1e-12, atol=1e-12)


def test_counts_along_and_across_the_line_of_sight(script, frozen):
    x = script.catalogue()[None]
    angle = correlation_multipoles(x, None, script.EDGES, script.BOX, script.MU_BINS)
    np.testing.assert_array_equal(angle.pairs[0], frozen["s_mu"])
    across = projected_correlation(x, None, script.EDGES, script.BOX, script.PI_MAX)
    np.testing.assert_array_equal(across.pairs[0], frozen["rp_pi"])
    np.testing.assert_allclose(across.wp[0], frozen["wp"], rtol=1e-10)


def test_every_integer_of_a_larger_catalogue(script):
    theory = pytest.importorskip("Corrfunc.theory", reason="Corrfunc is not installed")
    x = np.random.default_rng(3).uniform(0, 300, (30_000, 3))
    x[:10_000] = (x[:50].repeat(200, axis=0) + x[:10_000] * 0.01) % 300
    edges = np.geomspace(0.2, 40, 20)
    columns = list(x.T.copy())
    truth = theory.DD(1, 1, edges, *columns, periodic=True, boxsize=300.0)["npairs"]
    np.testing.assert_array_equal(pair_counts(x[None], None, edges, 300.0)[0], truth)
    table = theory.DDsmu(1, 1, edges, 1.0, 20, *columns, periodic=True, boxsize=300.0)
    counts = pair_counts(x[None], None, AngleBins(tuple(edges), 20), 300.0)[0]
    np.testing.assert_array_equal(counts, table["npairs"].reshape(-1, 20))
