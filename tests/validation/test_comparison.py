"""Sets whose closure and response are known by construction: Thomas processes and mixtures."""

import dataclasses

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.toys import ThomasProcess
from galgen.errors import InputError
from galgen.measurements.bins import separation_edges, wavenumber_edges
from galgen.measurements.fourier import Power
from galgen.measurements.pairs import Correlation
from galgen.measurements.statistic import Volume, measure
from galgen.validation.comparison import compare
from galgen.validation.marks import compare_counts, respond_counts
from galgen.validation.report.table import HEIGHT, WIDTH, table
from galgen.validation.sets import conditions, same_cosmologies
from galgen.validation.settings import ValidationSettings
from galgen.validation.verdict import Kind, Status, judged, response_verdict
from galgen.validation.words import finding, row

SIDE = 100.0
STRONG = ThomasProcess(parents=60.0, children=5.0, sigma=0.03)
WEAK = ThomasProcess(parents=120.0, children=2.5, sigma=0.03)
SETTINGS = ValidationSettings(
    mesh_size=32, batch_size=8, separation_edges=(1.0, 3.0, 5.0, 7.0, 9.0, 12.0)
)
NUMBER = 64


def catalogues(process, seed, number=NUMBER, clustered=1.0, periodic=True, **cosmology):
    """Catalogues of a process; a fraction of the points is put at random if not clustered."""
    rng = np.random.default_rng(seed)
    made = []
    for cloud in process.sample(rng, number):
        x = SIDE * cloud.astype(np.float64)
        loose = rng.random(len(x)) > clustered
        x[loose] = rng.uniform(0, SIDE, (loose.sum(), 3))
        columns = dict(zip("xyz", x.T, strict=True))
        columns |= {name: rng.normal(0, 200, len(x)) for name in ("vx", "vy", "vz")}
        columns["mass"] = 10 ** (13 + rng.exponential(0.4, len(x)))
        made.append(Catalogue(columns, (SIDE,) * 3, cosmology=cosmology, periodic=periodic))
    return made


def verdict(comparison, kind, statistic):
    return next(v for v in comparison.verdicts if (v.kind, v.statistic) == (kind, statistic))


@pytest.fixture(scope="module")
def held_out():
    return {"test": catalogues(STRONG, 0)}


@pytest.fixture(scope="module")
def true_mock(held_out):
    return compare({"test": catalogues(STRONG, 1)}, held_out, SETTINGS)


def test_independent_draws_of_one_process_close(true_mock):
    xi = true_mock.main.correlation
    assert xi.judged[:4].all()
    assert np.all(np.abs(xi.closure - 1)[:4] < 0.25)
    assert np.all(xi.std**2 < 3.5**2)
    assert np.all(xi.floor[:4] > 0.8)
    assert true_mock.main.marks[0].distance < 0.02


def test_the_truth_is_the_known_correlation(true_mock):
    xi = true_mock.main.correlation
    fine = np.linspace(xi.axis.edges[:-1], xi.axis.edges[1:], 501)
    model = STRONG.correlation(fine / SIDE)
    truth = np.trapezoid(model * fine**2, fine, axis=0) / np.trapezoid(fine**2, fine, axis=0)
    constraint = (1 + truth) * (1 + STRONG.children) / STRONG.mean_count
    assert np.all(np.abs(xi.held_out.mean - truth) < 3 * xi.held_out.error + constraint)
    assert np.all(np.abs(xi.base.mean) < 3.5 * xi.base.error)


def test_uniform_catalogues_close_nothing_and_the_verdict_says_bad(held_out):
    uniform = {"test": catalogues(STRONG, 2, clustered=0.0)}
    comparison = compare(uniform, held_out, SETTINGS)
    for curve in (comparison.main.correlation, comparison.main.monopole):
        judged = curve.judged
        assert np.all(np.abs(curve.closure[judged]) < 3.5 * curve.closure_error[judged])
        np.testing.assert_array_equal(curve.means.bad(0.05)[judged], True)
    found = verdict(comparison, Kind.MEAN, "xi")
    assert found.status is Status.BAD and found.splits == ("test",)
    assert "bad at r 1.0-3.0 -9" in row(found).note or "bad at r 1.0-3.0 -10" in row(found).note
    assert comparison.summary.startswith("Shown bad at a tolerance of 5.0% in ")
    named = comparison.summary.partition("Worst first: ")[2]
    assert "xi is " in named and "P0 is " in named and "too low at r " in named
    assert verdict(comparison, Kind.COUNT, "N").status is not Status.BAD


def test_half_the_clustering_closes_half(held_out):
    """A fraction f of clustered points among random ones has f² xi."""
    half = {"test": catalogues(STRONG, 3, clustered=np.sqrt(0.5))}
    xi = compare(half, held_out, SETTINGS).main.correlation
    assert np.all(np.abs(xi.closure - 0.5)[:4] < 3 * xi.closure_error[:4])
    assert np.all(xi.closure_error[:4] < 0.12)


def test_the_tolerance_decides_between_good_and_cannot_tell(true_mock):
    least = verdict(true_mock, Kind.MEAN, "xi").agreement.tolerance
    assert 0.02 < least < 1 and not any(v.status is Status.BAD for v in true_mock.verdicts)
    for tolerance, status in ((1.01 * least, Status.GOOD), (0.99 * least, Status.CANNOT_TELL)):
        again = dataclasses.replace(true_mock, settings=ValidationSettings(tolerance=tolerance))
        assert verdict(again, Kind.MEAN, "xi").status is status
    assert true_mock.summary.startswith("No fault is shown in ")


def test_unclustered_held_out_has_no_percentage():
    sets = [{"test": catalogues(STRONG, seed, 12, clustered=0.0)} for seed in (4, 5)]
    found = verdict(compare(*sets, SETTINGS), Kind.MEAN, "xi")
    assert found.status is Status.CANNOT_TELL and "near zero in held-out" in row(found).note
    assert np.isnan(found.numbers["tolerance"])


@pytest.mark.parametrize(
    ("processes", "slope"),
    [((WEAK, STRONG), 1.0), ((WEAK, WEAK), 0.0), ((STRONG, WEAK), -1.0)],
)
def test_response_slope_of_constructed_cases(held_out, processes, slope):
    truth = {"test": held_out["test"][:8]} | {
        "low": catalogues(WEAK, 6),
        "high": catalogues(STRONG, 7),
    }
    low, high = (catalogues(p, 8 + i) for i, p in enumerate(processes))
    mock = {"high": high, "low": low, "test": held_out["test"][:8]}
    comparison = compare(mock, truth, SETTINGS)
    assert comparison.contrast == ("low", "high")
    for response in comparison.responses[:2]:
        assert abs(response.slope - slope) < 3 * response.slope_error
        assert response.slope_error < 0.25 and response.judged
    found = verdict(comparison, Kind.RESPONSE, "xi")
    assert found.splits == ("low", "high")
    assert found.numbers["response"] == comparison.responses[0].slope
    assert found.status is (Status.CANNOT_TELL if slope == 1 else Status.BAD)
    if slope != 1:
        assert "the response of xi " in finding(found, {})
        assert ("goes the wrong way" in finding(found, {})) == (slope < 0)
    weak = verdict(comparison, Kind.RESPONSE, "N")
    assert weak.status is Status.CANNOT_TELL and "too weak to tell" in row(weak).note
    lines = table(comparison).splitlines()
    assert len(lines) <= HEIGHT and max(map(len, lines)) <= WIDTH


def test_response_of_the_number_of_points():
    half = ThomasProcess(parents=30.0, children=5.0, sigma=0.03)
    low, high, stuck = catalogues(half, 10), catalogues(STRONG, 11), catalogues(half, 12)
    found = [
        compare_counts(mock, truth, conditions(mock, truth))
        for mock, truth in ((low, low), (high, high), (stuck, high))
    ]
    right, wrong = (respond_counts(found[0], other, 5.0) for other in found[1:])
    assert right.slope == pytest.approx(1.0) and right.judged
    np.testing.assert_allclose(right.held_out.mean, np.log(2), atol=0.15)
    assert abs(wrong.slope) < 3 * wrong.slope_error
    (verdict,) = judged([response_verdict(wrong, "low", "high")], 0.05)
    assert wrong.judged and verdict.status is Status.BAD


def test_order_of_catalogues_does_not_matter(held_out, true_mock):
    shuffled = [held_out["test"][i] for i in np.random.default_rng(0).permutation(NUMBER)]
    again = compare({"test": catalogues(STRONG, 1)[::-1]}, {"test": shuffled}, SETTINGS)
    for first, second in (
        (true_mock.main.correlation, again.main.correlation),
        (true_mock.main.power[0], again.main.power[0]),
    ):
        np.testing.assert_array_equal(first.closure, second.closure)
        np.testing.assert_array_equal(first.floor, second.floor)
    assert true_mock.verdicts == again.verdicts


def test_batches_and_padding_change_nothing(held_out):
    results = []
    for batch_size, rows in ((4, 768), (8, 512)):
        statistics = Correlation((2.0, 5.0, 9.0)), Power(mesh_size=32)
        volume = Volume((SIDE,) * 3, True, 300.0)
        results.append(measure(statistics, held_out["test"][:10], volume, batch_size, rows))
    assert [axis.name for axis in results[0].axes] == ["xi", "P0", "P2"]
    np.testing.assert_array_equal(results[0].ratio("xi").above, results[1].ratio("xi").above)
    for name in ("P0", "P2"):
        first, second = (result.ratio(name) for result in results)
        np.testing.assert_allclose(first.above, second.above, rtol=1e-4, atol=0.5)


def test_a_few_empty_generated_catalogues_are_measured(held_out):
    mock = catalogues(STRONG, 1)
    mock[3] = mock[3].select(np.zeros(len(mock[3]), bool))
    mock[5] = mock[5].select(np.arange(1))
    comparison = compare({"test": mock}, held_out, SETTINGS)
    assert np.isfinite(comparison.main.correlation.closure).all()
    assert np.isfinite(comparison.main.monopole.closure).all()
    assert np.isfinite([v.p_value for v in comparison.verdicts]).all()
    assert comparison.main.count.generated.min() == 0


def test_open_boxes_pass_through_and_say_so():
    sets = [{"train": catalogues(STRONG, seed, 24, periodic=False)} for seed in (20, 21)]
    comparison = compare(*sets, SETTINGS)
    xi = comparison.main.correlation
    assert not comparison.periodic and comparison.contrast is None
    assert np.all(np.abs(xi.std) < 3.5)
    assert np.all(np.abs(xi.base.mean) < 3.5 * xi.base.error)
    assert any("open" in note for note in comparison.notes)
    assert any("response to cosmology was not measured" in note for note in comparison.notes)


def test_different_cosmologies_are_noted():
    truth = catalogues(STRONG, 0, 8, omega_m=0.3)
    mock = catalogues(STRONG, 1, 8, omega_m=0.2)
    notes = compare({"test": mock}, {"test": truth}, SETTINGS).notes
    assert any("do not hold the same cosmologies" in note for note in notes)
    assert not same_cosmologies(truth, truth[:4] + mock[:4])
    assert same_cosmologies(truth + mock, (truth + mock) * 2)


def test_wrong_marks_are_seen(held_out):
    mock = [
        c.replace(
            columns={**c.columns, "mass": c.columns["mass"] * 10**0.1, "vx": c.columns["vx"] * 2}
        )
        for c in catalogues(STRONG, 1)
    ]
    mass, velocity = compare({"test": mock}, held_out, SETTINGS).main.marks
    assert mass.name == "log10 mass" and velocity.name == "velocity component"
    shift = mass.generated_moments.mean - mass.held_out_moments.mean
    assert abs(shift - 0.1) < 0.02
    expected = 10**0.1 - 1
    assert np.expm1(mass.agreement.error[0]) == pytest.approx(expected, abs=0.03)
    assert mass.agreement.bad(0.05)[0] and velocity.agreement.bad(0.05)[1]
    assert mass.agreement.p_value < 1e-6 and velocity.agreement.p_value < 1e-6
    assert velocity.agreement.bins[2].startswith("below -")
    assert mass.distance == pytest.approx(1 - np.exp(-0.1 / 0.4), abs=0.02)
    assert mass.distance > 5 * mass.null
    expected = 200 * np.sqrt((4 + 1 + 1) / 3)
    moments = velocity.generated_moments
    assert abs(moments.std - expected) < 4 * moments.std_error


def test_default_bins_fit_the_box():
    volume = Volume((128.0, 128.0, 100.0), True, 300.0)
    edges = separation_edges(volume, None, 7)
    assert len(edges) - 1 == 7
    assert edges[-1] == pytest.approx(20.0) and np.all(np.diff(edges) > 0)
    for mesh_size in (16, 32, 64, 256):
        k = wavenumber_edges(volume, None, mesh_size)
        assert len(k) - 1 <= 15 and k[-1] < 0.5001 * np.pi * mesh_size / 128
        assert k[0] == pytest.approx(np.pi / 100)


@pytest.mark.parametrize(
    ("mock", "truth", "message"),
    [
        ({"a": []}, {"b": []}, "expected a split that both sets have"),
        ({"test": 3}, {"test": 8}, "at least 4 catalogues .* of generated, got 3; add catalogues"),
        ({"test": 8}, {"test": 2}, "at least 4 catalogues .* of held-out, got 2"),
    ],
)
def test_errors(mock, truth, message):
    sets = [
        {n: catalogues(STRONG, 0, v) if isinstance(v, int) else v for n, v in s.items()}
        for s in (mock, truth)
    ]
    with pytest.raises(InputError, match=message):
        compare(*sets, SETTINGS)


def test_mixed_boxes_and_logarithmic_masses_are_refused():
    some = catalogues(STRONG, 0, 6)
    with pytest.raises(InputError, match=r"catalogues of one box.*200 Mpc/h periodic; compare"):
        compare({"test": [*some, some[0].replace(box=(SIDE, SIDE, 200.0))]}, {"test": some})
    with pytest.raises(InputError, match="100 Mpc/h open; compare"):
        compare({"test": [c.replace(periodic=False) for c in some]}, {"test": some})
    wrong = [c.replace(columns={**c.columns, "mass": c.columns["mass"] * 0}) for c in some]
    with pytest.raises(InputError, match="expected positive masses"):
        compare({"test": wrong}, {"test": some}, SETTINGS)


def test_settings_are_checked():
    with pytest.raises(InputError, match="monopole 0"):
        ValidationSettings(multipoles=(2,))
