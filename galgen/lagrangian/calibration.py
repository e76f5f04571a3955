r"""What a trained model learns from its own draws: how crowded its haloes are, and their masses.

Training shows states of births that are thinned data; a draw goes through states of its own, and
what it is short of adds up. So the rate is tilted, lambda exp(g + c^T theta f), with f of a cell
the number one and the sums over haloes around it or their logs
(:func:`~galgen.lagrangian.network.tilted_by`), and c one and the condition. theta is where sums of
f over the haloes of draws (of sums: their numbers of pairs) have the mean of those over the haloes
of the data on the same fields, as the maximum likelihood of an exponential family has it. It is
found by stochastic approximation
(Robbins and Monro 1951, eq. 4), with the metric of a Poisson process in f and recursive least
squares in c::

    S = sum_i f_i,     M = mean of sum_i f_i f_i^T,     C <- C + c c^T
    theta <- theta + C^-1 c [M^-1 (S_data - S_draw)]^T

M being over all boxes and draws so far. Steps are shortened that would change the log of the rate
by more than 0.3, root mean square over haloes. The mean of the second half of them is kept. The
number of haloes is no linear function of theta, so with that mean it would be off: in further
draws, on every field, only the part of f = 1 is moved, by the log of the numbers' ratio. Of the
same draws masses are carried, at equal quantiles, to those of the data.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from galgen.generative.models.model import with_weights
from galgen.lagrangian.candidates import likeliest
from galgen.lagrangian.layout import MASS_KNOTS, NEAR_Q
from galgen.lagrangian.network import TILT, tilted_by
from galgen.lagrangian.sampler import LagrangianSampler
from galgen.lagrangian.sums import WIDTHS
from galgen.lagrangian.trained import TrainedHaloes
from galgen.randomness import Role, random_key

if TYPE_CHECKING:
    from galgen.lagrangian.dataset import PieceSource

THETA, MASS = "params/births/tilt", "params/mass_scale"
LONGEST = 0.3
"""Of one step: root mean square over haloes of the change of the log of the rate."""
ENOUGH, MOST = 20, 100
"""Further draws, for the number of haloes and their masses: whole rounds of all fields."""
RIDGE = 0.02
"""Added to M, in units of its diagonal."""
LEAST = 0.1
"""And haloes of f = 1."""
PRIOR = np.diag([1.0, 4.0, 4.0])
"""Of C."""
ROWS = 1024
"""Rows of draws are multiples of it."""


def calibrated(
    model: TrainedHaloes, source: PieceSource, sampler: LagrangianSampler, seed: int, draws: int
) -> Mapping[str, np.ndarray]:
    """The tilt and the masses of a trained model.

    Args:
        model: with its weights.
        source: of the training data.
        sampler: how it will be drawn from.
        seed: of the draws.
        draws: of whole boxes of training, for the tilt.
    """
    if not draws:
        return {}
    tables = len(source)
    rounds, further = -(-draws // tables), -(-ENOUGH // tables)
    last = min(further * tables, MOST)
    key_order, *keys = jax.random.split(random_key(Role.CALIBRATION, seed), draws + last + 1)
    shuffles = jax.random.split(key_order, rounds + further)
    shuffled = np.array([jax.random.permutation(key, tables) for key in shuffles])
    order = np.append(shuffled[:rounds].ravel()[:draws], shuffled[rounds:].ravel()[:last])

    def of_box(params, field, condition):
        return model.replaced(params).given_field(field).example(0, condition)

    @functools.partial(jax.jit, static_argnames="rows")
    def births(box, key, x, haloes, rows):
        """Sums of f and its products over haloes drawn and true, and those drawn."""
        drawn_by = of_box(*box)
        found = likeliest(drawn_by, sampler.cells)
        born, sums = sampler.births(drawn_by, found, key, rows)
        true, around = found.of_data(x, haloes, drawn_by.cell)
        there = jnp.zeros(len(born) + 1, bool).at[true].set(True)[:-1]

        def moments(there, sums):
            near = sums[:, : len(NEAR_Q)], sums[:, len(NEAR_Q) :]
            known = found.known.maps, jnp.ones(1)
            f = tilted_by(model.network.tilt, *near, *known) * there[:, None]
            return jnp.sum(f, axis=0), f.T @ f

        return moments(born, sums), moments(there, around[:-1]), (found, born, sums)

    @functools.partial(jax.jit, static_argnames="rows")
    def masses_of(box, key, drawn, rows):
        found, born, sums = drawn
        marks, mask = sampler.of_births(of_box(*box), found, born, sums, key, rows)
        return marks[:, 6], mask

    theta, conditions = np.zeros(TILT), PRIOR
    per_halo = np.zeros((TILT[1], TILT[1]))
    trail, masses, of_data = [theta], [], []
    for number, index in enumerate(tqdm(order.tolist(), desc="own draws", unit="draw")):
        if number == draws:
            theta, conditions = np.mean(trail[len(trail) // 2 :], axis=0), PRIOR
        x, condition, field = source.whole(index)
        rows = -(-int(1.5 * len(x) + 256) // ROWS) * ROWS
        padded = np.pad(x, ((0, rows - len(x)), (0, 0)))
        params = with_weights(model.params, {THETA: theta})
        box, key = (params, field[None], condition[None]), keys[number]
        *found, haloes = births(box, key, padded, len(x), rows)
        (drawn, of_drawn), (true, metric) = jax.tree.map(np.float64, found)
        if number < draws:
            # Haloes outside the likely cells count too.
            true = true * (len(x) / true[0])
            # Of all boxes and draws so far: one alone may hold hardly a pair.
            per_halo += 0.5 * (metric + of_drawn) / len(x)
            metric = per_halo * (len(x) / (number + 1))
            metric = metric + np.diag(RIDGE * np.diag(metric) + LEAST)
            step = np.linalg.solve(metric, true - drawn)
            change = math.sqrt(step @ metric @ step / len(x))
        else:
            gap = math.log(len(x) / max(drawn[0], 1.0))
            step, change = np.append(gap, np.zeros(WIDTHS)), abs(gap)
            mass, mask = (np.asarray(part) for part in masses_of(box, key, haloes, rows))
            masses.append(mass[mask])
            of_data.append(x[:, 6])
        told = np.append(1.0, condition[:-1])
        conditions = conditions + np.outer(told, told)
        moved = np.linalg.solve(conditions, told)
        # Shortened by what is done of it: later ones are left as they are, or rare draws of many
        # pairs would count less than they do in the mean.
        change *= float(told @ moved)
        theta = theta + np.outer(moved, step * LONGEST / max(change, LONGEST))
        trail.append(theta)
    scale = quantiles_of(np.concatenate(masses), np.concatenate(of_data))
    return {THETA: theta.astype(np.float32).ravel(), MASS: scale}


def quantiles_of(drawn: np.ndarray, data: np.ndarray) -> np.ndarray:
    """At each knot, the value of the data at the quantile that a drawn value has."""
    low, high = np.quantile(drawn, (1e-3, 1 - 1e-3))
    inner = MASS_KNOTS[(low < MASS_KNOTS) & (high > MASS_KNOTS)]
    levels = np.searchsorted(np.sort(drawn), inner) / len(drawn)
    moved = np.quantile(data, levels) - inner
    # Beyond what is measured the shift is that of the last knot; values never fall.
    shift = np.interp(MASS_KNOTS, inner, moved)
    return np.maximum.accumulate(MASS_KNOTS + shift).astype(np.float32)
