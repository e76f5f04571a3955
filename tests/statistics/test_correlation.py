"""xi(r) of processes whose xi is known, and the window of an open box against random points."""

from pathlib import Path

import jax
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.pairs.cells import sums_by_cells
from galgen.statistics.pairs.correlation import (
    cuboid_window,
    periodic_window,
    stack,
    two_point_correlation,
)
from galgen.statistics.pairs.counts import pair_counts

SHARED = Path(__file__).parents[3] / "shared"


def padded(clouds):
    """Clouds of different sizes as one batch, with NaN in the padding."""
    size = -(-max(len(cloud) for cloud in clouds) // 128) * 128
    x = np.full((len(clouds), size, 3), np.nan)
    mask = np.zeros((len(clouds), size), bool)
    for index, cloud in enumerate(clouds):
        x[index, : len(cloud)] = cloud
        mask[index, : len(cloud)] = True
    return x.astype(np.float32), mask


def thomas_process(rng, kappa, members, scale, side):
    """Poisson parents of density kappa, each with Poisson(members) points at Gaussian offsets."""
    parents = rng.uniform(0, side, (rng.poisson(kappa * side**3), 3))
    family = np.repeat(parents, rng.poisson(members, len(parents)), axis=0)
    return (family + rng.normal(0, scale, family.shape)) % side


@pytest.mark.parametrize("periodic", [True, False])
def test_uniform_points_have_no_correlation(periodic):
    rng = np.random.default_rng(0)
    x, mask = padded([rng.uniform(0, (60, 70, 90), (rng.poisson(250), 3)) for _ in range(100)])
    edges = np.linspace(2, 29, 10)
    mean = two_point_correlation(x, mask, edges, (60.0, 70.0, 90.0), periodic).mean()
    assert np.all(np.abs(mean.mean) < 3 * mean.error)
    assert np.all(mean.error < 0.06)


def test_thomas_process_is_recovered():
    rng = np.random.default_rng(1)
    kappa, members, scale, side = 3e-4, 5.0, 3.0, 80.0
    x, mask = padded([thomas_process(rng, kappa, members, scale, side) for _ in range(120)])
    edges = np.array([0.5, 1.5, 3.0, 5.0, 7.0, 9.0, 12.0, 16.0])
    # Parents' number fluctuates, so N (N - 1) fluctuates with DD: the catalogues' mean density is
    # known, and RR from it instead of from each N leaves no integral constraint.
    result = two_point_correlation(x, mask, edges, side)
    density = kappa * members
    shells = 4 * np.pi / 3 * np.diff(edges**3)
    per_box = np.asarray(result.pairs) / (density**2 * side**3 * shells) - 1
    fine = np.linspace(edges[:-1], edges[1:], 2001)
    model = np.exp(-(fine**2) / (4 * scale**2)) / (kappa * (4 * np.pi * scale**2) ** 1.5)
    truth = np.trapezoid(model * fine**2, fine, axis=0) / np.trapezoid(fine**2, fine, axis=0)
    error = per_box.std(axis=0, ddof=1) / np.sqrt(len(per_box))
    assert np.all(np.abs(per_box.mean(axis=0) - truth) < 3 * error)
    # The ratio of sums differs by the integral constraint, of order the variance of N in a box.
    mean = result.mean()
    constraint = (1 + members) / (density * side**3)
    assert np.all(np.abs(mean.mean - truth) < 3 * mean.error + (1 + truth) * constraint)
    assert truth[0] > 2 and mean.error[0] < 0.1 * truth[0]


def test_cuboid_window_against_random_points():
    rng = np.random.default_rng(2)
    box = np.array([20.0, 31.0, 47.0])
    edges = np.array([0.0, 2.0, 5.0, 9.0, 13.0, 17.0, 20.0])
    clouds = rng.uniform(0, box, (300, 400, 3))
    fractions = pair_counts(clouds, None, edges, box, periodic=False) / (400 * 399)
    error = fractions.std(axis=0, ddof=1) / np.sqrt(len(fractions))
    window = cuboid_window(edges, box)
    assert np.all(np.abs(fractions.mean(axis=0) - window) < 3 * error)
    assert np.all(error < 0.01 * window)


def test_cuboid_window_against_quadrature_of_the_set_covariance():
    box = np.array([20.0, 31.0, 47.0])
    nodes, weights = np.polynomial.legendre.leggauss(24)
    unit, half = (nodes + 1) / 2, weights / 2
    r, theta, phi = np.meshgrid(7 + 9 * unit, np.pi / 2 * unit, np.pi / 2 * unit, indexing="ij")
    overlap = (
        (box[0] - r * np.sin(theta) * np.cos(phi))
        * (box[1] - r * np.sin(theta) * np.sin(phi))
        * (box[2] - r * np.cos(theta))
    )
    cell = np.einsum("i,j,k->ijk", half, half, half) * 9 * (np.pi / 2) ** 2
    truth = 8 * np.sum(overlap * r**2 * np.sin(theta) * cell) / box.prod() ** 2
    np.testing.assert_allclose(cuboid_window([7.0, 16.0], box)[0], truth, rtol=1e-12)


def test_cuboid_window_tends_to_the_shell_volume_in_a_large_box():
    edges = np.array([1.0, 2.0, 3.0])
    box = np.full(3, 1e6)
    np.testing.assert_allclose(cuboid_window(edges, box), periodic_window(edges, box), rtol=1e-5)


def test_definition_from_counts_and_hand():
    """Two points 3 apart in a box of side 10: DD = 2 and RR = 2 x shell / 1000."""
    x = np.array([[[1.0, 1, 1], [1.0, 1, 8]]])  # across the boundary
    result = two_point_correlation(x, None, [2.0, 4.0], 10.0)
    shell = 4 * np.pi / 3 * (64 - 8) / 1000
    np.testing.assert_array_equal(result.pairs, [[2]])
    np.testing.assert_allclose(result.random_pairs, [[2 * shell]], rtol=1e-6)
    np.testing.assert_allclose(result.xi, [[1 / shell - 1]], rtol=1e-6)
    np.testing.assert_array_equal(result.r, [3.0])


def test_mean_is_the_ratio_of_sums_and_a_sparse_box_weighs_little():
    x, mask = padded([np.random.default_rng(3).uniform(0, 50, (n, 3)) for n in (2, 500, 600)])
    result = two_point_correlation(x, mask, [5.0, 10.0, 20.0], 50.0)
    pairs = np.asarray(result.pairs, float).sum(axis=0)
    random_pairs = np.asarray(result.random_pairs, float).sum(axis=0)
    mean = result.mean()
    np.testing.assert_allclose(mean.mean, pairs / random_pairs - 1)
    without = [np.delete(np.arange(3), j) for j in range(3)]
    xi = np.array(
        [
            np.asarray(result.pairs)[w].sum(0) / np.asarray(result.random_pairs)[w].sum(0)
            for w in without
        ]
    )
    np.testing.assert_allclose(mean.covariance, np.cov(xi.T, ddof=0) * 2, rtol=1e-4)
    np.testing.assert_allclose(mean.error**2, np.diag(mean.covariance))
    assert mean.number == 3 and np.all(np.abs(mean.mean) < 0.1)


def test_jackknife_matches_the_scatter_between_ensembles():
    """The jackknife variance against that of the mean over many mock ensembles."""
    rng = np.random.default_rng(4)
    edges = np.array([1.0, 3.0, 6.0, 10.0])
    means, variances = [], []
    for _ in range(40):
        x, mask = padded([thomas_process(rng, 1e-3, 3.0, 2.0, 30.0) for _ in range(20)])
        mean = two_point_correlation(x, mask, edges, 30.0).mean()
        means.append(mean.mean)
        variances.append(mean.error**2)
    ratio = np.mean(variances, axis=0) / np.var(means, axis=0, ddof=1)
    assert np.all(np.abs(ratio - 1) < 0.7)  # 3 sigma of a variance from 40 ensembles is 0.68
    assert abs(ratio.mean() - 1) < 0.35


def test_fewer_than_two_points_are_undefined_and_do_not_spoil_the_mean():
    rng = np.random.default_rng(5)
    x, mask = padded([rng.uniform(0, 50, (n, 3)) for n in (300, 1, 300)])
    result = two_point_correlation(x, mask, [5.0, 10.0], 50.0)
    assert np.isnan(result.xi[1, 0]) and np.all(np.isfinite(np.asarray(result.xi)[[0, 2]]))
    assert np.all(np.isfinite(result.mean().mean))


def test_cells_jit_and_stack_agree():
    x = np.random.default_rng(6).uniform(0, 50, (4, 300, 3)).astype(np.float32)
    edges = [1.0, 5.0, 10.0, 20.0]
    whole = two_point_correlation(x, None, edges, 50.0)
    cells = two_point_correlation(x, None, edges, 50.0, method=sums_by_cells)
    jitted = jax.jit(lambda y: two_point_correlation(y, None, edges, 50.0))(x)
    halves = stack([two_point_correlation(part, None, edges, 50.0) for part in (x[:2], x[2:])])
    for other in (cells, jitted, halves):
        np.testing.assert_array_equal(other.pairs, whole.pairs)
        np.testing.assert_allclose(other.xi, whole.xi, rtol=1e-5, atol=1e-6)


def test_bad_input_is_named():
    x = np.zeros((1, 4, 3))
    with pytest.raises(InputError, match=r"within the shortest side .* 20 Mpc/h, got 21; lower"):
        two_point_correlation(x, None, [1.0, 21.0], (20.0, 30.0, 40.0), periodic=False)
    with pytest.raises(InputError, match="below half the shortest box side"):
        two_point_correlation(x, None, [1.0, 11.0], (20.0, 30.0, 40.0))
    with pytest.raises(InputError, match=r"at least one TwoPointCorrelation, got none; measure"):
        stack([])
    one, other = (two_point_correlation(x, None, [1.0, high], 20.0) for high in (2.0, 3.0))
    with pytest.raises(InputError, match="on the same edges, got different ones; measure"):
        stack([one, other])
    with pytest.raises(InputError, match="at least 2 catalogues for a jackknife error, got 1; add"):
        one.mean()


def read_corrfunc_galaxies():
    """Positions (points, 3), weights (points,) and box side from Corrfunc's fast-food file."""
    path = SHARED / "data" / "corrfunc" / "gals_Mr19.ff"
    if not path.exists():
        pytest.skip("needs ../shared/data, absent here")
    raw = path.read_bytes()
    number = int(np.frombuffer(raw, np.int32, 5, 4)[1])
    side = float(np.frombuffer(raw, np.float32, 1, 32)[0])
    start = (4 + 20 + 4) + (4 + 36 + 4) + (4 + 4 + 4)
    columns = []
    for _ in range(4):
        columns.append(np.frombuffer(raw, np.float32, number, start + 4).astype(np.float64))
        start += 4 * number + 8
    return np.stack(columns[:3], axis=1), columns[3], side


@pytest.mark.slow
def test_corrfunc_reference_correlation_of_a_mock():
    """Corrfunc 2.5.3's shipped Mr19_xi of 1.2 million galaxies: every integer, and xi to 7 digits.

    Its columns are xi, mean r, low, high, ordered pairs and mean weight of a pair. Its xi is of the
    pairs weighted by the file's fourth column, so that weight enters DD and RR here.
    """
    positions, weight, side = read_corrfunc_galaxies()
    table = np.loadtxt(SHARED / "data" / "corrfunc" / "Mr19_xi")[:10]
    edges = np.append(table[:, 2], table[-1, 3])
    pairs = pair_counts(positions[None], None, edges, side)[0]
    np.testing.assert_array_equal(pairs, table[:, 4].astype(np.int64))
    number = len(positions)
    random_pairs = number * (number - 1) * periodic_window(edges, np.full(3, side))
    xi = pairs * table[:, 5] / (random_pairs * weight.mean() ** 2) - 1
    np.testing.assert_allclose(xi, table[:, 0], rtol=5e-7)
