"""Variance, ranks and CRPS of single catalogues, on Gaussians whose answers are known."""

import numpy as np
import pytest
from scipy import stats

from galgen.validation.checks.crps import fair_crps, relabelled_crps_ratio
from galgen.validation.checks.spread import measure_spread, pooled_variance, rank_histograms
from galgen.validation.sets import Conditions, Groups, halvings, p_value


def one_condition(generated, held_out):
    nothing = [np.zeros((n, 0)) for n in (generated, held_out)]
    groups = [np.zeros(n, np.int64) for n in (generated, held_out)]
    return Conditions(*groups, True, (), *nothing)


def several(conditions, generated, held_out, matched=True):
    groups = [np.repeat(np.arange(conditions), n) for n in (generated, held_out)]
    values = [group[:, None].astype(float) for group in groups]
    return Conditions(*groups, matched, ("omega_m",), *values)


def spread_of(mock, truth, conditions=None, ranks=8, relabellings=100):
    conditions = conditions or one_condition(len(mock), len(truth))
    labels = conditions.relabelled(relabellings, 0)
    return measure_spread(mock, truth, conditions, labels, ranks, 0)


def test_crps_equals_its_double_sum_and_the_gaussian_closed_form():
    rng = np.random.default_rng(0)
    draws, values = rng.normal(size=(7, 2)), rng.normal(size=(5, 2))
    found = fair_crps(draws, values)
    for i, t in enumerate(values):
        near = np.abs(draws - t).mean(axis=0)
        among = np.abs(draws[:, None] - draws[None]).sum(axis=(0, 1)) / (2 * 7 * 6)
        np.testing.assert_allclose(found[i], near - among, rtol=1e-12)
    exact = 0.5 * (2 * stats.norm.cdf(0.5) - 1) + 2 * stats.norm.pdf(0.5) - 1 / np.sqrt(np.pi)
    many = fair_crps(rng.normal(size=(200_000, 1)), np.array([[0.5]]))
    assert many[0, 0] == pytest.approx(exact, abs=4e-3)


def test_fair_crps_does_not_depend_on_the_number_of_draws():
    """Its mean over pairs of equal Gaussians is 1 / sqrt(pi), with two draws as with many."""
    rng = np.random.default_rng(1)
    for draws in (2, 16):
        scores = [
            fair_crps(rng.normal(size=(draws, 50)), rng.normal(size=(4, 50))) for _ in "a" * 60
        ]
        assert np.mean(scores) == pytest.approx(1 / np.sqrt(np.pi), abs=0.02)


def test_pooled_variance_and_its_error_by_brute_force():
    rng = np.random.default_rng(2)
    group = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
    values = rng.normal(size=(10, 3)) + group[:, None]

    def pooled(rows):
        total, freedom = 0.0, 0
        for each in range(3):
            some = values[rows & (group == each)]
            total = total + np.sum((some - some.mean(axis=0)) ** 2, axis=0)
            freedom += len(some) - 1
        return total / freedom

    everyone = np.ones(10, bool)
    variance = pooled_variance(values, group)
    np.testing.assert_allclose(variance.value, pooled(everyone), rtol=1e-12)
    without = np.array([pooled(everyone & (np.arange(10) != i)) for i in range(9)])
    error = np.sqrt(8 / 9 * np.sum((without - without.mean(axis=0)) ** 2, axis=0))
    np.testing.assert_allclose(variance.without, without, rtol=1e-10)
    np.testing.assert_allclose(variance.relative_error, error / variance.value, rtol=1e-10)
    shares = variance.log_std
    np.testing.assert_allclose(shares.mean, np.log(variance.value) / 2)
    assert shares.freedom == 6 and shares.rest.shape == (9, 3)


def test_variance_ratio_is_that_of_the_widths_and_one_sigma_holds_two_thirds():
    rng = np.random.default_rng(3)
    mock, truth = rng.normal(0, 1.5, (400, 40)), rng.normal(0, 1.0, (300, 40))
    found = spread_of(mock, truth, relabellings=2)
    assert found.variance_ratio.mean() == pytest.approx(2.25, rel=0.05)
    expected = 2.25 * np.sqrt(2 / 399 + 2 / 299)
    assert found.variance_ratio_error.mean() == pytest.approx(expected, rel=0.1)
    assert 0.45 < np.mean(np.abs(found.variance_ratio - 2.25) < found.variance_ratio_error) < 0.9


def test_ranks_by_brute_force_without_ties():
    rng = np.random.default_rng(4)
    values, group = rng.normal(size=(30, 2)), np.repeat([0, 1, 2], 10)
    label = rng.random(30) < 0.4
    found = rank_histograms(values, group, label[None], 1, 0)
    assert np.all(found.sum(axis=-1) == label.sum())
    # With as many ranks as m + 1 outcomes, u falls into the interval of its rank whatever U is.
    group = np.zeros(30, np.int64)
    draws = int(np.sum(~label))
    found = rank_histograms(values, group, label[None], draws + 1, 0)[0]
    for column in range(2):
        ranks = np.searchsorted(np.sort(values[~label, column]), values[label, column])
        np.testing.assert_array_equal(found[column], np.bincount(ranks, minlength=draws + 1))


@pytest.mark.parametrize(("shift", "width", "shape"), [(0, 0.5, "U"), (0, 2, "dome"), (1, 1, "up")])
def test_rank_histograms_tell_narrow_from_wide_from_shifted(shift, width, shape):
    """Held-out is N(shift, 1) and the mock N(0, width)."""
    rng = np.random.default_rng(5)
    found = spread_of(rng.normal(0, width, (300, 2)), rng.normal(shift, 1, (200, 2)))
    low, high = found.histogram[:, 0], found.histogram[:, -1]
    middle = found.histogram[:, 3:5].mean(axis=1)
    if shape == "U":
        assert np.all(np.minimum(low, high) > 2 * middle)
    elif shape == "dome":
        assert np.all(np.maximum(low, high) < 0.5 * middle)
    else:
        assert np.all(high > 3 * low)
    assert found.flatness_p_value == 0.01
    assert np.all(found.flatness > 3 * found.flatness_null)
    assert np.all(found.crps_ratio > 1.03) and found.crps_p_value == 0.01


def test_the_flatness_null_is_uniform_though_bins_move_together():
    """Two hundred mocks that are right: p is uniform, its mean 1/2 and its least 1/20."""
    rng = np.random.default_rng(6)
    p_values = []
    for _ in range(120):
        common = rng.normal(size=(2, 24, 1))
        mock, truth = common + 0.3 * rng.normal(size=(2, 24, 3))
        p_values.append(spread_of(mock, truth, ranks=4, relabellings=20).flatness_p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert np.mean(p_values) == pytest.approx(0.525, abs=4 * 0.29 / np.sqrt(120))


def test_crps_of_a_right_mock_is_that_of_half_on_half():
    rng = np.random.default_rng(7)
    found = spread_of(rng.normal(size=(200, 30)), rng.normal(size=(200, 30)))
    assert abs(found.crps_ratio.mean() - 1) < 0.01
    assert np.all(found.crps_ratio_error < 0.02)
    assert found.crps_ratio.std() == pytest.approx(found.crps_ratio_error.mean(), rel=0.6)
    assert 0.05 < found.crps_p_value < 0.95


def test_relabelled_crps_is_the_fair_score_of_those_labels():
    rng = np.random.default_rng(10)
    values, group = rng.normal(size=(24, 2)), np.repeat([0, 1], 12)
    labels = np.tile(np.arange(12) >= 7, (1, 2))
    found = relabelled_crps_ratio(values, group, labels)[0]
    above, below = 0.0, 0.0
    for each in range(2):
        mock, truth = (values[(group == each) & (labels[0] == x)] for x in (False, True))
        above = above + fair_crps(mock, truth).sum(axis=0)
        others = [fair_crps(np.delete(truth, i, axis=0), truth[i : i + 1]) for i in range(5)]
        below = below + np.concatenate(others).sum(axis=0)
    np.testing.assert_allclose(found, above / below, rtol=1e-10)


def test_groups_are_conditions_only_where_there_are_draws():
    """Width 1 around means that differ by 10: within conditions the ratio is that of the widths."""
    rng = np.random.default_rng(8)
    conditions = several(6, 12, 8)
    mock = rng.normal(10 * conditions.generated_parameters, 2.0, (72, 4))
    truth = rng.normal(10 * conditions.held_out_parameters, 1.0, (48, 4))
    found = spread_of(mock, truth, conditions)
    assert found.variance_groups == found.rank_groups == Groups.CONDITION
    assert found.variance_ratio.mean() == pytest.approx(4.0, rel=0.3)
    assert found.flatness_p_value == 0.01
    single = several(24, 1, 1)
    values = single.generated_parameters + rng.normal(size=(24, 1))
    whole = spread_of(values, values[::-1], single)
    assert whole.variance_groups == whole.rank_groups == Groups.MATCHED_SPLIT
    apart = several(24, 1, 1, matched=False)
    assert spread_of(values, values, apart).rank_groups == Groups.UNMATCHED_SPLIT


def test_many_draws_at_single_held_out_conditions():
    """Each held-out cosmology once, twenty mocks at each, half as wide as they should be."""
    rng = np.random.default_rng(9)
    conditions = several(120, 20, 1)
    mock = rng.normal(conditions.generated_parameters, 0.5, (2400, 1))
    truth = rng.normal(conditions.held_out_parameters, 1.0, (120, 1))
    found = spread_of(mock, truth, conditions)
    assert found.rank_groups == Groups.CONDITION and found.variance_groups == Groups.MATCHED_SPLIT
    assert found.histogram[0, [0, -1]].sum() > 0.4 * 120
    assert found.flatness_p_value == 0.01 and np.isnan(found.crps_ratio).all()


def test_catalogues_without_a_value_are_left_out_and_nothing_is_made_of_nothing():
    rng = np.random.default_rng(11)
    mock, truth = rng.normal(size=(40, 2)), rng.normal(size=(30, 2))
    mock[5, 1], truth[2:4] = np.nan, np.nan
    found = spread_of(mock, truth)
    assert found.histogram[0].sum() == 28 and np.isfinite(found.variance_ratio).all()
    expected = np.delete(mock, 5, axis=0).var(axis=0, ddof=1)
    expected /= np.delete(truth, [2, 3], axis=0).var(axis=0, ddof=1)
    np.testing.assert_allclose(found.variance_ratio, expected, rtol=1e-12)
    truth[:] = np.nan
    found = spread_of(mock, truth)
    assert np.isnan(found.variance_ratio).all() and np.isnan(found.flatness_p_value)
    assert np.isnan(found.crps_ratio).all() and np.isnan(found.crps_p_value)


def test_relabelling_keeps_the_numbers_of_every_condition():
    conditions = several(5, 3, 2)
    labels = conditions.relabelled(50, 0)
    group = np.concatenate([conditions.generated, conditions.held_out])
    assert np.all(labels[0] == (np.arange(25) >= 15))
    for each in range(5):
        assert np.all(labels[:, group == each].sum(axis=1) == 2)
    assert len({tuple(row) for row in labels}) > 40
    assert p_value(np.array([2.0, 1.0, 2.0, 3.0])) == 0.75


def test_halvings_take_half_of_every_condition():
    condition = np.repeat([0, 1, 2], 4)
    found = np.stack(list(halvings(condition, 0, 60)))
    for each in range(3):
        assert np.all(found[:, condition == each].sum(axis=1) == 2)
    assert len({tuple(row[:4]) for row in found}) == 6
