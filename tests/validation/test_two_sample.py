"""PQMass: the law of its chi-square, its null by relabelling, and what it sees."""

import numpy as np
import pytest
from scipy import stats

from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Axis, Measurement
from galgen.randomness import Role, random_generator
from galgen.validation.checks.two_sample import (
    mean_chi_square,
    number_of_cells,
    standardised,
    two_sample_test,
)
from galgen.validation.sets import Conditions


def unconditional(*numbers):
    groups = [np.zeros(n, np.int64) for n in numbers]
    return Conditions(*groups, True, (), *(np.zeros((n, 0)) for n in numbers))


def run(mock, truth, relabellings=100):
    known = unconditional(len(mock), len(truth))
    return two_sample_test(mock, truth, known, known.relabelled(relabellings, 0), 0)


def test_equal_gaussians_give_chi_square_of_the_degrees_of_freedom():
    """One tessellation each: Pearson's chi² of a 2 x R table with R - 1 degrees of freedom."""
    rng = np.random.default_rng(0)
    labels = (np.arange(300) >= 170)[None]
    found = np.array(
        [mean_chi_square(rng.normal(size=(300, 6)), labels, 20, i, 1)[0] for i in range(300)]
    )
    assert found.mean() == pytest.approx(19, abs=4 * np.sqrt(2 * 19 / 300))
    assert found.std() == pytest.approx(np.sqrt(2 * 19), rel=0.15)
    assert stats.kstest(found, stats.chi2(19).cdf).pvalue > 1e-3


def test_against_the_contingency_table_of_scipy():
    rng = np.random.default_rng(1)
    vectors, labels = rng.normal(size=(120, 3)), rng.random((1, 120)) < 0.4
    found = mean_chi_square(vectors, labels, 6, 7, 1)[0]
    chosen = random_generator(Role.CELLS, 7).choice(120, 6, replace=False)
    rest = np.setdiff1d(np.arange(120), chosen)
    distance = np.linalg.norm(vectors[rest][:, None] - vectors[chosen], axis=-1)
    table = np.zeros((2, 6))
    np.add.at(table, (labels[0, rest].astype(int), distance.argmin(axis=1)), 1)
    table = table[:, table.sum(axis=0) > 0]
    assert found == pytest.approx(stats.chi2_contingency(table, correction=False).statistic)


def test_p_is_uniform_for_equal_sets():
    rng = np.random.default_rng(2)
    p_values = [
        run(rng.normal(size=(30, 4)), rng.normal(size=(24, 4)), 20).p_value for _ in range(60)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("shift", "width"), [(1.0, 1.0), (0.0, 0.4), (0.0, 2.5)])
def test_shifted_narrow_and_wide_sets_are_seen(shift, width):
    rng = np.random.default_rng(3)
    found = run(rng.normal(shift, width, (150, 5)), rng.normal(size=(120, 5)))
    assert found.p_value == 0.01 and found.chi_square > 1.7
    assert abs(found.null - 1) < 0.35 and found.null_error < 0.5
    assert found.dimensions == 5 and found.catalogues == (150, 120)


def test_copies_are_closer_than_chance():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(150, 5))
    found = run(truth + 1e-3 * rng.normal(size=(150, 5)), truth)
    assert found.chi_square < 0.5 * found.null and found.p_value > 0.95


def test_units_do_not_matter_and_empty_catalogues_are_left_out():
    rng = np.random.default_rng(5)
    mock, truth = rng.normal(size=(60, 3)), rng.normal(size=(50, 3))
    first = run(mock, truth)
    scale, shift = np.array([10.0, 1e4, 1e-3]), np.array([3.0, -7.0, 1.0])
    assert run(mock * scale + shift, truth * scale + shift) == first
    mock[7] = np.nan
    assert run(mock, truth).catalogues == (59, 50)
    assert np.isfinite(run(mock, truth).chi_square)


def test_vectors_and_cells():
    ratio = Ratio(np.array([[2.0, 6.0], [0.0, 0.0]]), np.array([[1.0, 2.0], [0.0, 0.0]]), -1.0)
    curves = [Axis(name, "r", "Mpc/h", np.arange(1.0, 4.0), targeted=name == "S") for name in "ST"]
    found = Measurement(tuple(curves), (ratio, ratio)).targeted
    assert found.names == ("S r 1.0-2.0", "S r 2.0-3.0")
    np.testing.assert_allclose(found.vectors[0], [1.0, 2.0])
    assert np.isnan(found.vectors[1]).all()
    values = np.random.default_rng(6).normal(4, 3, (40, 2))
    np.testing.assert_allclose(standardised(values, values, values).std(axis=0), 1)
    assert [number_of_cells(n) for n in (8, 60, 10_000)] == [2, 10, 50]
