"""The folder of a run: what it was made of, and what may change when it goes on.

    experiment.json    the whole configuration
    encoding.json      standardizer, p(N | condition), trained ranges
    fingerprints.json  SHA-256 of the training data by part, of the held-out ones, of encoding.json
    checkpoints/       weights, their average, optimiser (Orbax)
    calibration.json   weights that a model learned of its own draws after the last step
    best/              the same, where its evaluation was best
    metrics.jsonl      one line per logged step
    lock               there while a process trains, and locked (flock) as long as it lives

What was derived of the data is restored when a run goes on, never derived again. experiment.json is
written last: a folder without it holds no run.
"""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax

from galgen.checked import Count, checked
from galgen.data.dataset import Prepared
from galgen.data.encoding import Encoding
from galgen.data.fingerprint import Fingerprint, Origin
from galgen.errors import InputError
from galgen.generative.models.model import with_weights
from galgen.randomness import STREAMS
from galgen.reading import regular_file
from galgen.serialization import Trusted, foreign_names, read_json, to_json, write_json
from galgen.training import Checkpoints, Trainer
from galgen.training.checksums import sha256_of
from galgen.training.distributed import everyones
from galgen.training.evaluator import BEST
from galgen.training.sharding import data_mesh, replicated
from galgen.types import Params

FREE = (
    "data.path",
    "data.memory",
    "sampler",
    "trainer.steps",
    "trainer.log_every",
    "trainer.checkpoint_every",
    "trainer.keep",
    "trainer.rematerialize",
    "evaluation",
)
"""Fields of an experiment that may change when a run goes on: none of them changes which numbers
the steps that are left are made of, but for the learning rate of a longer run. The data are told by
their fingerprint, steps only grow, and what ``best/`` was chosen by stays."""
LOCAL = ("data.path", "data.memory")
"""Fields that may differ between the processes of a run."""
CHECKPOINTS = "checkpoints"


@dataclasses.dataclass(frozen=True)
@checked
class Fingerprints:
    """What a run was made of.

    Attributes:
        encoding: SHA-256 of encoding.json.
        training: fingerprint of the training data.
        held_out: of the data by which ``best/`` is chosen.
        streams: which way seeds became random numbers.
    """

    encoding: str
    training: Mapping[str, str]
    held_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    streams: int = STREAMS


@dataclasses.dataclass(frozen=True)
@checked
class Calibration:
    """Weights that a trained model learned of its own draws.

    Attributes:
        step: of the checkpoint that was drawn from.
        weights: flat, by their path in the weights.
    """

    step: Count
    weights: Mapping[str, tuple[float, ...]]

    def of(self, params: Params) -> Params:
        """Averaged weights with these in their places.

        Raises:
            InputError: if there are no such places.
        """
        sizes = {
            jax.tree_util.keystr(path, simple=True, separator="/"): math.prod(leaf.shape)
            for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        }
        other = [n for n, values in self.weights.items() if sizes.get(n) != len(values)]
        if other:
            raise InputError(
                f"expected a calibration of the weights of this network, got one of {other[0]!r}; "
                "remove calibration.json, and resume the run to make it again"
            )
        return with_weights(params, self.weights)


class RunFolder:
    """The files of a run.

    Args:
        path: of the folder.
        trust: build classes that are not galgen's, which its files name.
    """

    def __init__(self, path: str | Path, trust: bool = False) -> None:
        self.path, self._trust = Path(path), trust
        self.description = self.path / "experiment.json"
        self.encoding_file = self.path / "encoding.json"
        self.fingerprints = self.path / "fingerprints.json"
        self.calibration_file = self.path / "calibration.json"

    @property
    def outputs(self) -> Path:
        """The folder that commands write to where no other is named."""
        return self.path

    def experiment(self, kind: type, trust: Trusted = ()) -> Any:
        """The experiment, which is to be of a kind."""
        return read_json(self.description, kind, trust)

    def encoding(self, trust: Trusted = ()) -> Encoding[Any]:
        """Between the numbers of the model and data."""
        self.require_encoding()
        encoding: Encoding[Any] = read_json(self.encoding_file, Encoding, trust)
        return encoding

    def params(
        self, like: Params, trainer: Trainer, ema_decay: float | None = None, best: bool = False
    ) -> Params:
        """Averaged weights of the newest checkpoint.

        Args:
            like: a tree of arrays or their shapes, as the network makes it.
            trainer: of the experiment.
            ema_decay: which average, by its decay; the trainer's ``ema_decay`` if not given.
            best: take the checkpoint that its evaluation found best.

        Raises:
            InputError: if there is no such checkpoint or average, or it cannot be read.
        """
        if ema_decay is not None and ema_decay not in trainer.decays:
            raise InputError(
                f"expected the decay of an average that {self.path} keeps, got {ema_decay}; "
                f"choose of {', '.join(map(str, trainer.decays))}"
            )
        if best and not (self.path / BEST).is_dir():
            raise InputError(
                f"expected the best checkpoint in {self.path / BEST}, got none; leave out best, or "
                "train with --evaluation.every"
            )
        state = jax.eval_shape(trainer.initial_state, like)
        with Checkpoints(self.path / (BEST if best else CHECKPOINTS)) as checkpoints:
            state = checkpoints.restore(state, replicated(data_mesh()))
        averages = dict(zip(trainer.decays, (state.ema, *state.further_ema), strict=True))
        params = averages[trainer.ema_decay if ema_decay is None else ema_decay]
        if best or ema_decay not in (None, trainer.ema_decay):
            return params
        return self.calibrated(params, int(state.step))

    def calibrated(self, params: Params, step: int) -> Params:
        """Weights of a step with what was learned of draws of theirs, where something was."""
        if not self.calibration_file.exists():
            return params
        calibration: Calibration = read_json(self.calibration_file, Calibration)
        return calibration.of(params) if calibration.step == step else params

    @property
    def has_checkpoint(self) -> bool:
        """Whether a whole checkpoint is there, as the first process sees it."""
        steps = (self.path / CHECKPOINTS).glob("[0-9]*")
        return bool(everyones("yes" if any(step.name.isdigit() for step in steps) else "")[0])

    def require_new(self) -> None:
        """Refuse, with an InputError, a folder that holds a run, or a part of one."""
        if self.description.exists():
            raise InputError(
                f"expected a new run folder, got {self.path}, which holds a run; "
                "add --resume to go on with it, or choose another --run"
            )
        for name in (CHECKPOINTS, BEST):
            if (self.path / name).is_dir() and any((self.path / name).iterdir()):
                raise InputError(
                    f"expected a new run folder, got {self.path} with {name} of a run but no "
                    f"{self.description.name}; choose another --run"
                )

    def origin(self, experiment: Any) -> Origin:
        """What the run was made of, if it can go on with this experiment.

        Raises:
            InputError: if there is no run, it was started with another experiment or by a version
                with other random numbers, or its encoding was changed.
        """
        if not self.description.exists():
            raise InputError(
                f"expected a run in {self.path} to go on with, found none; leave out --resume"
            )
        given = to_json(experiment)
        # Classes of the experiment at hand are here already.
        trusted = self._trust or foreign_names(given)
        self._require_same(to_json(read_json(self.description, type(experiment), trusted)), given)
        kept = self._kept()
        if kept is None:
            warnings.warn(
                f"{self.path} is of a version of galgen that kept no fingerprint: whether the "
                "training data are still the same cannot be told",
                stacklevel=5,
            )
        elif kept.streams != STREAMS:
            raise InputError(
                f"expected a run of the random streams {STREAMS} of this version, got {self.path} "
                f"of {kept.streams}; go on with the version of galgen that started it"
            )
        encoding = self.encoding(self._trust)
        return Origin(encoding, {} if kept is None else kept.training)

    def require_held_out(self, given: Fingerprint) -> None:
        """Refuse, with an InputError, other held-out data than ``best/`` was chosen by."""
        kept = self._kept()
        other = [] if kept is None else [n for n, v in kept.held_out.items() if given.get(n) != v]
        if other and (self.path / BEST).exists():
            raise InputError(
                f"expected the held-out data that {self.path / BEST} was chosen by, got other "
                f"{', '.join(other)}; name those data, wherever they lie now, by --data.path, or "
                "add --evaluation.every 0"
            )

    def _require_same(self, started: Any, given: Any) -> None:
        before, now = flat(started), flat(given)
        other = sorted(
            name
            for name in before.keys() | now.keys()
            if before.get(name) != now.get(name) and not self._may_change(name, before)
        )
        if other:
            name, more = other[0], f" and {len(other) - 1} more" if len(other) > 1 else ""
            raise InputError(
                f"expected the experiment that {self.path} was started with, got {name} "
                f"{_short(now, name)} where it has {_short(before, name)}{more}; leave out the "
                "overrides or choose another --run"
            )
        steps = "trainer.steps"
        if now[steps] < before[steps]:
            raise InputError(
                f"expected {steps} of at least the {before[steps]} that {self.path} was started "
                f"with, got {now[steps]}; leave it out"
            )

    def _may_change(self, name: str, before: Mapping[str, Any]) -> bool:
        free = any(name == field or name.startswith(f"{field}.") for field in FREE)
        if free and (self.path / BEST).exists() and name != "evaluation.every":
            chosen = ("evaluation", "sampler") if before["evaluation.draws"] else ("evaluation",)
            return name.split(".")[0] not in chosen
        return free

    def require_encoding(self) -> None:
        """Refuse, with an InputError, an encoding.json that is not as it was written."""
        kept = self._kept()
        if (
            kept is not None
            and self.encoding_file.exists()
            and sha256_of(regular_file(self.encoding_file)) != kept.encoding
        ):
            raise InputError(
                f"expected {self.encoding_file} as it was written when the run was started, got "
                "other bytes, by which all draws would change; copy it anew"
            )

    def _kept(self) -> Fingerprints | None:
        """What the run knows of itself; None in one of before there were fingerprints."""
        return read_json(self.fingerprints, Fingerprints) if self.fingerprints.exists() else None

    def told(
        self, experiment: Any, training: Fingerprint, held_out: Fingerprint, resume: bool
    ) -> str:
        """In what all processes of a run must agree; their data may lie at other paths."""
        fields = flat(to_json(experiment))
        named = {name: value for name, value in fields.items() if name not in LOCAL}
        return json.dumps([named, dict(training), dict(held_out), resume], sort_keys=True)

    def describe(self, experiment: Any, prepared: Prepared, held_out: Fingerprint) -> None:
        """Write what the run is made of; of one that goes on, only what may change."""
        known = self._kept() if self.description.exists() else None
        if not self.description.exists():
            write_json(self.encoding_file, prepared.encoding)
        training = prepared.fingerprint if known is None else known.training
        if known is not None and not held_out:
            held_out = known.held_out
        found = Fingerprints(sha256_of(regular_file(self.encoding_file)), training, held_out)
        write_json(self.fingerprints, found)
        write_json(self.description, experiment)


def flat(tree: Any, name: str = "") -> dict[str, Any]:
    """The plain values of a tree of JSON by dotted name; a path is one of them."""
    if isinstance(tree, dict) and tree.get("type") != "path":
        parts: Iterable[tuple[str, Any]] = tree.items()
    elif isinstance(tree, list) and any(isinstance(item, dict | list) for item in tree):
        parts = ((str(i), item) for i, item in enumerate(tree))
    else:
        return {name: tree["value"] if isinstance(tree, dict) else tree}
    return {k: v for key, part in parts for k, v in flat(part, f"{name}.{key}".strip(".")).items()}


def _short(values: Mapping[str, Any], name: str) -> str:
    text = repr(values[name]) if name in values else "nothing"
    return text if len(text) < 100 else f"{text[:100]}..."
