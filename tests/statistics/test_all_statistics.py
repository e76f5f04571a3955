"""One table of statistics for what all of them hold: jit, vmap, order, padding, shifts, devices.

Run as a program, it measures the table with its batch shared by all devices, and writes the file
that is named.
"""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from galgen.statistics.counts.counts_in_cells import counts_in_cells, counts_in_spheres
from galgen.statistics.counts.marks import mark_distribution, mass_function
from galgen.statistics.counts.nearest_neighbors import (
    joint_neighbor_distribution,
    nearest_neighbor_distribution,
)
from galgen.statistics.counts.sphere_counts import lattice_centers
from galgen.statistics.counts.weighted_cells import weighted_counts_in_cells
from galgen.statistics.fourier.bispectrum import bispectrum
from galgen.statistics.fourier.cross_power_spectrum import cross_power_spectrum
from galgen.statistics.fourier.mesh import CLOUD_IN_CELL
from galgen.statistics.fourier.power_spectrum import power_spectrum
from galgen.statistics.fourier.velocity_power import velocity_power_spectrum
from galgen.statistics.pairs.correlation import cross_correlation, two_point_correlation
from galgen.statistics.pairs.multipoles import correlation_multipoles, projected_correlation
from galgen.statistics.pairs.pairwise_velocity import marked_correlation, pairwise_velocity
from galgen.statistics.pairs.soft_correlation import soft_correlation

SIDE, CELLS = 32.0, 8
EDGES = (0.0, 4.0, 9.0, 15.0)
K_EDGES = tuple((2 * np.pi / SIDE * np.array([0.5, 1.5, 2.3])).tolist())
"""To 0.6 of the Nyquist wavenumber of the mesh."""
QUERIES = lattice_centers(4, SIDE).astype(np.float32)
MASSES = (12.0, 12.7, 13.3, 14.5)
DEVICES = 8

# Each takes the positions, mask, velocities, log10 masses and other positions of a batch.
TABLE = {
    "xi": lambda x, m, v, w, y: two_point_correlation(x, m, EDGES, SIDE).pairs,
    "weighted xi": lambda x, m, v, w, y: two_point_correlation(x, m, EDGES, SIDE, weights=w).xi,
    "open xi": lambda x, m, v, w, y: two_point_correlation(x % SIDE, m, EDGES, SIDE, False).xi,
    "cross xi": lambda x, m, v, w, y: cross_correlation(x, m, y, m, EDGES, SIDE).pairs,
    "xi multipoles": lambda x, m, v, w, y: (
        correlation_multipoles(x, m, EDGES, SIDE, 4, (0, 2)).multipoles
    ),
    "w_p": lambda x, m, v, w, y: projected_correlation(x, m, EDGES, SIDE, 12.0, 4).wp,
    "soft xi": lambda x, m, v, w, y: soft_correlation(x, m, EDGES[1:3], SIDE, 0.2),
    "P": lambda x, m, v, w, y: power_spectrum(x, m, SIDE, CELLS, K_EDGES, (0, 2), weights=w).power,
    "cross P": lambda x, m, v, w, y: (
        cross_power_spectrum(x, m, y, m, SIDE, CELLS, K_EDGES, (0, 2)).power
    ),
    "B": lambda x, m, v, w, y: (
        bispectrum(x, m, SIDE, CELLS, K_EDGES, ((0, 0, 0), (0, 1, 1))).bispectrum
    ),
    "velocity P": lambda x, m, v, w, y: (
        velocity_power_spectrum(
            x, v, m, SIDE, CELLS, 0.3, 0.0, 0.5, K_EDGES, (0,), resampler=CLOUD_IN_CELL
        ).power
    ),
    "neighbours": lambda x, m, v, w, y: (
        nearest_neighbor_distribution(x, m, EDGES[1:], SIDE, QUERIES, (1, 3)).cdf
    ),
    "joint neighbours": lambda x, m, v, w, y: (
        joint_neighbor_distribution(x, m, y, m, EDGES[1:], SIDE, QUERIES, (1, 3)).joint
    ),
    "cells": lambda x, m, v, w, y: counts_in_cells(x, m, SIDE, 4, largest=4).probability,
    "weighted cells": lambda x, m, v, w, y: weighted_counts_in_cells(x, m, 10**w, SIDE, 4).skewness,
    "spheres": lambda x, m, v, w, y: (
        counts_in_spheres(x, m, EDGES[1:], SIDE, QUERIES, largest=4).probability
    ),
    "v_12": lambda x, m, v, w, y: pairwise_velocity(x, v, m, EDGES, SIDE).velocity,
    "marked xi": lambda x, m, v, w, y: marked_correlation(x, 10 ** (w - 13), m, EDGES, SIDE).marked,
    "marks": lambda x, m, v, w, y: mark_distribution(w, m, MASSES).counts,
    "mass function": lambda x, m, v, w, y: mass_function(w, m, MASSES, SIDE).density,
}
NAMES = pytest.mark.parametrize("name", TABLE)
FEW = {"xi", "P", "neighbours", "cells"}
"""One of each kind for every run; the others take a minute."""
MOSTLY_SLOW = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in TABLE],
)
ON_THE_LATTICE = {"xi", "cross xi", "neighbours", "joint neighbours", "cells", "spheres", "marks"}
"""Counts: equal to the integer where positions are multiples of 1/16."""


def clouds(batch=3, points=60, real=45):
    """A batch whose padding holds NaN; positions are exact in float32, and so are their shifts."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 16 * SIDE, (2, batch, points, 3)) / 16.0
    v, w = rng.normal(0, 300, (batch, points, 3)), rng.normal(13, 0.5, (batch, points))
    mask = np.arange(points) < real - np.arange(batch)[:, None]
    rows = [
        np.where(mask[..., None], a, np.nan).astype(np.float32) for a in (x, v, w[..., None], y)
    ]
    return tuple(map(jnp.asarray, (rows[0], mask, rows[1], rows[2][..., 0], rows[3])))


def assert_same(name, found, truth):
    found, truth = np.asarray(found, float), np.asarray(truth, float)
    assert np.all(np.isfinite(truth)) and np.ptp(truth) > 0
    if name in ON_THE_LATTICE:
        np.testing.assert_allclose(found, truth, rtol=1e-6)
    else:
        scale = np.abs(truth).max()
        np.testing.assert_allclose(found, truth, rtol=1e-4, atol=3e-5 * scale)


@MOSTLY_SLOW
def test_jit_vmap_order_padding_and_shifts_change_nothing(name):
    measure, batch = TABLE[name], clouds()
    truth = measure(*batch)
    order = np.random.default_rng(1).permutation(60)
    x, mask, v, w, y = batch
    other = [
        jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 2)), a, 7.0) for a in (x, v, w, y)
    ]
    shift = jnp.asarray([8.0, -16.0, 40.0])  # whole cells, and the lattice of queries, across faces
    assert_same(name, jax.jit(measure)(*batch), truth)
    assert_same(name, jax.vmap(lambda *one: measure(*(a[None] for a in one))[0])(*batch), truth)
    alone = [measure(*(a[i : i + 1] for a in batch))[0] for i in range(3)]
    assert_same(name, jnp.stack(alone), truth)
    assert_same(name, measure(*(a[:, order] for a in batch)), truth)
    assert_same(name, measure(other[0], mask, *other[1:]), truth)
    if name != "open xi":
        assert_same(name, measure(x + shift, mask, v, w, y + shift), truth)


@pytest.mark.slow
@NAMES
def test_without_any_jit_the_numbers_are_the_same(name):
    batch = clouds(2, 12, 10)
    truth = TABLE[name](*batch)
    with jax.disable_jit():
        plain = TABLE[name](*batch)
    assert_same(name, plain, truth)


def measured_on_all_devices():
    """The whole table, its batch shared by the devices."""
    assert len(jax.devices()) == DEVICES
    place = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data"))
    batch = jax.device_put(clouds(DEVICES), place)
    assert all(len(a.sharding.device_set) == DEVICES for a in batch)
    return {name: np.asarray(measure(*batch)) for name, measure in TABLE.items()}


@pytest.mark.slow
def test_eight_devices_measure_what_one_does(tmp_path):
    file = tmp_path / "shared.npz"
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={DEVICES}"}
    subprocess.run(
        [sys.executable, str(Path(__file__)), str(file)],
        env={**os.environ, **flags, "JAX_PLATFORMS": "cpu"},
        check=True,
        capture_output=True,
        timeout=900,
    )
    shared, batch = np.load(file), clouds(DEVICES)
    assert set(shared) == set(TABLE)
    for name, measure in TABLE.items():
        assert_same(name, shared[name], measure(*batch))


if __name__ == "__main__":
    np.savez(sys.argv[1], **measured_on_all_devices())
