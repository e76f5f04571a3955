"""The training loop: any ``loss(params, key, batch)`` over any source of batches.

Everything a step draws is a function of the seed and the step, batches included, so that a run that
was stopped and resumed goes on with the same numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from galgen.checked import Count, NotNegative, Positive, ProperFraction, Seed, Whole, checked
from galgen.errors import InputError
from galgen.randomness import Role, random_key
from galgen.training.checkpoint import Checkpoints
from galgen.training.disk import on_disk
from galgen.training.distributed import anyone, is_first
from galgen.training.evaluator import Evaluator
from galgen.training.feeding import Fed, Source, feed
from galgen.training.profiling import Profile
from galgen.training.progress import progress
from galgen.training.rematerialization import rematerialized
from galgen.training.sharding import (
    ALL_ON_DATA,
    MeshShape,
    gathering,
    replicated,
    shared_over_model,
)
from galgen.training.state import Loss, Metrics, TrainState, initial_state, make_step
from galgen.training.stopping import require_finite, stop_signals
from galgen.training.tracking import Journal, Tracker
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
@checked
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
        further_decays: of averages that are kept beside it, to compare; ``Run.load`` takes one.
        accumulate: equal parts of a batch that are gone through one after the other, in the memory
            of one; the gradient is that of the whole. What couples the examples of a batch couples
            those of a part.
        rematerialize: compute residual blocks again in the backward pass, to save memory.
        seed: of weights, data order, times and base draws.
        log_every: steps between lines of ``metrics.jsonl``.
        checkpoint_every: steps between checkpoints.
        keep: the newest checkpoints that are kept.
    """

    steps: Count = 1000
    batch_size: Count = 16
    learning_rate: Positive = 2e-3
    warmup: Whole = 50
    weight_decay: NotNegative = 1e-4
    clip_norm: Positive = 1.0
    ema_decay: ProperFraction = 0.99
    further_decays: tuple[ProperFraction, ...] = ()
    accumulate: Count = 1
    rematerialize: bool = False
    seed: Seed = 0
    log_every: Count = 10
    checkpoint_every: Count = 250
    keep: Count = 2

    def __post_init__(self) -> None:
        if self.batch_size % self.accumulate:
            raise InputError(
                f"expected a batch size that accumulate divides, got {self.batch_size} and "
                f"{self.accumulate}; change --trainer.batch-size"
            )

    @property
    def decays(self) -> tuple[float, ...]:
        """Of all averages, the one that samples are drawn with first."""
        return (self.ema_decay, *self.further_decays)

    def optimizer(self) -> optax.GradientTransformation:
        """AdamW under a warm-up and a cosine, with clipping by global norm."""
        warmup = min(self.warmup, self.steps // 2)
        rate = optax.warmup_cosine_decay_schedule(0.0, self.learning_rate, warmup, self.steps)
        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm),
            optax.adamw(rate, weight_decay=self.weight_decay),
        )

    def initial_state(self, params: Params) -> TrainState:
        """Step zero."""
        return initial_state(params, self.optimizer(), len(self.further_decays))

    def fit(
        self,
        loss: Loss,
        params: Params,
        source: Source,
        folder: str | Path,
        resume: bool = False,
        mesh: MeshShape = ALL_ON_DATA,
        profile: bool = False,
        evaluator: Evaluator | None = None,
        trackers: Sequence[Tracker] = (),
    ) -> TrainState:
        """Train, logging and checkpointing into ``folder``.

        Ctrl-C or SIGTERM saves a checkpoint and raises ``KeyboardInterrupt``.

        Args:
            loss: its sums, or a number that is a mean over the points of a batch.
            params: the first weights.
            source: batches; on several processes, the rows of this one.
            folder: of the run.
            resume: go on from the newest checkpoint.
            mesh: of all devices of all processes.
            profile: record a few steps into ``folder / "profile"``.
            evaluator: what is measured between the steps; the best state is kept in
                ``folder / "best"``.
            trackers: that are told what is logged, by the first process.

        Raises:
            InputError: if ``resume`` is asked for and there is nothing to resume, the batch cannot
                be dealt to the devices, or the disk is full.
            FloatingPointError: at a loss or weights that are not finite; the message names the step
                and the last checkpoint.
        """
        evaluator = evaluator or Evaluator()
        devices = mesh.over(jax.devices())
        # From the host, so that every process puts its part of the same numbers on its devices.
        params = jax.tree.map(np.asarray, params)
        like = jax.eval_shape(self.initial_state, params)
        places = shared_over_model(like, devices)
        folder = Path(folder)
        with (
            on_disk(folder),
            Checkpoints(folder / "checkpoints", self.keep, writes=True) as checkpoints,
        ):
            if resume:
                state = checkpoints.restore(like, places)
            else:
                state = jax.jit(self.initial_state, out_shardings=places)(params)
            step = self._compiled(loss, devices, places)
            batches = feed(source, int(state.step), self.steps, devices, self.accumulate)
            journal = Journal(folder / "metrics.jsonl", int(state.step), is_first(), trackers)
            with (
                Profile(folder / "profile", profile) as recorder,
                evaluator.keeping_best(folder, journal.before),
            ):
                return self._run(state, step, batches, checkpoints, recorder, journal, evaluator)

    def _run(
        self,
        state: TrainState,
        step: Callable[[TrainState, jax.Array, Batch], tuple[TrainState, Metrics]],
        batches: Iterator[Fed],
        checkpoints: Checkpoints,
        recorder: Profile,
        journal: Journal,
        evaluator: Evaluator,
    ) -> TrainState:
        """Every step that is left, and what is written between them."""
        start = int(state.step)
        key = jax.jit(
            lambda: random_key(Role.STEPS, self.seed), out_shardings=state.step.sharding
        )()
        with progress(self.steps, start, is_first()) as bar, stop_signals() as stop:
            for done, (batch, points) in enumerate(batches, start + 1):
                with jax.transfer_guard("disallow"):
                    state, metrics = step(state, key, batch)
                recorder.step(metrics)
                bar.advance(points)
                last = done == self.steps
                logs = last or done % self.log_every == 0 or evaluator.due(done)
                if logs:
                    values = {k: float(v) for k, v in jax.device_get(metrics).items()}
                    require_finite(values, done, checkpoints.latest)
                    bar.show(values["loss"])
                    if last or evaluator.due(done):
                        values |= evaluator.measure(state)
                    journal.write(done, values)
                # Processes must stop at the same step, and meet where they log.
                stops = bool(stop) if jax.process_count() == 1 else logs and anyone(bool(stop))
                if last or stops or done % self.checkpoint_every == 0:
                    checkpoints.save(state)
                if stops:
                    raise KeyboardInterrupt
        return state

    def _compiled(
        self, loss: Loss, mesh: jax.sharding.Mesh, places: Any
    ) -> Callable[[TrainState, jax.Array, Batch], tuple[TrainState, Metrics]]:
        """One step on a mesh, which leaves the state where it is."""
        if self.rematerialize:
            loss = rematerialized(loss)
        step = make_step(
            gathering(loss, mesh),
            self.optimizer(),
            self.ema_decay,
            self.further_decays,
            self.accumulate,
        )
        return jax.jit(step, donate_argnums=0, out_shardings=(places, replicated(mesh)))
