"""Calibration of posteriors that are right, and of ones that are wrong in known ways."""

import matplotlib
import numpy as np
import pytest
from scipy import stats

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.inference.calibration import (
    PredictiveCheck,
    Ranks,
    Tarp,
    correlation,
    plot_coverage,
    plot_predictive,
    plot_ranks,
    plot_tarp,
    predictive_check,
    ranks_of,
    tarp,
)
from galgen.plot_style import STYLE

NAMES = ("omega_m", "sigma_8")
NOISE = 0.5
LEVELS = np.linspace(0, 1, 21)


def posteriors(number=300, draws=99, width=1.0, shift=0.0, seed=0):
    """Truths from N(0, 1)^2, data with noise, and draws of the exact posterior, or a wrong one."""
    rng = np.random.default_rng(seed)
    truths = rng.normal(size=(number, 2))
    data = truths + NOISE * rng.normal(size=(number, 2))
    variance = NOISE**2 / (1 + NOISE**2)
    mean = data / (1 + NOISE**2) + shift * np.sqrt(variance)
    std = width * np.sqrt(variance)
    return mean[:, None] + std * rng.normal(size=(number, draws, 2)), truths


RIGHT = posteriors()
WRONG = {
    "narrow": posteriors(width=0.6),
    "wide": posteriors(width=1.7),
    "biased": posteriors(shift=1.0),
}


def test_right_posteriors_pass_all() -> None:
    ranks, found = ranks_of(NAMES, *RIGHT), tarp(*RIGHT)
    for p in (*ranks.p_values.values(), *ranks.coverage_p_values.values(), found.p_value):
        assert p > 0.01
    assert found.within_band
    assert np.max(np.abs(ranks.coverage(LEVELS) - LEVELS)) < ranks.half_width
    assert np.max(np.abs(found.coverage(LEVELS) - LEVELS)) <= found.distance + 1e-9


@pytest.mark.parametrize("fault", WRONG)
def test_wrong_ones_do_not(fault) -> None:
    ranks, found = ranks_of(NAMES, *WRONG[fault]), tarp(*WRONG[fault])
    assert max(ranks.p_values.values()) < 1e-3
    assert max(ranks.coverage_p_values.values()) < 1e-3
    middle = ranks.coverage(np.array([0.5]))
    assert np.all(middle > 0.5) if fault == "wide" else np.all(middle < 0.5)
    if fault != "biased":  # which reference points at random over all truths see only weakly
        assert found.p_value < 1e-3 and not found.within_band


def test_places_that_know_the_truths_side_show_a_bias_to_tarp() -> None:
    corner = np.full_like(RIGHT[1], 4.0)
    assert tarp(*WRONG["biased"], corner).p_value < 1e-6
    assert tarp(*RIGHT, corner).p_value > 0.01


def test_bands_and_p_values_hold_what_they_say() -> None:
    """Over 100 sets of right posteriors: 1% outside the band, p-values uniform."""
    sets = [posteriors(60, 19, seed=s) for s in range(100)]
    found = [tarp(*one, seed=i) for i, one in enumerate(sets)]
    ranks = [ranks_of(NAMES, *one) for one in sets]
    outside = sum(not one.within_band for one in found)
    assert stats.binomtest(outside, 100, 0.01).pvalue > 0.01
    for values in (
        [one.p_value for one in found],
        [one.p_values["omega_m"] for one in ranks],
        [one.coverage_p_values["sigma_8"] for one in ranks],
    ):
        assert stats.kstest(values, "uniform").statistic < 0.15
    low, high = ranks[0].band
    inside = np.mean([(h >= low) & (h <= high) for h in (r.histogram() for r in ranks)])
    assert inside > 0.985


def test_ranks_by_hand_and_ties_on_both_sides() -> None:
    samples = np.tile(np.arange(9.0)[None, :, None], (400, 1, 1))
    truths = np.full((400, 1), 4.0)
    assert np.all(ranks_of(("a",), samples, truths + 0.5).ranks == 5)
    drawn = ranks_of(("a",), samples, truths).ranks
    assert set(drawn.ravel()) == {4, 5} and 150 < np.sum(drawn == 5) < 250
    assert ranks_of(("a",), samples, truths).bins == 10


def test_tarp_by_hand() -> None:
    samples = np.array([[0.0, 1.0, 2.0, 3.0]]).repeat(12, axis=0)[..., None]
    truths = np.linspace(2.2, 2.3, 12)[:, None]
    found = tarp(samples, truths, np.zeros((12, 1)))
    assert np.all((found.fractions > 3 / 5) & (found.fractions < 4 / 5))


def test_shapes_that_do_not_fit() -> None:
    samples, truths = RIGHT
    for call in (lambda *a: ranks_of(NAMES, *a), tarp):
        with pytest.raises(InputError, match="one truth per posterior"):
            call(samples, truths[:-1])
        with pytest.raises(InputError, match="10 catalogues or more"):
            call(samples[:5], truths[:5])
    with pytest.raises(InputError, match="truths that differ in every parameter"):
        tarp(samples, truths * 0)
    with pytest.raises(InputError, match="reference points of shape"):
        tarp(samples, truths, truths[:3])
    with pytest.raises(InputError, match="draws \\+ 1 has small divisors, got 102"):
        _ = Ranks(("a",), np.zeros((100, 1)), 102).p_values


def uniform_box(number, seed) -> Catalogue:
    points = np.random.default_rng(seed).random((3, number)) * 50
    return Catalogue(dict(zip("xyz", points, strict=True)), (50.0,) * 3)


def test_predictive_check_of_catalogues() -> None:
    """Uniform boxes predict a uniform box, and neither a clustered nor a fuller one."""
    statistic = correlation(np.array([2.0, 6.0, 12.0]))
    drawn = [uniform_box(80, seed) for seed in range(40)]
    assert predictive_check(uniform_box(80, 99), drawn, statistic).p_value > 0.05
    near = uniform_box(80, 98)
    centre = {n: 20 + 0.2 * v for n, v in near.columns.items()}
    check = predictive_check(near.replace(columns=centre), drawn, statistic)
    assert check.p_value == pytest.approx(1 / 41) and check.p_values[1] == pytest.approx(2 / 41)
    fuller = predictive_check(uniform_box(120, 97), drawn, lambda c: np.array([np.log(len(c))]))
    assert fuller.p_values[0] == pytest.approx(2 / 41)
    with pytest.raises(InputError, match="at least 8 drawn catalogues for 3 numbers"):
        predictive_check(near, drawn[:6], statistic)


def test_p_values_of_predictive_checks_are_uniform() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 3))
    sets = rng.exponential(size=(200, 30, 3)) @ mixing
    values = [PredictiveCheck(one[0], one[1:]).p_value for one in sets]
    assert stats.kstest(values, "uniform").statistic < 0.15


def test_pictures_show_bands_curves_and_p_values() -> None:
    ranks, found = ranks_of(NAMES, *RIGHT), tarp(*RIGHT)
    check = PredictiveCheck(np.array([0.1, 2.0]), np.random.default_rng(0).normal(size=(50, 2)))
    with matplotlib.rc_context(dict(STYLE)):
        figures = {
            "ranks": plot_ranks(ranks),
            "coverage": plot_coverage(ranks),
            "tarp": plot_tarp([found, Tarp(found.fractions**2)], ["right", "wrong"]),
            "predictive": plot_predictive(check, ["ln N", "xi 1"]),
        }
        for figure in figures.values():
            figure.canvas.draw()
    assert [a.get_xlabel() for a in figures["ranks"].axes] == [
        f"rank of {n} / draws" for n in NAMES
    ]
    text = [t.get_text() for t in figures["tarp"].axes[0].get_legend().get_texts()]
    assert "99% of calibrated cases" in text and any("wrong, p = " in t for t in text)
    curve = figures["tarp"].axes[0].lines[1].get_ydata()
    assert np.array_equal(curve, found.coverage(np.linspace(0, 1, 101)))
    counts = figures["ranks"].axes[0].patches[-1].get_data().values
    assert counts.sum() == 300
