"""Draws on the fields of held-out: planted cases whose r(k) and T(k) are known."""

import dataclasses
import json

import numpy as np
import pytest

from galgen.cli import main
from galgen.commands.suites import shared_fields
from galgen.data import Catalogue, Field, write_suite
from galgen.errors import InputError
from galgen.validation import SharedField, ValidationSettings, compare, write_report
from galgen.validation.checks.equivalence import About
from galgen.validation.checks.phases import compare_phases, over_bins
from galgen.validation.report.plot_phases import phases_figure
from galgen.validation.verdict import Kind, Status
from galgen.validation.words import finding, row

SIDE, POINTS = 64.0, 200
EDGES = 2 * np.pi / SIDE * np.array([0.5, 1.5, 2.5, 3.5])
SETTINGS = ValidationSettings(
    mesh_size=16, wavenumber_edges=tuple(EDGES), separation_edges=(1.0, 8.0, 12.0), relabellings=20
)


def field_of(rng, mesh=8):
    values = rng.standard_normal((mesh,) * 3)
    return Field((values - values.mean()).astype(np.float32), SIDE)


def random_points(rng, number=POINTS):
    return rng.uniform(0, SIDE, (number, 3))


def catalogue(x):
    return Catalogue(dict(zip("xyz", x.T, strict=True)), (SIDE,) * 3, 0.0, {"omega_m": 0.3})


def planted(rng, number, first, second, between):
    """Truth t and draws g, s of points at random: fractions of t in g and in s, and of g in s."""
    shared = []
    for _ in range(number):
        t, g, s = (random_points(rng) for _ in range(3))
        parts = [round(f * POINTS) for f in (first, second, between)]
        g[: parts[0]] = t[: parts[0]]
        s[: parts[1]] = t[: parts[1]]
        s[POINTS - parts[2] :] = g[POINTS - parts[2] :]
        shared.append(SharedField(field_of(rng), *map(catalogue, (t, g, s))))
    return shared


def agree(curve, expected):
    return np.all(np.abs(curve.mean - expected) < 3.5 * curve.error)


def test_identical_draws_have_r_and_transfer_of_one():
    rng = np.random.default_rng(0)
    same = [SharedField(field_of(rng), *[catalogue(random_points(rng))] * 3) for _ in range(4)]
    found = compare_phases(same, EDGES, SETTINGS)
    for curve in (found.coefficient, found.transfer, found.ceiling):
        np.testing.assert_allclose(curve.mean, 1.0, rtol=1e-5)
        assert np.all(curve.error == 0)
    np.testing.assert_allclose(found.difference.mean, 0.0, atol=1e-5)
    np.testing.assert_array_equal(found.generated.mean, found.held_out.mean)


@pytest.mark.parametrize(
    ("first", "second", "between"),
    [
        pytest.param(0.0, 0.0, 0.0, id="independent"),
        pytest.param(0.5, 0.5, 0.0, id="right: any two share half"),
        pytest.param(0.5, 0.5, 0.25, id="draws too alike"),
        pytest.param(0.6, 0.2, 0.0, id="draws too unlike"),
    ],
)
def test_shared_points_are_the_coefficient(first, second, between):
    """Of points at random, r is the fraction that two catalogues share, at every k."""
    shared = planted(np.random.default_rng(1), 48, first, second, between)
    found = compare_phases(shared, EDGES, SETTINGS)
    assert (found.fields, found.pairs) == (48, 48)
    assert agree(found.coefficient, first)
    two = min(first, second) + between
    assert agree(found.ceiling, two)
    assert agree(found.difference, (first + second) / 2 - two)
    assert found.difference.error.max() < 0.05
    assert agree(found.generated, 0.0) and agree(found.held_out, 0.0)
    value, error = over_bins(found.difference)
    sure = abs((first + second) / 2 - two) > 0
    assert (abs(value) > 5 * error) == sure


def test_errors_are_the_scatter_of_repetitions():
    rng = np.random.default_rng(2)
    sets = [compare_phases(planted(rng, 8, 0.5, 0.5, 0.0), EDGES, SETTINGS) for _ in range(24)]
    for name in ("coefficient", "difference"):
        means = np.array([over_bins(getattr(found, name)) for found in sets])
        assert abs(means[:, 0].std(ddof=1) / means[:, 1].mean() - 1) < 0.45


def test_a_draw_of_more_power_has_its_transfer_and_a_coarse_field_fewer_bins():
    """Half as many points at random have twice the power, all of it shot noise."""
    rng = np.random.default_rng(3)
    shared = []
    for _ in range(32):
        t = random_points(rng)
        field = field_of(rng, mesh=5)
        shared.append(SharedField(field, catalogue(t), catalogue(t[: POINTS // 2])))
    found = compare_phases(shared, EDGES, SETTINGS)
    assert np.all(np.abs(found.transfer.mean - np.sqrt(2)) < 4 * found.transfer.error + 0.02)
    assert np.all(np.abs(found.coefficient.mean - np.sqrt(0.5)) < 4 * found.coefficient.error)
    assert found.ceiling is None and found.difference is None and found.pairs == 0
    np.testing.assert_array_equal(found.field_axis.edges, EDGES[:3])  # to k of 2.5
    assert found.generated.mean.shape == (2,)
    coarsest = [dataclasses.replace(each, field=field_of(rng, mesh=2)) for each in shared]
    without = compare_phases(coarsest, EDGES, SETTINGS)
    assert without.field_axis is without.generated is without.held_out is None
    np.testing.assert_array_equal(without.coefficient.mean, found.coefficient.mean)


def test_points_of_a_field_correlate_with_it():
    """Poisson points of 1 + delta: r² = P / (P + 1/n), T of two such draws 1."""
    rng, mesh, amplitude = np.random.default_rng(4), 8, 0.4
    shared = []
    for _ in range(24):
        values = amplitude * np.sign(field_of(rng, mesh).values)
        field = Field(values - values.mean(), SIDE)
        draws = []
        for _ in range(2):
            counts = rng.poisson((1 + field.values) * 1000 / mesh**3)
            cells = np.repeat(np.argwhere(counts >= 0), counts.ravel(), axis=0)
            draws.append(catalogue(cells * SIDE / mesh % SIDE))
        shared.append(SharedField(field, *draws))
    found = compare_phases(shared, EDGES, SETTINGS)
    cell = (SIDE / mesh) ** 3
    power = amplitude**2 * cell
    expected = np.sqrt(power / (power + SIDE**3 / 1000))
    for curve in (found.generated, found.held_out):
        assert np.all(np.abs(curve.mean - expected) < 4 * curve.error + 0.02)
    assert np.all(np.abs(found.coefficient.mean - expected**2) < 4 * found.coefficient.error + 0.02)
    assert np.all(np.abs(found.transfer.mean - 1) < 4 * found.transfer.error)


def test_too_few_fields_are_left_out_and_other_boxes_refused():
    rng = np.random.default_rng(5)
    three = planted(rng, 3, 0.5, 0.5, 0.0)
    assert compare_phases(three, EDGES, SETTINGS) is None
    empty = dataclasses.replace(three[0], generated=catalogue(np.zeros((0, 3))))
    assert compare_phases([*three, empty], EDGES, SETTINGS) is None
    once = dataclasses.replace(three[0], second=None)
    found = compare_phases([*three, once], EDGES, SETTINGS)
    assert (found.fields, found.pairs, found.ceiling) == (4, 3, None)
    far = [catalogue(random_points(rng)).replace(box=(65.0,) * 3) for _ in range(4)]
    with pytest.raises(InputError, match="expected catalogues of one box, got 65 x 65 x 65"):
        compare({"test": far}, {"test": far}, SETTINGS, phases={"test": three})
    with pytest.raises(InputError, match=r"box of their field, \(65.0, 65.0, 65.0\) Mpc/h, got"):
        SharedField(Field(three[0].field.values, 65.0), three[0].held_out, three[0].generated)


def sets_of(shared):
    return {"test": [s.generated for s in shared]}, {"test": [s.held_out for s in shared]}


def test_a_report_tells_of_phases_only_where_fields_are_shared(tmp_path):
    shared = planted(np.random.default_rng(6), 12, 0.5, 0.5, 0.25)
    sets = sets_of(shared)
    found = compare(*sets, SETTINGS, phases={"test": shared})
    n = found.numbers
    phases = found.main.phases
    assert (n["r.truth"], n["r.truth_error"]) == over_bins(phases.coefficient)
    assert (n["test.r.ceiling"], n["r.ceiling_error"]) == over_bins(phases.ceiling)
    assert n["r.difference"] == pytest.approx(-0.25, abs=4 * n["r.difference_error"])
    assert n["r.chi2"] == np.mean((phases.difference.mean / phases.difference.error) ** 2)
    (verdict,) = (v for v in found.verdicts if v.kind is Kind.PHASES)
    assert row(verdict).measure == "r(k) with truth less two draws, test"
    assert verdict.status is Status.BAD
    said = finding(verdict, {})
    assert said.startswith("r(k) of draws with the truth is below that of two draws by 0.2")
    assert said.rstrip(".") in found.summary
    text = write_report(found, *sets, tmp_path / "with", "with").read_text()
    assert "Draws on the fields of held-out, test" in text and '<th scope="col">Two draws' in text
    tree = json.loads((tmp_path / "with" / "comparison.json").read_text())
    (split,) = tree["splits"]
    assert split["phases"]["coefficient"]["mean"] == phases.coefficient.mean.tolist()

    once = [dataclasses.replace(each, second=None) for each in shared]
    found = compare(*sets, SETTINGS, phases={"test": once})
    assert "r.truth" in found.numbers and "r.ceiling" not in found.numbers
    (verdict,) = (v for v in found.verdicts if v.kind is Kind.PHASES)
    assert "no ceiling" in row(verdict).note and verdict.status is Status.CANNOT_TELL
    axes = phases_figure(found.main.phases).axes
    assert [panel.get_ylabel()[:2] for panel in axes] == ["$r", "$T"]

    assert {curve.means.about for curve in found.main.curves} == {About.PAIR}
    assert found.main.count.means.about is About.PAIR
    some = compare(*sets, SETTINGS, phases={"test": shared[:6]})
    assert About.PAIR not in {curve.means.about for curve in some.main.curves}

    found = compare(*sets, SETTINGS)
    assert found.main.phases is None and not any(name.startswith("r.") for name in found.numbers)
    text = write_report(found, *sets, tmp_path / "without", "without").read_text()
    assert "Draws on the fields" not in text and "Two draws" not in text


def test_two_suites_are_paired_by_their_fields(tmp_path):
    """In any order, twice or once, and by the name of one split each."""
    shared = planted(np.random.default_rng(7), 6, 0.5, 0.5, 0.25)
    fields = [each.field for each in shared]
    write_suite(tmp_path / "truth.h5", [s.held_out for s in shared], "test", fields)
    others = [field_of(np.random.default_rng(8))]
    write_suite(
        tmp_path / "mocks.h5",
        [*(s.generated for s in shared), catalogue(random_points(np.random.default_rng(9)))][::-1]
        + [s.second for s in shared],
        "mine",
        [*fields, *others][::-1] + fields,
    )
    paths = tmp_path / "mocks.h5", tmp_path / "truth.h5"
    found = shared_fields(*paths, {"test": "mine"})["test"]
    assert [(s.held_out, s.generated, s.second) for s in found] == [
        (s.held_out, s.generated, s.second) for s in shared
    ]
    write_suite(tmp_path / "bare.h5", [s.generated for s in shared], "test")
    assert shared_fields(tmp_path / "bare.h5", paths[1], {"test": "test"}) == {}
    assert main(["validate", *map(str, paths), "--output", str(tmp_path / "report")]) == 0
    numbers = json.loads((tmp_path / "report" / "comparison.json").read_text())["numbers"]
    assert numbers["r.difference"] < -5 * numbers["r.difference_error"]
