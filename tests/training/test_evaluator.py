"""What is measured between steps, and the checkpoint that was best by it."""

import json
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.training import Checkpoints, Trainer
from galgen.training.evaluator import BEST, Evaluator
from galgen.training.sharding import data_mesh, replicated
from galgen.types import Batch

TRAINER = Trainer(steps=20, learning_rate=0.2, warmup=1, log_every=7, checkpoint_every=20)
START = {"centre": jnp.zeros(2)}


class Source:
    def batch(self, step: int) -> Batch:
        return Batch(np.random.default_rng(step).normal(3.0, 0.1, (8, 2)).astype(np.float32))


def loss(params, key, batch):
    return jnp.mean((params["centre"] - batch.x) ** 2)


def evaluator(values: dict[int, float]) -> Evaluator:
    """A number for each step that is measured, and nothing for others."""
    return Evaluator(3, lambda state: {"height": values[int(state.step)]}, "height")


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def best(folder: Path) -> int:
    like = TRAINER.initial_state(START)
    with Checkpoints(folder / BEST) as checkpoints:
        assert len(checkpoints.steps) == 1
        state = checkpoints.restore(like, replicated(data_mesh()))
    assert int(state.step) == checkpoints.latest
    return int(state.step)


HEIGHTS = {3: 5.0, 6: 2.0, 9: math.nan, 12: 1.0, 15: -math.inf, 18: 1.5, 20: 1.0}


def test_the_smallest_is_kept_and_all_are_logged(tmp_path: Path) -> None:
    TRAINER.fit(loss, START, Source(), tmp_path, evaluator=evaluator(HEIGHTS))
    assert best(tmp_path) == 12, "the first of two, and none that is not finite"
    logged = lines(tmp_path)
    assert [line["step"] for line in logged] == [3, 6, 7, 9, 12, 14, 15, 18, 20]
    assert all(("height" in line) == (line["step"] in HEIGHTS) for line in logged)
    assert all("loss" in line and "seconds" in line for line in logged)
    assert logged[-1]["height"] == 1.0


def test_a_resumed_run_knows_what_was_best(tmp_path: Path) -> None:
    class Stopped(Source):
        def batch(self, step: int) -> Batch:
            if step == 19:
                raise KeyboardInterrupt
            return super().batch(step)

    trainer = Trainer(steps=20, warmup=1, log_every=7, checkpoint_every=5)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(loss, START, Stopped(), tmp_path, evaluator=evaluator(HEIGHTS))
    assert best(tmp_path) == 12
    # Goes on from step 15 or before: of what comes, nothing is as low as what came.
    trainer.fit(
        loss, START, Source(), tmp_path, resume=True, evaluator=evaluator({**HEIGHTS, 20: 1.1})
    )
    assert best(tmp_path) == 12
    assert [line["step"] for line in lines(tmp_path)] == sorted({7, 14, *HEIGHTS})


def test_a_number_that_is_not_measured_is_named(tmp_path: Path) -> None:
    wrong = Evaluator(3, lambda state: {"height": 1.0, "depth": 2.0}, "hight")
    with pytest.raises(InputError, match="measured, got 'hight'; choose of depth, height"):
        TRAINER.fit(loss, START, Source(), tmp_path, evaluator=wrong)


def test_nothing_is_measured_without_an_evaluator(tmp_path: Path) -> None:
    TRAINER.fit(loss, START, Source(), tmp_path)
    assert not (tmp_path / BEST).exists()
    assert [line["step"] for line in lines(tmp_path)] == [7, 14, 20]
