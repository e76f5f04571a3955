"""A bin, a mark, a number that is the same in all catalogues hides nothing and decides nothing."""

import numpy as np
import pytest
from constants import CASES, constant

from galgen.data.catalogue import Catalogue
from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Axis
from galgen.validation.checks.equivalence import CovarianceKind, agree_means
from galgen.validation.checks.response import gradients, respond
from galgen.validation.checks.spread import measure_spread
from galgen.validation.checks.two_sample import standardised, two_sample_test
from galgen.validation.comparison import compare
from galgen.validation.curves import closure, compare_curves
from galgen.validation.marks import compare_marks
from galgen.validation.requirement import Requirement
from galgen.validation.sets import Conditions, p_value
from galgen.validation.settings import ValidationSettings
from galgen.validation.verdict import Kind, Status, judged, unjudged
from galgen.validation.words import finding, row

RNG = np.random.default_rng(0)
VARIED = RNG.normal(5.0, 1.0, (2, 80, 2))


def ratio(values: np.ndarray) -> Ratio:
    return Ratio(values.astype(np.float64), np.ones_like(values, np.float64))


def unconditional(*sizes: int) -> Conditions:
    groups = [np.zeros(n, np.int64) for n in sizes]
    return Conditions(*groups, True, (), *(np.zeros((n, 0)) for n in sizes))


def sets(magnitude: float, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Generated and held-out: two bins that vary and one between them that does not."""
    made = []
    for which in (0, 1):
        between = constant(magnitude, dtype, seed=which)
        made.append(np.column_stack([VARIED[which, :, 0], between, VARIED[which, :, 1]]))
    return made[0], made[1]


BOTH = unconditional(80, 80)
LABELS = BOTH.relabelled(40, 0)
NAMES = ("r 1-2", "r 2-3", "r 3-4")


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_an_agreement_is_that_of_the_other_bins(magnitude: float, dtype: type) -> None:
    mock, truth = sets(magnitude, dtype)
    found = agree_means(ratio(mock), ratio(truth), BOTH, NAMES, 5.0)
    rest = agree_means(ratio(mock[:, [0, 2]]), ratio(truth[:, [0, 2]]), BOTH, NAMES[::2], 5.0)
    assert found.full and found.degrees == 2
    assert found.chi_square == pytest.approx(rest.chi_square)
    assert found.error[1] == found.noise[1] == 0 and not found.bad(0.05)[1]
    few = agree_means(ratio(mock), ratio(truth[:4]), unconditional(80, 4), NAMES, 5.0)
    assert few.degrees == 2 and few.chi_square < 20 and few.error[1] == 0
    alone = ratio(mock[:, 1:2]), ratio(truth[:, 1:2])
    none = agree_means(*alone, BOTH, NAMES[1:2], 5.0)
    assert none.degrees == 0 and none.p_value == 1 and np.isnan(none.chi_square)
    assert none.kind is CovarianceKind.NOTHING_VARIES and none.good(0.05).all()


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_spread_is_that_of_the_other_bins(magnitude: float, dtype: type) -> None:
    mock, truth = sets(magnitude, dtype)
    labels = BOTH.relabelled(60, 0)
    found = measure_spread(mock, truth, BOTH, labels, 8, 0)
    rest = measure_spread(mock[:, [0, 2]], truth[:, [0, 2]], BOTH, labels, 8, 0)
    assert np.isnan(found.variance_ratio[1]) and np.isnan(found.crps_ratio[1])
    np.testing.assert_allclose(found.variance_ratio[[0, 2]], rest.variance_ratio)
    np.testing.assert_allclose(found.crps_ratio[[0, 2]], rest.crps_ratio)
    assert found.crps_p_value == rest.crps_p_value > 0.01
    # Ranks of last digits would be all at one end.
    shifted = mock.copy()
    shifted[:, 1] = truth[:, 1].max() * (1 + 3 * np.finfo(dtype).eps)
    again = measure_spread(shifted, truth, BOTH, labels, 8, 0)
    assert again.flatness_p_value > 0.01 and again.flatness[1] < 30


@pytest.mark.parametrize(("magnitude", "dtype"), CASES[::3])
def test_pqmass_and_memorisation_see_no_last_digits(magnitude: float, dtype: type) -> None:
    mock, truth = sets(magnitude, dtype)
    shifted = mock.copy()
    shifted[:, 1] *= 1 + 3 * np.finfo(dtype).eps
    found = two_sample_test(shifted, truth, BOTH, LABELS, 0, NAMES)
    rest = two_sample_test(mock[:, [0, 2]], truth[:, [0, 2]], BOTH, LABELS, 0)
    assert found.constant == ("r 2-3",) and found.dimensions == 2
    assert (found.chi_square, found.p_value) == (rest.chi_square, rest.p_value)
    third = np.column_stack([RNG.normal(5, 1, 80), constant(magnitude, dtype), VARIED[0, ::-1, 1]])
    everything = np.concatenate([shifted, truth, third])
    vectors = [standardised(v, truth, everything) for v in (shifted, truth, third)]
    assert all(np.all(v[:, 1] == 0) for v in vectors)
    # Constant in held-out alone: generated differs, and is told in units of both.
    other = mock.copy()
    other[:40, 1] *= 2
    apart = two_sample_test(other, truth, BOTH, LABELS, 0, NAMES)
    assert apart.constant == () and apart.p_value < 0.05


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_curves_of_a_constant_have_no_error_and_no_closure(magnitude: float, dtype: type) -> None:
    mock, truth = sets(magnitude, dtype)
    curves = [ratio(each).curve() for each in (mock, truth, 1.00000001 * truth)]
    assert all(c.error[1] == c.scatter[1] == 0 and np.all(c.covariance[1] == 0) for c in curves)
    value, _ = closure(*curves)
    assert np.isnan(value[1]), "held-out is as the base"
    response = respond("S", curves[1], curves[0], 5.0, 80)
    rest = respond("S", *(ratio(v[:, [0, 2]]).curve() for v in (truth, mock)), 5.0, 80)
    assert response.slope == pytest.approx(rest.slope)
    assert response.signal == pytest.approx(rest.signal)
    assert response.judged and np.isfinite(response.slope_error)
    nothing = respond("S", *(ratio(v[:, 1:2]).curve() for v in (truth, mock)), 5.0, 80)
    assert not nothing.judged and np.isnan(nothing.slope)
    assert np.isnan(nothing.agreement.p_value)


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_no_gradient_with_a_parameter_that_does_not_vary(magnitude: float, dtype: type) -> None:
    parameters = constant(magnitude, dtype).astype(float)[:, None]
    known = Conditions(*(np.arange(80),) * 2, True, ("h",), parameters, parameters)
    mock, truth = (ratio(v) for v in sets(1.0, np.float64))
    assert gradients("S", mock, truth, known, 5.0) == ()


def marked(weight: np.ndarray, number: int = 8) -> list[Catalogue]:
    made = []
    for part in np.split(weight, number):
        columns = dict(zip("xyz", RNG.uniform(0, 99, (3, len(part))), strict=True))
        made.append(Catalogue({**columns, "weight": part}, (100.0,) * 3))
    return made


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
@pytest.mark.parametrize("sign", [1, -1])
def test_marks_that_are_one_number_are_equal(magnitude: float, dtype: type, sign: int) -> None:
    weight = sign * constant(magnitude, dtype)
    up = weight * dtype(1 + 3 * np.finfo(dtype).eps)
    (found,) = compare_marks(marked(up), marked(weight), 10, 0)
    assert found.constant and found.distance == found.null == found.outside == 0
    assert np.all(np.diff(found.edges) > 0) and found.held_out.mean.sum() == pytest.approx(1)
    (other,) = compare_marks(marked(2 * weight), marked(weight), 10, 0)
    assert not other.constant and other.distance == 1 and other.outside == 1


@pytest.mark.slow
def test_a_comparison_of_catalogues_that_share_their_number_and_mark() -> None:
    """Twenty points each, all of one weight: N and the weight are said, and nothing is infinite."""
    settings = ValidationSettings(mesh_size=16, separation_edges=(5.0, 20.0, 45.0), relabellings=40)
    mock, truth = (marked(constant(1e13, np.float32, 240, seed), 12) for seed in (0, 1))
    found = compare({"test": mock}, {"test": truth}, settings)
    assert found.main.two_sample.constant == ("ln N",)
    verdicts = {r.measure: r for r in map(row, found.verdicts)}
    assert (
        "left out, the same in all of both: ln N"
        in verdicts["whole catalogues (PQMass), test"].note
    )
    assert "nothing to compare" in verdicts["weight, test"].note
    values = found.numbers
    assert 0 < values["pqmass.p"] <= 1 and values["weight.ks"] == 0
    assert np.isnan(values["N.std_ratio"])
    reason = Requirement("N.std_ratio < 2").shortcoming(values)
    assert "N.std_ratio was not measured" in reason


@pytest.mark.parametrize(
    ("statistics", "expected"),
    [
        ([2.0, 1.0, 3.0, 2.0], 0.75),
        ([np.nan, 1.0], np.nan),
        ([1.0, np.nan], np.nan),
        ([np.inf, 1.0], np.nan),
    ],
)
def test_a_p_value_of_nan_is_nan(statistics: list[float], expected: float) -> None:
    assert p_value(np.array(statistics)) == pytest.approx(expected, nan_ok=True)


def test_a_mock_that_is_no_number_is_judged_and_misses() -> None:
    axis = Axis("S", "r", "Mpc/h", np.array([1.0, 2.0, 3.0]), targeted=True)
    mock, truth = VARIED.copy()
    mock[3, 1] = np.nan
    ratios = ratio(mock), ratio(truth), ratio(RNG.normal(0.1, 0.1, (80, 2)))
    found = compare_curves(axis, ratios, BOTH, LABELS[:20], ValidationSettings())
    known = found.means
    assert known.p_value == 0 and known.bad(0.05).tolist() == [False, True]
    numbers = {"chi2": known.chi_square}
    one = unjudged(Kind.MEAN, "S", ("test",), known.p_value, known, numbers, found)
    (verdict,) = judged([one], 0.05)
    assert verdict.status is Status.BAD and row(verdict).worst == "no number at r 2.0-3.0"
    assert finding(verdict, {}) == "S is no number at r 2.0-3.0 (test)"
