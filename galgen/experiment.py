"""The wiring: data, network, bridge, sampler and trainer in one experiment, and its runs.

A run is a folder (:mod:`galgen.run_folder`). Experiment and run share a room, for each is made of
the other: one trains into runs, and a run holds the experiment that it draws with.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float
from tqdm import tqdm

from galgen import __version__
from galgen.checked import checked
from galgen.collectives import POINTS, use_mesh
from galgen.data.dataset import Dataset, Prepared
from galgen.data.encoding import Condition, Draw, Encoding
from galgen.data.fingerprint import Fingerprint
from galgen.errors import InputError
from galgen.evaluation import Evaluation
from galgen.generative import Model, Sampler, Samples, SamplingMethod
from galgen.losses import MeanLoss
from galgen.printing import printable
from galgen.randomness import Role, child_seed, random_key
from galgen.run_folder import RunFolder
from galgen.serialization import read_json, require_readable
from galgen.training import Checkpoints, Loss, Trainer
from galgen.training.distributed import is_first, require_agreement, together
from galgen.training.evaluator import BEST, Evaluator
from galgen.training.exclusive import held
from galgen.training.precision import Precision, multiplying_in
from galgen.training.sharding import (
    ALL_ON_DATA,
    MeshShape,
    data_mesh,
    put_batch,
    replicated,
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
        sampler: how draws are made of it.
        trainer: how the network is trained.
        precision: in which dense layers multiply, in training and in sampling; all else is float32.
        evaluation: what is measured on held-out examples in training.
    """

    data: Dataset
    network: nn.Module
    model: Model
    sampler: SamplingMethod = Sampler()
    trainer: Trainer = Trainer()
    precision: Precision = "float32"
    evaluation: Evaluation = Evaluation()

    def __post_init__(self) -> None:
        self.sampler.check(self.model)

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
                x = prepared.augment(key_augment, batch.x, batch.mask)
                batch = dataclasses.replace(batch, x=x)
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
            return Run(self, prepared.encoding, whole(state.ema, devices), place.path)

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
        put_batch(first, devices, self.trainer.accumulate)
        require_readable(prepared.encoding)
        evaluator = self._evaluator(prepared.encoding, shard, place.path, devices)
        held_out = (
            {} if evaluator is None else self.data.held_out_fingerprint(self.evaluation.split)
        )
        if resume and evaluator is not None:
            place.require_held_out(held_out)
        with _built_for_data():
            params = self.initial_params(first)
            key = random_key(Role.STEPS, self.trainer.seed)
            jax.eval_shape(self.loss(prepared), params, key, first)
            if not self.sampler.refuses:
                jax.eval_shape(lambda *inputs: self._drawn(*inputs).x, params, key, first)
        return _Started(devices, prepared, params, evaluator, held_out)

    def _evaluator(
        self, encoding: Encoding[Any], shard: tuple[int, int], folder: Path, devices: Mesh
    ) -> Evaluator | None:
        """What is measured between steps."""
        if not self.evaluation.every:
            return None
        size, split = self.trainer.batch_size, self.evaluation.split
        source = self.data.held_out_source(encoding, size, split, shard)
        loss = self.loss(Prepared(source, encoding))

        seed = child_seed(Role.EVALUATION_DRAWS, self.trainer.seed)

        def draw(params: Params, conditions: Sequence[Condition]) -> list[Any]:
            run = Run(self, encoding, params, folder)
            return run.sample(conditions, seed, extrapolate=True)

        return self.evaluation.evaluator(
            self.data, source, loss, draw, list(encoding.condition_ranges), devices
        )

    def __getstate__(self) -> dict[str, Any]:
        """Its fields: what was compiled cannot be pickled, and is compiled anew."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @functools.cached_property
    def sample_batch(self) -> Callable[..., Float[Array, "batch *event"]]:
        """The sampler, compiled once for every shape of a draw, however often it is called.

        Called with weights, a key, a batch, of which only the shapes, the mask and the condition
        matter, and the mesh that it lies on; with ``trajectory=True`` it gives the whole
        trajectory.
        """

        def sample(params, key, batch, mesh, trajectory=False):
            with use_mesh(mesh):
                drawn = self._drawn(params, key, batch, trajectory)
            return drawn.trajectory if trajectory else drawn.x

        return jax.jit(sample, static_argnames=("mesh", "trajectory"))

    def _drawn(
        self, params: Params, key: jax.Array, batch: Batch, trajectory: bool = False
    ) -> Samples:
        """Draws of the shapes, mask and condition of a batch."""
        with multiplying_in(self.precision):
            return self.sampler(
                self.model.drawn_from(params),
                self.model.bind(self.network, params),
                key,
                batch.x.shape,
                batch.mask,
                batch.condition,
                trajectory,
            )


@dataclasses.dataclass(frozen=True)
class _Started:
    """What is ready when nothing has been written yet."""

    devices: Mesh
    prepared: Prepared
    params: Params
    evaluator: Evaluator | None
    held_out: Fingerprint


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model.

    Attributes:
        experiment: what was trained.
        encoding: between its numbers and data.
        params: averaged weights.
        folder: where it was trained.
    """

    experiment: Experiment
    encoding: Encoding[Any]
    params: Params
    folder: Path

    @classmethod
    def load(
        cls,
        folder: str | Path,
        ema_decay: float | None = None,
        best: bool = False,
        trust: bool = False,
    ) -> Run:
        """The run in ``folder``, with the averaged weights of its newest checkpoint.

        Args:
            folder: of the run.
            best: take the checkpoint that its evaluation found best.
            ema_decay: which average, by its decay; the trainer's ``ema_decay`` if not given.
            trust: import the modules of classes that are not galgen's, which the run names: only
                for a run of your own, or of somebody whom you trust.

        Raises:
            InputError: if there is no run or no checkpoint, or it cannot be read.
        """
        place = RunFolder(folder)
        folder = place.path
        experiment: Experiment = read_json(place.description, Experiment, trust)
        place.require_encoding()
        encoding: Encoding[Any] = read_json(place.encoding, Encoding, trust)
        condition = [{name: low for name, (low, _) in encoding.condition_ranges.items()}]
        draw = encoding.plan(condition, 1, 0)[0]
        with _built_for_data():
            params = jax.eval_shape(lambda: experiment.initial_params(draw.blank))
        trainer = experiment.trainer
        if ema_decay is not None and ema_decay not in trainer.decays:
            raise InputError(
                f"expected the decay of an average that {folder} keeps, got {ema_decay}; "
                f"choose of {', '.join(map(str, trainer.decays))}"
            )
        if best and not (folder / BEST).is_dir():
            raise InputError(
                f"expected the best checkpoint in {folder / BEST}, got none; leave out best, or "
                "train with --evaluation.every"
            )
        like = jax.eval_shape(trainer.initial_state, params)
        with Checkpoints(folder / (BEST if best else "checkpoints")) as checkpoints:
            state = checkpoints.restore(like, replicated(data_mesh()))
        averages = dict(zip(trainer.decays, (state.ema, *state.further_ema), strict=True))
        return cls(
            experiment,
            encoding,
            averages[trainer.ema_decay if ema_decay is None else ema_decay],
            folder,
        )

    def sample(
        self,
        conditions: Sequence[Condition],
        seed: int = 0,
        batch: int = 16,
        points: int | None = None,
        extrapolate: bool = False,
        progress: bool = False,
        mesh: MeshShape = ALL_ON_DATA,
    ) -> list[Any]:
        """One catalogue (or array) per condition, in order.

        Args:
            conditions: physical values by name; ``[{}] * n`` for an unconditional model.
            seed: of the numbers of points and the base draws.
            batch: examples per call of the sampler, rounded up to what the mesh divides.
            points: a fixed number of points per catalogue, else drawn from p(N | condition).
            extrapolate: allow conditions outside the trained range.
            progress: show a progress bar.
            mesh: of all devices of this process. The same key gives the same numbers on any mesh
                that leaves ``batch`` as it is.

        Raises:
            InputError: for a condition that is missing or outside the trained range, or a mesh that
                does not fit the devices or the clouds.
        """
        draws = self.plan(conditions, seed, batch, points, extrapolate, mesh)
        examples: dict[int, Any] = {}
        with tqdm(total=len(conditions), desc="sample", disable=not progress) as bar:
            for number, drawn in self.draw(draws, seed, range(len(draws)), mesh):
                examples |= dict(zip(draws[number].wanted, drawn, strict=True))
                bar.update(len(drawn))
        return [examples[row] for row in range(len(conditions))]

    def plan(
        self,
        conditions: Sequence[Condition],
        seed: int = 0,
        batch: int = 16,
        points: int | None = None,
        extrapolate: bool = False,
        mesh: MeshShape = ALL_ON_DATA,
    ) -> list[Draw]:
        """The calls of the sampler that give one example per condition, of like size together.

        Raises:
            InputError: for no condition, or one that is missing or outside the trained range, or a
                mesh that does not fit the devices.
        """
        if not conditions:
            raise InputError("expected at least one catalogue to draw, got none; raise --number")
        devices = mesh.over(jax.local_devices())
        groups = devices.size // devices.shape[POINTS]
        batch = -(-min(batch, len(conditions)) // groups) * groups
        return self.encoding.plan(conditions, batch, seed, points, extrapolate)

    def draw(
        self,
        draws: Sequence[Draw],
        seed: int,
        numbers: Iterable[int],
        mesh: MeshShape = ALL_ON_DATA,
    ) -> Iterator[tuple[int, list[Any]]]:
        """Some of the draws of a plan, by number: what each gives does not depend on the others.

        Examples come in the order of ``draws[number].wanted``, as soon as they are drawn.
        """
        devices = mesh.over(jax.local_devices())
        params = jax.device_put(self.params, replicated(devices))
        for number in numbers:
            key = random_key(Role.DRAWS, seed, number)
            draw = draws[number]
            batch = put_batch(draw.blank, devices)
            x = np.asarray(self.experiment.sample_batch(params, key, batch, devices))
            yield number, self.encoding.decode(draw, x, self._provenance(seed, number))

    def _provenance(self, seed: int, number: int) -> Mapping[str, str]:
        return {
            "source": f"galgen {__version__}",
            "run": self.folder.name,
            "seed": str(seed),
            "draw": str(number),
        }

    def __repr__(self) -> str:
        parts = self.experiment.model, self.experiment.network
        kinds = " with ".join(type(part).__name__ for part in parts)
        weights = sum(leaf.size for leaf in jax.tree.leaves(self.params))
        ranges = [f"{n} {a:.4g} to {b:.4g}" for n, (a, b) in self.encoding.condition_ranges.items()]
        trained = f"trained over {', '.join(ranges)}" if ranges else "without condition"
        return printable(
            f"Run({str(self.folder)!r}: {kinds}, {weights} weights; {self.encoding}; {trained})"
        )

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights, which tells runs and their checkpoints apart."""
        digest = hashlib.sha256()
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.params):
            digest.update(jax.tree_util.keystr(path).encode() + np.asarray(leaf).tobytes())
        return digest.hexdigest()


@contextlib.contextmanager
def _built_for_data() -> Iterator[None]:
    """What Python, JAX or Flax raise of a network's fields is an error in the configuration."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError, ArithmeticError, flax.errors.FlaxError) as error:
        raise InputError(
            f"expected a network and a model that fit the data, got {type(error).__name__}: "
            f"{str(error).strip().splitlines()[0]}; change the network or the model"
        ) from error
