"""The trajectory from the base to the data: what the draws of a run are at every time between.

A sampler solves for the state x(t) from t = 0, where it is a draw of the base (points uniform in
the box, a normal image), to t = 1, where it is one of the data. Each state is decoded as a draw is:
that of a run of catalogues is a :class:`~galgen.data.catalogue.Catalogue` that any statistic takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from galgen.data.encoding import Condition
from galgen.randomness import Role, random_key
from galgen.run import Run
from galgen.training.sharding import data_mesh, put_batch


def sample_trajectory(
    run: Run,
    conditions: Sequence[Condition],
    seed: int = 0,
    points: int | None = None,
    fields: Sequence[Any] | None = None,
) -> list[list[Any]]:
    """One example per condition at every state of the sampler, by state and then by condition.

    The last state is what ``run.sample`` gives, with all conditions in one batch.

    Args:
        run: trained.
        conditions: physical values by name; ``[{}] * n`` for an unconditional model.
        seed: of the numbers of points and of what is random in the steps.
        points: a fixed number of points per catalogue; if not given, the model's own where it draws
            one, else drawn from p(N | condition).
        fields: what each is drawn from, for a model that reads a field, as of ``run.sample``.

    Returns:
        ``steps + 1`` states for a :class:`~galgen.generative.Sampler`, at its ``times``; one after
        every layer for a normalizing flow.

    Raises:
        InputError: for a condition that is missing or outside the trained range, fields that are
            missing or unlike those of training, or a state that is no catalogue, such as one with
            masses that no float can hold.
    """
    mesh = data_mesh()
    states: list[list[Any]] = []
    draws = run.plan(conditions, seed, len(conditions), points, fields=fields)
    for number, draw in enumerate(draws):
        key = random_key(Role.DRAWS, seed, number)
        batch = put_batch(draw.blank, mesh)
        drawn = run.experiment.sample_batch(run.params, key, batch, mesh, trajectory=True)
        trajectory = np.asarray(drawn.trajectory)
        masks = [draw.mask] * len(trajectory) if drawn.mask is None else np.asarray(drawn.mask)
        states = states or [[None] * len(conditions) for _ in trajectory]
        for state, x, mask in zip(states, trajectory, masks, strict=True):
            draw = dataclasses.replace(draw, mask=mask)
            for row, example in zip(draw.wanted, run.encoding.decode(draw, x, {}), strict=True):
                state[row] = example
    return states
