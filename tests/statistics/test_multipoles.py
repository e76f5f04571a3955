"""Multipoles and w_p of clouds whose xi is known, and of counts that are made up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.pairs.cells import sums_by_cells
from galgen.statistics.pairs.columns import sums_by_columns
from galgen.statistics.pairs.correlation import two_point_correlation
from galgen.statistics.pairs.multipoles import (
    correlation_multipoles,
    legendre_weights,
    projected_correlation,
)
from galgen.statistics.pairs.tiles import sums_by_tiles

BOX = (60.0, 70.0, 90.0)
EDGES = (1.0, 4.0, 8.0, 14.0, 20.0)


def counts_of(correlation):
    """A way of counting that finds the expected pairs of N points with a xi(s, mu) that is given.

    ``correlation`` has the mean of xi in every bin, ``(s bins, mu bins)``.
    """

    def count(first, second, bins, box, periodic, quantity):
        shell = 4 * np.pi / 3 * np.diff(np.array(bins.edges) ** 3) / np.prod(box)
        number = first.mask.sum(axis=-1)
        every = number * (number - 1)
        pairs = every[:, None, None] * shell[:, None] / bins.mu_bins * (1 + correlation)
        return pairs[:, None]

    return count


def uniform(number, points, seed=0):
    return np.random.default_rng(seed).uniform(0, BOX, (number, points, 3))


def test_monopole_is_xi_and_the_line_of_sight_turns_with_the_box():
    x = uniform(2, 400)
    result = correlation_multipoles(x, None, EDGES, BOX, method=sums_by_cells)
    xi = two_point_correlation(x, None, EDGES, BOX, method=sums_by_cells)
    np.testing.assert_allclose(result.multipoles[:, 0], xi.xi, atol=1e-12)
    np.testing.assert_array_equal(result.pairs.sum(axis=-1), xi.pairs)
    turned = correlation_multipoles(
        x[..., [2, 0, 1]], None, EDGES, (90.0, 60.0, 70.0), line_of_sight=0, method=sums_by_cells
    )
    np.testing.assert_array_equal(turned.pairs, result.pairs)
    assert not np.array_equal(
        correlation_multipoles(x, None, EDGES, BOX, line_of_sight=0).pairs, result.pairs
    )


def test_a_correlation_without_angle_has_no_higher_multipole():
    weight = legendre_weights((0, 2, 4), 37) / 37
    np.testing.assert_allclose(weight.sum(axis=1), [1, 0, 0], atol=1e-14)


def test_a_correlation_without_angle_is_its_monopole_alone():
    """From pairs to multipoles: xi_2 and xi_4 below 1e-9 whatever xi(s) is."""
    xi = np.array([30.0, 2.0, -0.3, 0.01])
    found = correlation_multipoles(
        uniform(2, 50), None, EDGES, BOX, method=counts_of(xi[:, None] * np.ones(100))
    )
    np.testing.assert_allclose(found.multipoles[:, 0], [xi, xi], rtol=1e-12)
    assert np.abs(found.multipoles[:, 1:]).max() < 1e-9
    assert np.abs(found.mean().mean[1:]).max() < 1e-9


def test_injected_multipoles_are_found_to_a_thousandth():
    """xi(s, mu) = sum of xi_l(s) L_l(mu) at the middle of each bin of mu."""
    truth = np.array([[8.0, 1.0, 0.2, 0.05], [-3.0, -0.8, -0.1, -0.04], [0.9, 0.3, 0.06, 0.01]])
    mu = (np.arange(200) + 0.5) / 200
    legendre = np.polynomial.legendre.legvander(mu, 4)[:, ::2]
    count = counts_of(truth.T @ legendre.T)
    found = correlation_multipoles(uniform(2, 50), None, EDGES, BOX, 200, method=count)
    np.testing.assert_allclose(found.multipoles[1], truth, rtol=1e-3)
    np.testing.assert_allclose(found.mean().mean, truth, rtol=1e-3)


@pytest.mark.parametrize("mu_bins", [100, 200])
def test_legendre_polynomials_are_found_again(mu_bins):
    """xi(mu) = sum of a_l L_l(mu), given as its mean in each bin of mu."""
    truth = np.array([0.7, -1.3, 0.4])
    edges = np.linspace(0, 1, mu_bins + 1)
    whole = np.polynomial.legendre.legint([truth[0], 0, truth[1], 0, truth[2]])
    xi = np.diff(np.polynomial.legendre.legval(edges, whole)) * mu_bins
    found = legendre_weights((0, 2, 4), mu_bins) / mu_bins @ xi
    np.testing.assert_allclose(found, truth, rtol=1e-3)


@pytest.mark.parametrize("method", [sums_by_tiles, sums_by_cells, sums_by_columns])
def test_uniform_points_have_no_multipoles_and_no_projection(method):
    x = uniform(60, 250).astype(np.float32)
    mean = correlation_multipoles(x, None, EDGES, BOX, method=method).mean()
    assert np.all(np.abs(mean.mean) < 3.5 * mean.error) and mean.mean.shape == (3, 4)
    mean = projected_correlation(x, None, EDGES, BOX, 20.0, method=method).mean()
    assert np.all(np.abs(mean.mean) < 3.5 * mean.error) and np.all(mean.error < 1.5)


def pairs_along(separation, axis, number, seed):
    """Poisson pairs of points, all ``separation`` apart along one axis."""
    rng = np.random.default_rng(seed)
    first = rng.uniform(0, BOX, (number, 3))
    return np.concatenate([first, first + separation * np.eye(3)[axis]]) % BOX


def test_pairs_along_and_across_the_line_of_sight():
    """Excess pairs at mu = 1 alone give xi_l = (2 l + 1) L_l(1) xi_0, at mu = 0 (2 l + 1) L_l(0).

    The bins of mu are of finite width: the exact factors are those of the last and first bin.
    """
    for axis, column in ((2, -1), (0, 0)):
        clouds = np.stack([pairs_along(6.0, axis, 300, seed) for seed in range(40)])
        mean = correlation_multipoles(clouds, None, EDGES, BOX, method=sums_by_cells).mean()
        shell = 4 * np.pi / 3 * (8**3 - 4**3) / np.prod(BOX)
        excess = 600 / (600 * 599 * shell)
        truth = excess * legendre_weights((0, 2, 4), 100)[:, column]
        assert np.all(np.abs(mean.mean[:, 1] - truth) < 3 * mean.error[:, 1])
        assert np.all(np.abs(truth) > 8 * mean.error[:, 1])


def test_projection_counts_the_pairs_within_its_depth():
    """Pairs 6 apart along the line of sight are at rp = 0: an excess in one bin of pi."""
    clouds = np.stack([pairs_along(6.0, 2, 200, seed) for seed in range(40)])
    edges = (0.0, 2.0, 5.0)
    deep = projected_correlation(clouds, None, edges, BOX, 20.0, 10).mean()
    volume = np.prod(BOX)
    excess = 2 * 2 * 400 / (400 * 399 * np.pi * 4 * 2 * 2) * volume
    assert abs(deep.mean[0] - excess) < 3 * deep.error[0] < 0.2 * excess
    shallow = projected_correlation(clouds, None, edges, BOX, 5.0).mean()
    assert abs(shallow.mean[0]) < 3 * shallow.error[0] + 0.05 * excess


def test_methods_jit_padding_and_translation_agree():
    x = np.random.default_rng(3).integers(0, 960, (2, 150, 3)) / 16.0
    mask = np.random.default_rng(4).random((2, 150)) < 0.7
    box = (60.0, 60.0, 60.0)
    dirty = np.where(mask[..., None], x, np.nan).astype(np.float32)

    def measure(y, keep, method=None):
        return correlation_multipoles(y, keep, EDGES, box, 5, method=method)

    truth = measure(dirty, mask)
    jitted = jax.jit(measure)(jnp.asarray(dirty), jnp.asarray(mask))
    others = [jitted, measure(dirty, mask, sums_by_cells), measure(dirty + np.float32(16), mask)]
    for other in others:
        np.testing.assert_array_equal(other.pairs, truth.pairs)
        np.testing.assert_allclose(other.multipoles, truth.multipoles, rtol=1e-4, atol=1e-5)
    assert np.isfinite(truth.multipoles).all()


def test_weights_of_one_change_nothing_and_of_two_neither():
    x = uniform(1, 300)
    plain = projected_correlation(x, None, EDGES, BOX, 20.0)
    for weight in (1.0, 2.0):
        same = projected_correlation(x, None, EDGES, BOX, 20.0, weights=np.full((1, 300), weight))
        np.testing.assert_allclose(same.wp, plain.wp, rtol=1e-5)


def test_undefined_and_bad_input():
    one = uniform(1, 1)
    assert np.isnan(correlation_multipoles(one, None, EDGES, BOX).multipoles).all()
    assert np.isnan(projected_correlation(one, None, EDGES, BOX, 20.0).wp).all()
    with pytest.raises(InputError, match=r"even multipoles, each once, got \(0, 1\); pass"):
        correlation_multipoles(one, None, EDGES, BOX, ells=(0, 1))
    with pytest.raises(InputError, match="below half the shortest box side, 30 Mpc/h, got 40;"):
        projected_correlation(one, None, EDGES, BOX)
