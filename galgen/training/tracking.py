"""Metrics of a run: one JSON object a line in ``metrics.jsonl``, and what else follows a run."""

from __future__ import annotations

import functools
import importlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from galgen.errors import InputError
from galgen.publishing import append_text, own_folder, publish_text


@runtime_checkable
class Tracker(Protocol):
    """What follows a run besides its log."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """The numbers of a step, by name."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Journal:
    """Writes down the numbers of a run, in one process for all.

    Args:
        path: of the log.
        start: the step the run goes on from; lines of later steps are dropped.
        writes: whether this process writes.
        trackers: that follow the run too.
    """

    def __init__(
        self, path: Path, start: int, writes: bool, trackers: Sequence[Tracker] = ()
    ) -> None:
        self.path, self._writes, self._trackers = path, writes, trackers
        self._clock = time.perf_counter()
        self.before = [line for line in read_metrics(path) if line["step"] <= start]
        if writes:
            publish_text(path, "".join(json.dumps(line) + "\n" for line in self.before))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One line, with the seconds since the start."""
        if not self._writes:
            return
        seconds = round(time.perf_counter() - self._clock, 3)
        append_text(self.path, json.dumps({"step": step, "seconds": seconds, **values}) + "\n")
        for tracker in self._trackers:
            tracker.write(step, values)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Everything logged; what is no line of a log, such as one cut short by a kill, is left out."""
    if not path.is_file():
        return []
    found = (_numbers(text) for text in path.read_text("utf-8", errors="replace").splitlines())
    return [line for line in found if "step" in line]


def _numbers(text: str) -> dict[str, float]:
    """The numbers of a line by name; nothing if it is no object of JSON."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    numbers = line.items() if isinstance(line, dict) else ()
    return {name: value for name, value in numbers if type(value) in (int, float)}


class TensorBoard:
    """Writes events that TensorBoard shows.

    Args:
        folder: of the events.

    Raises:
        InputError: if tensorboardX is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._library = folder, _imported("tensorboardX")

    @functools.cached_property
    def _writer(self) -> Any:
        """Opened by the first number: before it, a run may still be refused."""
        return self._library.SummaryWriter(str(own_folder(self._folder)))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """A point of every curve."""
        for name, value in values.items():
            self._writer.add_scalar(name.replace(".", "/"), value, step)

    def close(self) -> None:
        """Write what waits."""
        if "_writer" in vars(self):
            self._writer.close()


class WeightsAndBiases:
    """Sends metrics to Weights & Biases; where to and how, its own environment variables say.

    Args:
        project: its name there.
        folder: of the run, whose name the run has there.
        configuration: what the run was started with.

    Raises:
        InputError: if wandb is not installed.
    """

    def __init__(self, project: str, folder: Path, configuration: Mapping[str, Any]) -> None:
        self._place = folder / "wandb"
        self._options = {
            "project": project,
            "name": folder.name,
            "dir": str(folder),
            "config": dict(configuration),
        }
        self._library = _imported("wandb")

    @functools.cached_property
    def _run(self) -> Any:
        """Begun by the first number: before it, a run may still be refused."""
        own_folder(self._place, links=True)  # it makes some itself
        return self._library.init(**self._options)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """A point of every curve."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Say that the run has ended."""
        if "_run" in vars(self):
            self._run.finish()


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"expected {module}, got none installed; pip install 'galgen[tracking]'"
        ) from error
