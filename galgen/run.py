"""A trained run: the experiment, the encoding of its data and the weights; draws are made of it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import flax.errors
import jax
import numpy as np
from tqdm import tqdm

from galgen import __version__
from galgen.collectives import POINTS
from galgen.data.dataset import Dataset
from galgen.data.encoding import Condition, Draw, Encoding
from galgen.errors import InputError
from galgen.generative import Samples, SamplingMethod
from galgen.inference.trained_run import TrainedExperiment
from galgen.model_file import SUFFIX
from galgen.pretrained import model_file
from galgen.printing import printable
from galgen.public_types import public_class
from galgen.randomness import Role, random_key
from galgen.run_folder import RunFolder
from galgen.training import Trainer
from galgen.training.sharding import ALL_ON_DATA, MeshShape, put_batch, replicated
from galgen.types import Batch, Params


@runtime_checkable
class RunExperiment(TrainedExperiment, Protocol):
    """The parts of :class:`galgen.experiment.Experiment` that a run uses."""

    @property
    def data(self) -> Dataset:
        """Where examples come from."""

    @property
    def sampler(self) -> SamplingMethod | None:
        """How draws are made; None for a model that infers."""

    @property
    def trainer(self) -> Trainer:
        """How the network was trained."""

    @property
    def sample_batch(self) -> Callable[..., Samples]:
        """The sampler, compiled."""

    def initial_params(self, batch: Batch) -> Params:
        """Fresh weights."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model.

    Attributes:
        experiment: what was trained.
        encoding: between its numbers and data.
        params: averaged weights.
        folder: where it was trained, or its model file.
    """

    experiment: RunExperiment
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
        """A trained run, with the averaged weights of its newest checkpoint.

        Args:
            folder: of the run; or a model file, or the name of a trained model
                (:mod:`galgen.pretrained`).
            best: take the checkpoint that its evaluation found best.
            ema_decay: which average, by its decay; the trainer's ``ema_decay`` if not given.
            trust: import the modules of classes that are not galgen's, which the run names: only
                for a run of your own, or of somebody whom you trust.

        Raises:
            InputError: if there is no run or no checkpoint, or it cannot be read.
        """
        source = model_file(folder) or RunFolder(folder)
        experiment: RunExperiment = source.experiment(public_class("Experiment"), trust)
        encoding = source.encoding(trust)
        condition = [{name: low for name, (low, _) in encoding.condition_ranges.items()}]
        draw = encoding.plan(condition, 1, 0, extrapolate=True)[0]
        with built_for_data():
            like = jax.eval_shape(lambda: experiment.initial_params(draw.blank))
        params = source.params(like, experiment.trainer, ema_decay, best)
        return cls(experiment, encoding, params, source.path)

    def sample(
        self,
        conditions: Sequence[Condition],
        seed: int = 0,
        batch: int = 16,
        points: int | None = None,
        extrapolate: bool = False,
        progress: bool = False,
        mesh: MeshShape = ALL_ON_DATA,
        fields: Sequence[Any] | None = None,
    ) -> list[Any]:
        """One catalogue (or array) per condition, in order.

        Args:
            conditions: physical values by name; ``[{}] * n`` for an unconditional model.
            seed: of the numbers of points and the base draws.
            batch: examples per call of the sampler, rounded up to what the mesh divides.
            points: a fixed number of points per catalogue; if not given, the model's own where it
                draws one (:class:`~galgen.generative.Births`), else drawn from p(N | condition).
            extrapolate: allow conditions outside the trained range.
            progress: show a progress bar.
            mesh: of all devices of this process. The same key gives the same numbers on any mesh
                that leaves ``batch`` as it is.
            fields: what each is drawn from, for a model that reads a field: a
                :class:`~galgen.data.Field` for each condition, or its values.

        Raises:
            InputError: for a condition that is missing or outside the trained range, a mesh that
                does not fit the devices or the clouds, or fields that are missing or unlike those
                of training.
        """
        draws = self.plan(conditions, seed, batch, points, extrapolate, mesh, fields)
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
        fields: Sequence[Any] | None = None,
    ) -> list[Draw]:
        """The calls of the sampler that give one example per condition, of like size together.

        Raises:
            InputError: for no condition, or one that is missing or outside the trained range, a
                mesh that does not fit the devices, or fields that are missing or unlike those of
                training.
        """
        if not conditions:
            raise InputError("expected at least one catalogue to draw, got none; raise --number")
        devices = mesh.over(jax.local_devices())
        groups = devices.size // devices.shape[POINTS]
        batch = -(-min(batch, len(conditions)) // groups) * groups
        draws = self.encoding.plan(conditions, batch, seed, points, extrapolate)
        draws = self.encoding.with_fields(draws, fields)
        sampler = self.experiment.sampler
        if points is None and sampler is not None and sampler.has_own_number:
            return [draw.with_room() for draw in draws]
        return draws

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
            drawn = self.experiment.sample_batch(params, key, batch, devices)
            if drawn.mask is not None:
                draw = dataclasses.replace(draw, mask=np.asarray(drawn.mask))
            x, provenance = np.asarray(drawn.x), self._provenance(seed, number)
            yield number, self.encoding.decode(draw, x, provenance)

    @property
    def name(self) -> str:
        """Of its folder or model file."""
        return self.folder.resolve().name.removesuffix(SUFFIX)

    def _provenance(self, seed: int, number: int) -> Mapping[str, str]:
        return {
            "source": f"galgen {__version__}",
            "run": self.name,
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
def built_for_data() -> Iterator[None]:
    """Turn errors of Python, JAX or Flax about a network's fields into an InputError."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError, ArithmeticError, flax.errors.FlaxError) as error:
        raise InputError(
            f"expected a network and a model that fit the data, got {type(error).__name__}: "
            f"{str(error).strip().splitlines()[0]}; change the network or the model"
        ) from error
