"""Draws of births: in each step those of its time are born, at the rate given the points so far."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from galgen.checked import Count, checked
from galgen.generative.sampling.birth_process import TrainedBirths
from galgen.generative.sampling.method import Samples, SamplingMethod
from galgen.periodic import minimum_image, wrap


@dataclasses.dataclass(frozen=True)
@checked
class BirthSampler(SamplingMethod):
    """Equal steps of time from no point (t=0) to the data (t=1), one network evaluation each.

    Without a mask the number of points is the model's own: Poisson births at the rate of the
    network, as many as there are rows at most. With one it is given ("the 5,000 heaviest"): in each
    step a binomial share of those that are missing is born, at places of the same rate.

    Births of one step do not see each other, but for the exclusion: of K steps, a pair of points is
    born in one step once in K. Where the exclusion leaves no place for a given number, fewer come.

    Attributes:
        steps: K.
    """

    steps: Count = 32

    draws = TrainedBirths
    has_own_number = True

    def __call__(self, model, key, shape, mask=None, condition=None, trajectory=False):
        rows = jnp.arange(shape[1])

        def step(state, number):
            x, there = state
            filled = rows < there[:, None]
            t = number / self.steps
            log_rate = model.log_rate(x, jnp.full(shape[0], t), filled, condition)
            rate = jnp.exp(log_rate).reshape(shape[0], -1)
            key_number, key_cell, key_place = jax.random.split(jax.random.fold_in(key, number), 3)
            if mask is None:
                born = jax.random.poisson(key_number, jnp.mean(rate, axis=1) / self.steps)
            else:
                missing = jnp.sum(mask, axis=1) - there
                share = 1.0 / (self.steps - number)
                some = jax.random.binomial(key_number, missing, share).astype(jnp.int32)
                born = jnp.where(number == self.steps - 1, missing, some)
            places = _places(key_cell, key_place, rate, log_rate.shape[1:], shape)
            add = jax.vmap(_born, in_axes=(0, 0, 0, 0, None, None))
            state = add(x, there, places, born, model.exclusion, mask is not None)
            return state, (state if trajectory else None)

        start = jnp.zeros(shape), jnp.zeros(shape[0], jnp.int32)
        (x, there), states = jax.lax.scan(step, start, jnp.arange(self.steps))
        filled = rows < there[:, None]
        if not trajectory:
            return Samples(x, self.steps, None, filled)
        states, number = (
            jnp.concatenate([first[None], rest]) for first, rest in zip(start, states, strict=True)
        )
        return Samples(x, self.steps, states, rows < number[..., None])


def _places(
    key_cell: jax.Array,
    key_place: jax.Array,
    rate: Float[Array, "batch all"],
    cells: tuple[int, ...],
    shape: tuple[int, ...],
) -> Float[Array, "batch points axes"]:
    """Places drawn by the rate in cells, uniform within a cell; more than are needed."""
    upto = jnp.cumsum(rate, axis=1)
    at = jax.random.uniform(key_cell, shape[:2]) * upto[:, -1:]
    cell = jnp.minimum(jax.vmap(jnp.searchsorted)(upto, at), rate.shape[1] - 1)
    corner = jnp.stack(jnp.unravel_index(cell, cells), axis=-1)
    inside = (corner + jax.random.uniform(key_place, shape)) / jnp.array(cells)
    return wrap(inside)


def _born(
    x: Float[Array, "points axes"],
    there: Int[Array, ""],
    places: Float[Array, "points axes"],
    number: Int[Array, ""],
    exclusion: float,
    given: bool,
) -> tuple[Float[Array, "points axes"], Int[Array, ""]]:
    """The points of one example with those that are born, and how many they are.

    Args:
        x: points so far, in the first rows.
        there: how many.
        places: tried in order.
        number: to be tried, or to be born if it is given.
        exclusion: no place nearer than this to a point is taken.
        given: whether the number is given.
    """
    rows = jnp.arange(len(x))
    if not exclusion:
        row = jnp.where(rows < number, there + rows, len(x))
        return x.at[row].set(places, mode="drop"), jnp.minimum(there + number, len(x))

    def goes_on(state):
        tried, _, now = state
        enough = now - there >= number if given else tried >= number
        return ~enough & (tried < len(x)) & (now < len(x))

    def try_one(state):
        tried, x, now = state
        apart = minimum_image(x - places[tried])
        near = (jnp.sum(apart**2, axis=-1) < exclusion**2) & (rows < now)
        taken = ~jnp.any(near)
        row = jnp.where(taken, now, len(x))
        return tried + 1, x.at[row].set(places[tried], mode="drop"), now + taken

    _, x, now = jax.lax.while_loop(goes_on, try_one, (0, x, there))
    return x, now
