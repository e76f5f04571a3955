"""Another statistic is one small class: it gets other columns, and all that xi(r) gets."""

import dataclasses
import json

import numpy as np
import pytest

from galgen.data.catalogue import VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Axis, Statistic
from galgen.validation.comparison import compare
from galgen.validation.report.plot_curves import statistics_figure
from galgen.validation.report.table import as_json, table
from galgen.validation.settings import ValidationSettings
from galgen.validation.verdict import Kind, Status

SIDE = 50.0


@dataclasses.dataclass(frozen=True)
class Infall(Statistic):
    """Mean velocity along z times the sign of z - L/2, per slab of |z - L/2|: masked sums."""

    edges: tuple[float, ...] = (0.0, 5.0, 15.0, 25.0)

    @property
    def columns(self):
        return VELOCITIES

    def axes(self, volume):
        edges = np.array(self.edges)
        return (Axis("infall", "height", "Mpc/h", edges, targeted=True, logarithmic=False),)

    def measure(self, clouds, volume):
        offset = clouds.positions[..., 2] - volume.box[2] / 2
        inward = np.sign(offset) * clouds.columns["vz"]
        above, below = [], []
        for low, high in zip(self.edges[:-1], self.edges[1:], strict=True):
            inside = clouds.mask & (np.abs(offset) >= low) & (np.abs(offset) < high)
            above.append(np.sum(inward * inside, axis=1, dtype=np.float64))
            below.append(inside.sum(axis=1).astype(np.float64))
        return (Ratio(np.stack(above, axis=1), np.stack(below, axis=1)),)


SETTINGS = ValidationSettings(
    mesh_size=16, separation_edges=(2.0, 6.0, 10.0), statistics=(Infall(),), relabellings=20
)


def catalogues(seed, flow, number=24):
    """Uniform points that fall towards the middle of z at ``flow`` km/s, with a scatter of 50."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        x = rng.uniform(0, SIDE, (rng.poisson(120), 3))
        columns = dict(zip("xyz", x.T, strict=True))
        columns |= {name: rng.normal(0, 50, len(x)) for name in VELOCITIES}
        columns["vz"] += flow * np.sign(x[:, 2] - SIDE / 2)
        made.append(Catalogue(columns, (SIDE,) * 3))
    return made


@pytest.fixture(scope="module")
def held_out():
    return {"test": catalogues(0, -100.0)}


@pytest.fixture(scope="module")
def half(held_out):
    return compare({"test": catalogues(1, -50.0)}, held_out, SETTINGS)


def test_columns_reach_the_statistic_and_the_base_has_them_at_random(half):
    curve = half.main.curve("infall")
    assert np.all(np.abs(curve.held_out.mean + 100) < 4 * curve.held_out.error)
    assert np.all(np.abs(curve.generated.mean + 50) < 4 * curve.generated.error)
    assert np.all(np.abs(curve.base.mean) < 4 * curve.base.error)
    assert curve.judged.all()
    np.testing.assert_allclose(curve.closure, 0.5, atol=0.1)
    assert curve.axis.bin_name(1) == "height 5-15"


def test_it_gets_a_verdict_numbers_and_json(half):
    found = next(v for v in half.verdicts if (v.kind, v.statistic) == (Kind.MEAN, "infall"))
    assert found.status is Status.BAD
    assert "infall is " in half.summary and "too high at height" in half.summary
    found = half.numbers
    assert found["infall.closure"] == found["test.infall.closure"]
    assert abs(found["infall.closure"] - 0.5) < 0.15
    assert found["infall.p"] < 1e-6 < found["xi.p"] and found["infall.chi2"] > 10
    tree = as_json(half)
    assert tree["splits"][0]["statistics"][0]["name"] == "infall"
    assert tree["numbers"] == {n: v if np.isfinite(v) else None for n, v in found.items()}
    json.dumps(tree, allow_nan=False)
    assert len(table(half).splitlines()) <= 40


def test_it_is_drawn(half):
    above, below = statistics_figure(half.main).axes
    line = above.get_lines()[0].get_ydata()
    np.testing.assert_array_equal(line, half.main.curve("infall").held_out.mean)
    assert above.get_ylabel() == "infall" and below.get_xlabel() == "height [Mpc/h]"
    assert above.get_xscale() == "linear"


def test_a_catalogue_without_the_column_is_refused(held_out):
    bare = [c.replace(columns={n: c.columns[n] for n in "xyz"}) for c in held_out["test"]]
    with pytest.raises(InputError, match=r"expected a column 'v[xyz]', got columns"):
        compare({"test": bare}, held_out, SETTINGS)


def test_two_curves_of_one_name_are_refused(held_out):
    twice = dataclasses.replace(SETTINGS, statistics=(Infall(), Infall((0.0, 25.0))))
    with pytest.raises(InputError, match="curves of different names"):
        compare(held_out, held_out, twice)


def test_a_copy_is_perfect_in_every_measure(held_out):
    main = compare(held_out, held_out, SETTINGS, held_out["test"]).main
    for curve in main.curves:
        np.testing.assert_allclose(curve.closure, 1.0)
        np.testing.assert_allclose(curve.spread.variance_ratio, 1.0)
        np.testing.assert_array_equal(curve.means.error, 0)
        assert curve.means.p_value == 1 and curve.means.chi_square == 0
    assert main.two_sample.chi_square < main.two_sample.null
    assert main.memorisation.copies == 1.0 and main.memorisation.training == 24
