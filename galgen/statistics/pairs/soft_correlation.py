r"""A correlation function with soft bins, differentiable in the positions: for losses.

Counts of pairs do not change with small changes of the positions, so their gradient is zero. Here
each bin has the weight, with s the logistic function and w its width,

    k_i(r) = s((r - e_i) / w) - s((r - e_{i+1}) / w),     DD_i = sum_{a != b} k_i(r_ab)
    xi_i   = DD_i / RR_i - 1,      RR_i = N (N - 1) / V  integral 4 pi r² k_i(r) dr

in a periodic box. Points at random have xi = 0. Of a clustered cloud it is xi averaged over a wider
bin, that is biased where xi is steep (for haloes by 0.8%, 5% and 30% at widths of 0.1, 0.5 and 1
Mpc/h): compare it only with the same estimator. To measure xi, use
:func:`~galgen.statistics.pairs.correlation.two_point_correlation`.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.periodic import minimum_image, wrap
from galgen.statistics.arguments import check_points, evaluate, is_traced
from galgen.statistics.binning import check_box, check_edges, count_real

REACH = 12.0
"""Widths from an edge at which the weight of a pair is below 1e-5."""


def soft_correlation(
    positions: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
    box: ArrayLike,
    width: float,
    block: int = 256,
) -> Float[Array | np.ndarray, "batch bins"]:
    """xi with soft bins of every catalogue of a batch; NaN for fewer than two points.

    Time N² and memory N x ``block``, with gradients too.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` separations in Mpc/h, a host value.
        box: the three sides of the periodic box in Mpc/h, a host value.
        width: w in Mpc/h, a host value.
        block: rows compared at once.

    Raises:
        InputError: bad shapes or edges, a width that is not positive, or soft edges that reach
            beyond half the box.
    """
    limits, sides = check_edges(edges), check_box(box)
    if not width > 0:
        raise InputError(f"expected a positive width in Mpc/h, got {width}; 0.2 is usual")
    if limits[-1] + REACH * width > sides.min() / 2:
        raise InputError(
            f"expected the last edge and {REACH:g} widths below half the shortest box side, "
            f"{sides.min() / 2:g} Mpc/h, got {limits[-1] + REACH * width:g}; lower either"
        )
    exact = not is_traced(positions, mask)
    points, keep = check_points(positions, mask, exact, sides)
    host = (limits, sides, _shells(limits, width) / np.prod(sides))
    values = [value.astype(points.dtype) for value in host]
    return evaluate(exact, _soft_xi, points, keep, *values, width, block)


def _shells(edges: Float[np.ndarray, "edges"], width: float) -> Float[np.ndarray, "bins"]:
    """The integrals of 4 pi r² k_i(r), by the trapezoidal rule."""
    r = np.linspace(0.0, edges[-1] + 40 * width, 200_001)
    step = 0.5 * (1 + np.tanh((r - edges[:, None]) / (2 * width)))
    weight = step[:-1] - step[1:]
    return np.trapezoid(4 * np.pi * r**2 * weight, r, axis=1)


@functools.partial(jax.jit, static_argnames=("width", "block"))
def _soft_xi(
    positions: Float[Array, "batch points 3"],
    mask: Bool[Array, "batch points"],
    edges: Float[Array, "edges"],
    box: Float[Array, "3"],
    shell: Float[Array, "bins"],
    width: float,
    block: int,
) -> Float[Array, "batch bins"]:
    """Sums over those of points at random."""
    pairs = _soft_pairs(positions, mask, edges, box, width, block)
    number = count_real(mask, positions.dtype)[:, None]
    expected = jnp.where(number > 1, number * (number - 1), 1.0) * shell
    return jnp.where(number > 1, pairs / expected - 1.0, jnp.nan)


def _soft_pairs(
    positions: Float[Array, "batch points 3"],
    mask: Bool[Array, "batch points"],
    edges: Float[Array, "edges"],
    box: Float[Array, "3"],
    width: float,
    block: int,
) -> Float[Array, "batch bins"]:
    """Sums of k_i over ordered pairs."""
    positions = wrap(positions, box)
    if not mask.shape[1]:
        return jnp.zeros((len(mask), len(edges) - 1), positions.dtype)

    def catalogue(cloud: tuple[Array, Array]) -> Float[Array, "bins"]:
        points, real = cloud

        @jax.checkpoint
        def row(one: tuple[Array, Array]) -> Float[Array, "edges"]:
            place, index = one
            apart = minimum_image(points - place, box)
            squared = jnp.sum(apart * apart, axis=-1)
            other = real & real[index] & (jnp.arange(len(points)) != index)
            # No gradient of a root at zero, of two points at one place.
            r = jnp.sqrt(jnp.where(other & (squared > 0), squared, 1.0))
            r = jnp.where(squared > 0, r, 0.0)
            step = jax.nn.sigmoid((r - edges[:, None]) / width)
            return jnp.sum(jnp.where(other, step, 0.0), axis=-1)

        rows = (points, jnp.arange(len(points)))
        below = jnp.sum(jax.lax.map(row, rows, batch_size=block), axis=0)
        return below[:-1] - below[1:]

    return jax.lax.map(catalogue, (positions, mask))
