"""The wiring: data, network, bridge, sampler and trainer in one experiment, and its runs.

A run is a folder::

    experiment.json   the whole configuration, which reads back equal
    encoding.json     standardizer, p(N | condition), trained ranges
    checkpoints/      weights, their average, optimiser (Orbax)
    metrics.jsonl     one line per logged step
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

from galgen import __version__
from galgen.data.dataset import Dataset, Prepared
from galgen.data.encoding import Condition, Draw, Encoding
from galgen.errors import InputError
from galgen.generative import Model, Sampler, SamplingMethod
from galgen.serialization import read_json, write_json
from galgen.training import Checkpoints, Loss, Trainer
from galgen.training.distributed import is_first
from galgen.training.precision import Precision, multiplying_in
from galgen.training.sharding import ALL_ON_DATA, MeshShape, data_mesh, put_batch, replicated
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One tree of the run-time objects themselves; every field can be overridden by name.

    Attributes:
        data: where examples come from.
        network: denoiser, a Flax Linen module called as ``network(x, t, mask, condition)``.
        model: the family: a bridge, or another of :mod:`galgen.generative.model`.
        sampler: how draws are made of it.
        trainer: how the network is trained.
        precision: in which dense layers multiply, in training and in sampling; all else is float32.
    """

    data: Dataset
    network: nn.Module
    model: Model
    sampler: SamplingMethod = Sampler()
    trainer: Trainer = Trainer()
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        self.sampler.check(self.model)

    def initial_params(self, batch: Batch) -> Params:
        """Fresh weights, of the trainer's seed."""
        key = jax.random.key(self.trainer.seed)
        batch = jax.tree.map(lambda a: jnp.asarray(a[:1]), batch)
        return jax.jit(lambda key: self.model.initial_params(self.network, key, batch))(key)

    def loss(self, prepared: Prepared) -> Loss:
        """The training loss, with the augmentation of the data."""

        def loss(params: Params, key: jax.Array, batch: Batch) -> Float[Array, ""]:
            key_augment, key_loss = jax.random.split(key)
            if prepared.augment is not None:
                x = prepared.augment(key_augment, batch.x, batch.mask)
                batch = dataclasses.replace(batch, x=x)
            with multiplying_in(self.precision):
                return self.model.training_loss(self.network, params, key_loss, batch)

        return loss

    def train(
        self,
        folder: Path,
        resume: bool = False,
        mesh: MeshShape = ALL_ON_DATA,
        profile: bool = False,
    ) -> Run:
        """Train into ``folder`` and return the run.

        Args:
            folder: of the run.
            resume: go on with the run in it.
            mesh: of all devices of all processes.
            profile: record a few steps into ``folder / "profile"``.

        Raises:
            InputError: if ``folder`` already holds a run and ``resume`` is False, or holds another
                experiment, or the data cannot be used.
        """
        description = folder / "experiment.json"
        if description.exists() and not resume:
            raise InputError(
                f"expected a new run folder, got {folder}, which holds a run; "
                "add --resume to go on with it, or choose another --run"
            )
        if resume and read_json(description) != self:
            raise InputError(
                f"expected the experiment that {folder} was started with, got another; "
                "leave out the overrides or choose another --run"
            )
        shard = jax.process_index(), jax.process_count()
        prepared = self.data.prepare(self.trainer.batch_size, self.trainer.seed, shard)
        first = prepared.source.batch(0)
        devices = mesh.over(jax.devices())
        put_batch(first, devices, self.trainer.accumulate)  # raises before anything is written
        if is_first():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "encoding.json", prepared.encoding)
            write_json(description, self)
        params = self.initial_params(first)
        loss, source = self.loss(prepared), prepared.source
        state = self.trainer.fit(loss, params, source, folder, resume, mesh, profile)
        whole = jax.jit(lambda ema: ema, out_shardings=replicated(devices))(state.ema)
        return Run(self, prepared.encoding, whole, folder)


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
    def load(cls, folder: Path, ema_decay: float | None = None) -> Run:
        """The run in ``folder``, with the averaged weights of its newest checkpoint.

        Args:
            folder: of the run.
            ema_decay: which average, by its decay; the trainer's ``ema_decay`` if not given.

        Raises:
            InputError: if there is no run or no checkpoint, or it cannot be read.
        """
        experiment: Experiment = read_json(folder / "experiment.json")
        encoding: Encoding[Any] = read_json(folder / "encoding.json")
        condition = [{name: low for name, (low, _) in encoding.condition_ranges.items()}]
        draw = encoding.plan(condition, 1, 0)[0]
        params = experiment.initial_params(_as_batch(draw))
        trainer = experiment.trainer
        if ema_decay is not None and ema_decay not in trainer.decays:
            raise InputError(
                f"expected the decay of an average that {folder} keeps, got {ema_decay}; "
                f"choose of {', '.join(map(str, trainer.decays))}"
            )
        like = jax.eval_shape(trainer.initial_state, params)
        with Checkpoints(folder / "checkpoints") as checkpoints:
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
    ) -> list[Any]:
        """One catalogue (or array) per condition, in order.

        Args:
            conditions: physical values by name; ``[{}] * n`` for an unconditional model.
            seed: of the numbers of points and the base draws.
            batch: examples per call of the sampler, rounded up to a multiple of the devices.
            points: a fixed number of points per catalogue, else drawn from p(N | condition).
            extrapolate: allow conditions outside the trained range.
            progress: show a progress bar.

        Raises:
            InputError: for a condition that is missing or outside the trained range.
        """
        draws = self.plan(conditions, seed, batch, points, extrapolate)
        examples: dict[int, Any] = {}
        with tqdm(total=len(conditions), desc="sample", disable=not progress) as bar:
            for number, drawn in self.draw(draws, seed, range(len(draws))):
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
    ) -> list[Draw]:
        """The calls of the sampler that give one example per condition, of like size together.

        Raises:
            InputError: for no condition, or one that is missing or outside the trained range.
        """
        if not conditions:
            raise InputError("expected at least one catalogue to draw, got none; raise --number")
        devices = jax.local_device_count()
        batch = -(-min(batch, len(conditions)) // devices) * devices
        return self.encoding.plan(conditions, batch, seed, points, extrapolate)

    def draw(
        self, draws: Sequence[Draw], seed: int, numbers: Iterable[int]
    ) -> Iterator[tuple[int, list[Any]]]:
        """Some of the draws of a plan, by number: what each gives does not depend on the others.

        Examples come in the order of ``draws[number].wanted``, as soon as they are drawn.
        """
        mesh = data_mesh()

        @jax.jit
        def flow(params, key, batch):
            model, network = self.experiment.model, self.experiment.network
            with multiplying_in(self.experiment.precision):
                return self.experiment.sampler(
                    model.drawn_from(params),
                    model.bind(network, params),
                    key,
                    batch.x.shape,
                    batch.mask,
                    batch.condition,
                ).x

        for number in numbers:
            key = jax.random.fold_in(jax.random.key(seed), number)
            draw = draws[number]
            x = np.asarray(flow(self.params, key, put_batch(_as_batch(draw), mesh)))
            yield number, self.encoding.decode(draw, x, self._provenance(seed, number))

    def _provenance(self, seed: int, number: int) -> Mapping[str, str]:
        return {
            "source": f"galgen {__version__}",
            "run": self.folder.name,
            "seed": str(seed),
            "draw": str(number),
        }

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights, which tells runs and their checkpoints apart."""
        digest = hashlib.sha256()
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.params):
            digest.update(jax.tree_util.keystr(path).encode() + np.asarray(leaf).tobytes())
        return digest.hexdigest()


def load_config(path: Path) -> Experiment:
    """The ``experiment`` that a configuration file builds.

    Raises:
        InputError: if the file is missing, fails, or builds no experiment.
    """
    if not path.is_file():
        near = sorted(str(p) for p in Path("configs").glob("*.py"))
        raise InputError(f"expected a configuration file, found no {path}; there are {near}")
    spec = importlib.util.spec_from_file_location("galgen_config", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"expected {path} to run, got {type(error).__name__}: {error}") from error
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise InputError(
            f"expected {path} to define experiment = Experiment(...), "
            f"got {type(experiment).__name__}; see configs/demo.py"
        )
    return experiment


def _as_batch(draw: Draw) -> Batch:
    """A batch of zeros with the shape, mask and condition of a draw."""
    return Batch(np.zeros(draw.shape, np.float32), draw.mask, draw.condition)
