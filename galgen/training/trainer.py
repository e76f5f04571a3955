"""The training loop: any ``loss(params, key, batch)`` over any source of batches.

Everything a step draws is a function of the seed and the step, batches included, so that a run that
was stopped and resumed goes on with the same numbers.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import optax
from tqdm import tqdm

from galgen.errors import InputError
from galgen.training.checkpoint import Checkpoints
from galgen.training.feeding import Source, feed
from galgen.training.sharding import data_mesh, replicated
from galgen.training.state import Loss, TrainState, initial_state, make_step
from galgen.training.tracking import MetricsLog
from galgen.types import Params


@dataclasses.dataclass(frozen=True)
class Trainer:
    """How to train.

    Attributes:
        steps: updates in all.
        batch_size: examples per update, over all devices.
        learning_rate: peak of AdamW's rate, reached after ``warmup`` steps, then a cosine to zero.
        warmup: steps of linear warm-up.
        weight_decay: of AdamW.
        clip_norm: gradients are scaled down to this global norm.
        ema_decay: of the averaged weights that samples are drawn with.
        seed: of weights, data order, times and base draws.
        log_every: steps between lines of ``metrics.jsonl``.
        checkpoint_every: steps between checkpoints.
    """

    steps: int = 1000
    batch_size: int = 16
    learning_rate: float = 2e-3
    warmup: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_decay: float = 0.99
    seed: int = 0
    log_every: int = 10
    checkpoint_every: int = 250

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"expected {name} of at least 1, got {getattr(self, name)}")

    def optimizer(self) -> optax.GradientTransformation:
        """AdamW under a warm-up and a cosine, with clipping by global norm."""
        warmup = min(self.warmup, self.steps // 2)
        rate = optax.warmup_cosine_decay_schedule(0.0, self.learning_rate, warmup, self.steps)
        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm),
            optax.adamw(rate, weight_decay=self.weight_decay),
        )

    def fit(
        self, loss: Loss, params: Params, source: Source, folder: Path, resume: bool = False
    ) -> TrainState:
        """Train, logging and checkpointing into ``folder``.

        Ctrl-C or SIGTERM saves a checkpoint and raises ``KeyboardInterrupt``.

        Raises:
            InputError: if ``resume`` is asked for and there is nothing to resume.
            FloatingPointError: at a loss that is not finite; the message names the step.
        """
        mesh, optimizer = data_mesh(), self.optimizer()
        state = jax.device_put(initial_state(params, optimizer), replicated(mesh))
        key = jax.device_put(jax.random.key(self.seed), replicated(mesh))
        step = jax.jit(make_step(loss, optimizer, self.ema_decay), donate_argnums=0)
        with Checkpoints(folder / "checkpoints") as checkpoints:
            if resume:
                state = checkpoints.restore(state, replicated(mesh))
            start = int(state.step)
            log = MetricsLog(folder / "metrics.jsonl", start)
            bar = tqdm(total=self.steps, initial=start, desc="train", unit="step")
            with bar, _stop_signals() as stop:
                clock = time.perf_counter()
                batches = feed(source, start, self.steps, mesh)
                for index, batch in enumerate(batches, start):
                    with jax.transfer_guard("disallow"):
                        state, metrics = step(state, key, batch)
                    done = index + 1
                    if done % self.log_every == 0 or done == self.steps:
                        values = {k: float(v) for k, v in jax.device_get(metrics).items()}
                        _require_finite(values, done)
                        seconds = time.perf_counter() - clock
                        log.write(step=done, seconds=round(seconds, 3), **values)
                        bar.set_postfix(loss=f"{values['loss']:.4f}")
                    bar.update()
                    if done % self.checkpoint_every == 0 or done == self.steps or stop:
                        checkpoints.save(state)
                    if stop:
                        raise KeyboardInterrupt
        return state


def _require_finite(metrics: dict[str, float], step: int) -> None:
    """Raise at the first logged value that is not finite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"expected a finite {name}, got {value} at step {step}; "
                "lower --trainer.learning-rate or look for extreme values in the data"
            )


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that is filled by Ctrl-C or SIGTERM, read between steps; a second one kills."""
    caught: list[int] = []
    previous: dict[int, Any] = {}

    def handle(number: int, frame: object) -> None:
        caught.append(number)
        signal.signal(number, previous[number])

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handle)
    try:
        yield caught
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
