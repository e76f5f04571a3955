"""Fields and points of known P(k): lognormal, clusters, and a linear mock in redshift space."""

import itertools

import jax
import numpy as np

from galgen.statistics.counts.counts_in_cells import counts_in_cells
from galgen.statistics.fourier.field_power_spectrum import field_power_spectrum
from galgen.statistics.fourier.mesh import NEAREST_GRID_POINT
from galgen.statistics.fourier.power_spectrum import power_spectrum
from galgen.statistics.redshift_space import redshift_space_positions

SIDE, CELLS = 100.0, 16
FUNDAMENTAL = 2 * np.pi / SIDE
EDGES = np.array([0.5, 1.5, 2.5, 3.5, 4.5]) * FUNDAMENTAL


def wavevectors(cells=CELLS):
    """k of every cell of a transform, ``(cells, cells, cells, 3)``, and its length."""
    n = np.fft.fftfreq(cells, 1 / cells)
    k = FUNDAMENTAL * np.stack(np.meshgrid(n, n, n, indexing="ij"), axis=-1)
    return k, np.linalg.norm(k, axis=-1)


def in_bins(values, size):
    """Mean of values over the modes of every bin."""
    return np.array([values[(size >= a) & (size < b)].mean() for a, b in itertools.pairwise(EDGES)])


def mean_and_error(values):
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def lognormal(rng, number):
    """exp(G - sigma²/2), G Gaussian, and the exact P of it: xi = exp(xi_G) - 1.

    Coles & Jones (1991), MNRAS 248, 1, eq. 32.
    """
    size = wavevectors()[1]
    gaussian = 8000.0 * np.exp(-((size / 0.15) ** 2))
    gaussian[0, 0, 0] = 0.0
    volume = SIDE**3
    xi = np.fft.ifftn(gaussian).real * CELLS**3 / volume
    power = np.fft.fftn(np.expm1(xi)).real * volume / CELLS**3
    noise = np.fft.fftn(rng.normal(size=(number, CELLS, CELLS, CELLS)), axes=(1, 2, 3))
    field = np.fft.ifftn(noise * np.sqrt(gaussian * CELLS**3 / volume), axes=(1, 2, 3)).real
    return np.exp(field - xi[0, 0, 0] / 2), power, xi[0, 0, 0]


def test_a_lognormal_field_has_its_power():
    """Of the field itself, on its own cells: within 3 sigma of 120 draws, far from that of G."""
    density, power, variance = lognormal(np.random.default_rng(0), 120)
    with jax.enable_x64(True):
        found = np.asarray(field_power_spectrum(density, SIDE, EDGES, (0, 2)).power)
    mean, error = mean_and_error(found)
    truth = in_bins(power, wavevectors()[1])
    assert np.all(np.abs(mean[0] - truth) < 3 * error[0])
    assert np.all(np.abs(mean[1]) < 3 * error[1]) and np.all(error[0] < 0.06 * truth)
    gaussian = 8000.0 * np.exp(-((0.5 * (EDGES[1:] + EDGES[:-1]) / 0.15) ** 2))
    assert variance > 0.4 and truth[-1] > 1.3 * gaussian[-1]


def test_poisson_points_of_a_lognormal_field_have_its_power():
    """Points evenly in cells: P times the window of a cell, and in cells xi_2 = exp(sigma²) - 1."""
    rng = np.random.default_rng(1)
    density, power, variance = lognormal(rng, 100)
    number = rng.poisson(2500 / CELLS**3 * density)
    rows = int(number.sum(axis=(1, 2, 3)).max())
    x, mask = np.zeros((100, rows, 3)), np.zeros((100, rows), bool)
    for index, counts in enumerate(number):
        cells = np.repeat(np.argwhere(counts >= 0), counts.ravel(), axis=0)
        x[index, : len(cells)] = (cells + rng.uniform(0, 1, cells.shape)) * SIDE / CELLS
        mask[index, : len(cells)] = True
    # The number of points varies with the longest waves: sums, not ratios, have the known mean.
    found = power_spectrum(x.astype(np.float32), mask, SIDE, 40, EDGES, (0,))
    scale = (mask.sum(axis=1) / 2500) ** 2
    mean, error = mean_and_error(np.asarray(found.power)[:, 0] * scale[:, None])
    k, size = wavevectors()
    window = np.prod(NEAREST_GRID_POINT.window(k * SIDE / CELLS / (2 * np.pi)), axis=-1) ** 2
    truth = in_bins(power * window, size)
    assert np.all(np.abs(mean - truth) < 3 * error) and np.all(error < 0.06 * truth + 10)
    in_cells = counts_in_cells(x.astype(np.float32), mask, SIDE, CELLS)
    excess, error = mean_and_error(
        np.asarray(in_cells.variance - in_cells.average) / (2500 / CELLS**3) ** 2
    )
    # The variance within a box lacks that of its own mean, whose P is of k = 0.
    expected = np.expm1(variance) - power[0, 0, 0] / SIDE**3
    assert abs(excess[0] - expected) < 3 * error[0] and error[0] < 0.1 * expected


def test_a_thomas_process_has_its_power():
    """P(k) = exp(-k² sigma²) / kappa: the transform of its xi, Neyman & Scott (1952)."""
    rng = np.random.default_rng(2)
    kappa, members, sigma = 2e-4, 5.0, 3.0
    expected = kappa * members * SIDE**3
    clouds = []
    for _ in range(150):
        parents = rng.uniform(0, SIDE, (rng.poisson(kappa * SIDE**3), 3))
        family = np.repeat(parents, rng.poisson(members, len(parents)), axis=0)
        clouds.append((family + rng.normal(0, sigma, family.shape)) % SIDE)
    number = np.array([len(cloud) for cloud in clouds])
    x, mask = (
        np.zeros((150, number.max(), 3), np.float32),
        np.arange(number.max()) < number[:, None],
    )
    for row, cloud in zip(x, clouds, strict=True):
        row[: len(cloud)] = cloud
    found = power_spectrum(x, mask, SIDE, 32, EDGES)
    mean, error = mean_and_error(np.asarray(found.power) * (number / expected)[:, None, None] ** 2)
    k, size = wavevectors()
    truth = np.exp(-((size * sigma) ** 2)) / kappa
    mu = k[..., 2] / np.where(size > 0, size, 1)
    for row, ell in enumerate((0, 2, 4)):
        # Over few modes <L_l> is not zero, and the shot noise is taken from the monopole alone.
        legendre = (2 * ell + 1) * np.polynomial.legendre.legval(mu, [0.0] * ell + [1.0])
        each = truth if ell == 0 else (truth + SIDE**3 / expected) * legendre
        assert np.all(np.abs(mean[row] - in_bins(each, size)) < 3 * error[row])
    truth = in_bins(truth, size)
    assert np.all(error[0] < 0.1 * truth)
    assert np.all(truth > 2 * SIDE**3 / expected)  # above the shot noise


def test_a_linear_mock_in_redshift_space_has_the_ratios_of_kaiser():
    """Waves of Gaussian amplitude move a lattice; velocities of linear theory move it again.

    P_2/P_0 and P_4/P_0 of (1 + f mu²)² over the modes of each bin, within 3 sigma of 60 mocks, at
    a redshift of 0.5, through velocities in km/s.
    """
    rng = np.random.default_rng(3)
    growth, omega_m, redshift, mocks = 0.76, 0.3, 0.5, 60
    grid = (np.arange(CELLS) + 0.5) * SIDE / CELLS
    rest = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    k, size = (a.reshape(-1, *a.shape[3:]) for a in wavevectors(8))
    kept = (size > 0) & (size < EDGES[3])
    half = np.array([v for v in k[kept] if tuple(v) > (0.0, 0.0, 0.0)])
    phases = rest @ half.T
    amplitude = 1e-4 * rng.normal(size=(mocks, 2, len(half)))
    sine, cosine = np.sin(phases), np.cos(phases)
    wave = amplitude[:, :1] * sine + amplitude[:, 1:] * cosine  # of displacements, not of delta
    motion = wave @ (half / (half**2).sum(axis=1, keepdims=True))
    hubble = 100 * np.sqrt(omega_m * (1 + redshift) ** 3 + 1 - omega_m) / (1 + redshift)
    mu2 = (k[kept][:, 2] / size[kept]) ** 2
    kaiser = (1 + growth * mu2) ** 2
    with jax.enable_x64(True):
        moved = redshift_space_positions(
            (rest + motion) % SIDE, hubble * growth * motion, SIDE, omega_m, redshift
        )
        power = np.asarray(power_spectrum(moved, None, SIDE, 40, EDGES[:4]).raw_power)
    for row, ell in ((1, 2), (2, 4)):
        legendre = (2 * ell + 1) * np.polynomial.legendre.legval(np.sqrt(mu2), [0.0] * ell + [1.0])
        for b, (low, high) in enumerate(itertools.pairwise(EDGES[:4])):
            inside = (size[kept] >= low) & (size[kept] < high)
            ratio = (kaiser * legendre)[inside].mean() / kaiser[inside].mean()
            mean, error = mean_and_error(power[:, row, b] - ratio * power[:, 0, b])
            assert abs(mean) < 3 * error
            if ell == 2 and b > 0:
                assert error < 0.1 * power[:, 0, b].mean() and 0.5 < ratio < 0.9
