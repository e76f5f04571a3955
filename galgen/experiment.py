"""The wiring: data, network, model, sampler and trainer in one experiment.

An experiment trains into a folder (:mod:`galgen.run_folder`) and gives a :class:`galgen.run.Run`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from galgen.checked import checked
from galgen.collectives import use_mesh
from galgen.data.augmentation import augmented
from galgen.data.dataset import Dataset, Prepared
from galgen.data.encoding import Condition, Encoding
from galgen.data.field import Field
from galgen.data.fingerprint import Fingerprint
from galgen.errors import InputError
from galgen.evaluation import Evaluation
from galgen.generative import Model, Samples
from galgen.generative.sampling.method import OptionalSampler
from galgen.losses import MeanLoss
from galgen.randomness import Role, child_seed, random_key
from galgen.run import Run, built_for_data
from galgen.run_folder import Calibration, RunFolder
from galgen.serialization import require_readable, write_json
from galgen.training import Loss, Trainer
from galgen.training.distributed import is_first, require_agreement, together
from galgen.training.evaluator import Evaluator
from galgen.training.exclusive import held
from galgen.training.precision import Precision, multiplying_in
from galgen.training.sharding import (
    ALL_ON_DATA,
    MeshShape,
    put_batch,
    share_of_rows,
    whole,
)
from galgen.training.tracking import Tracker
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
@checked
class Experiment:
    """One tree of the run-time objects themselves; every field can be overridden by name.

    Attributes:
        data: where examples come from.
        network: denoiser, a Flax Linen module called as ``network(x, t, mask, condition)``.
        model: the family: a bridge, or another of :mod:`galgen.generative.models.model`.
        sampler: how draws are made of it; the family's own if not given. None where it infers.
        trainer: how the network is trained.
        precision: in which dense layers multiply, in training and in sampling; all else is float32.
        evaluation: what is measured on held-out examples in training.
    """

    data: Dataset
    network: nn.Module
    model: Model
    sampler: OptionalSampler = None
    trainer: Trainer = Trainer()
    precision: Precision = "float32"
    evaluation: Evaluation = Evaluation()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sampler", self.model.sampler_or_default(self.sampler))

    def initial_params(self, batch: Batch) -> Params:
        """Fresh weights, of the trainer's seed."""
        key = random_key(Role.WEIGHTS, self.trainer.seed)
        batch = jax.tree.map(lambda a: jnp.asarray(a[:1]), batch)
        return jax.jit(lambda key: self.model.initial_params(self.network, key, batch))(key)

    def loss(self, prepared: Prepared) -> Loss:
        """The training loss, with the augmentation of the data."""

        def loss(params: Params, key: jax.Array, batch: Batch) -> MeanLoss:
            key_augment, key_loss = jax.random.split(key)
            if prepared.augment is not None:
                batch = augmented(prepared.augment, key_augment, batch)
            with multiplying_in(self.precision):
                return self.model.mean_loss(self.network, params, key_loss, batch)

        return loss

    def train(
        self,
        folder: str | Path,
        resume: bool = False,
        mesh: MeshShape = ALL_ON_DATA,
        profile: bool = False,
        trackers: Sequence[Tracker] = (),
        trust: bool = False,
    ) -> Run:
        """Train into ``folder`` and return the run.

        Args:
            folder: of the run.
            resume: go on with the run in it, from its newest checkpoint, or from the start if it
                was stopped before the first; :data:`galgen.run_folder.FREE` lists the fields that
                may be others then.
            mesh: of all devices of all processes.
            profile: record a few steps into ``folder / "profile"``.
            trackers: that are told what is logged.
            trust: of a run that goes on, build classes of other packages that its encoding names.

        Raises:
            InputError: if ``folder`` already holds a run and ``resume`` is False, or holds one of
                another experiment or other data, or another process trains in it, or the data
                cannot be used; in all processes, if in one of them.
            FloatingPointError: at a loss or weights that are not finite; the message names the step
                and the last checkpoint.
        """
        place = RunFolder(folder, trust)
        with held(place.path):
            started = together(lambda: self._start(place, resume, mesh))
            prepared, devices, held_out = started.prepared, started.devices, started.held_out
            told = place.told(self, prepared.fingerprint, held_out, resume)
            require_agreement("experiment and data", told)
            together(lambda: place.describe(self, prepared, held_out) if is_first() else None)
            state = self.trainer.fit(
                self.loss(prepared),
                started.params,
                prepared.source,
                place.path,
                resume and place.has_checkpoint,
                mesh,
                profile,
                started.evaluator,
                trackers,
            )
            params, step = whole(state.ema, devices), int(state.step)
            together(lambda: self._calibrate(place, prepared, params, step) if is_first() else None)
            return Run(self, prepared.encoding, place.calibrated(params, step), place.path)

    def _calibrate(self, place: RunFolder, prepared: Prepared, params: Params, step: int) -> None:
        """Let the trained model learn of its own draws, where its family does."""
        seed = self.trainer.seed
        learned = self.model.calibration(self.network, params, prepared.source, self.sampler, seed)
        if learned:
            weights = {path: tuple(values.tolist()) for path, values in learned.items()}
            write_json(place.calibration_file, Calibration(step, weights))

    def _start(self, place: RunFolder, resume: bool, mesh: MeshShape) -> _Started:
        """All that can go wrong in one process, before anything is written."""
        require_readable(self)
        devices = mesh.over(jax.devices())
        shard = share_of_rows(devices)
        if not resume:
            place.require_new()
        origin = place.origin(self) if resume else None
        prepared = self.data.prepare(self.trainer.batch_size, self.trainer.seed, shard, origin)
        first = prepared.source.batch(0)
        # What cannot be used raises before anything is written.
        if first.field is not None and not self.model.reads_field:
            raise InputError(
                f"expected a model that reads fields, as Births, got {type(self.model).__name__}; "
                "leave out --data.field, or change the model"
            )
        put_batch(first, devices, self.trainer.accumulate)
        require_readable(prepared.encoding)
        evaluator = self._evaluator(prepared.encoding, shard, place.path, devices)
        held_out = (
            {} if evaluator is None else self.data.held_out_fingerprint(self.evaluation.split)
        )
        if resume and evaluator is not None:
            place.require_held_out(held_out)
        with built_for_data():
            params = self.initial_params(first)
            key = random_key(Role.STEPS, self.trainer.seed)
            jax.eval_shape(self.loss(prepared), params, key, first)
            if self.sampler is not None:
                drawn = (
                    dataclasses.replace(first, mask=None) if self.sampler.has_own_number else first
                )
                jax.eval_shape(lambda *inputs: self._drawn(*inputs).x, params, key, drawn)
        return _Started(devices, prepared, params, evaluator, held_out)

    def _evaluator(
        self, encoding: Encoding[Any], shard: tuple[int, int], folder: Path, devices: Mesh
    ) -> Evaluator | None:
        """The evaluation between steps; None without one."""
        if not self.evaluation.every:
            return None
        if self.sampler is None and self.evaluation.draws:
            raise InputError(
                f"expected evaluations without draws of a {type(self.model).__name__}, which "
                f"infers from data, got {self.evaluation.draws}; leave out --evaluation.draws"
            )
        size, split = self.trainer.batch_size, self.evaluation.split
        source = self.data.held_out_source(encoding, size, split, shard)
        loss = self.loss(Prepared(source, encoding))

        seed = child_seed(Role.EVALUATION_DRAWS, self.trainer.seed)

        def draw(
            params: Params, conditions: Sequence[Condition], fields: Sequence[Field] | None
        ) -> list[Any]:
            run = Run(self, encoding, params, folder)
            return run.sample(conditions, seed, extrapolate=True, fields=fields)

        return self.evaluation.evaluator(
            self.data, source, loss, draw, list(encoding.condition_ranges), devices
        )

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone. Compiled functions cannot be pickled; they are compiled anew."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @functools.cached_property
    def sample_batch(self) -> Callable[..., Samples]:
        """The sampler, compiled once for every shape of a draw, however often it is called.

        Called with weights, a key, a batch, of which only the shapes, the mask and the condition
        matter, and the mesh that it lies on; with ``trajectory=True`` it gives the whole
        trajectory too.
        """

        def sample(params, key, batch, mesh, trajectory=False):
            with use_mesh(mesh):
                return self._drawn(params, key, batch, trajectory)

        return jax.jit(sample, static_argnames=("mesh", "trajectory"))

    def _drawn(
        self, params: Params, key: jax.Array, batch: Batch, trajectory: bool = False
    ) -> Samples:
        """Draws of the shapes, mask and condition of a batch."""
        if self.sampler is None:
            raise InputError(
                "expected a run of a generative model to draw from, got a "
                f"{type(self.model).__name__}, which infers from data; give it catalogues by "
                "galgen infer"
            )
        with multiplying_in(self.precision):
            model = self.model.with_params(self.network, params)
            return self.sampler(
                model if batch.field is None else model.given_field(batch.field),
                key,
                batch.x.shape,
                batch.mask,
                batch.condition,
                trajectory,
            )


@dataclasses.dataclass(frozen=True)
class _Started:
    """The parts of a training before anything is written."""

    devices: Mesh
    prepared: Prepared
    params: Params
    evaluator: Evaluator | None
    held_out: Fingerprint
