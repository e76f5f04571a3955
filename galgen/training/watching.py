"""What is measured between the steps of a run, and the checkpoint that was best by it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from galgen.errors import InputError
from galgen.training.checkpoint import Checkpoints
from galgen.training.state import TrainState

BEST = "best"
"""The folder of the best checkpoint, beside that of the newest."""


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is measured, and when.

    Attributes:
        every: steps between measurements; the last step is measured too.
        measure: numbers of a state by name, the same in every process.
        best: the number that is smallest for the checkpoint that is kept as the best.
    """

    every: int
    measure: Callable[[TrainState], Mapping[str, float]]
    best: str


class Measured:
    """Measures when it is due, and keeps the state whose number was smallest.

    Args:
        watch: what is measured; None for nothing.
        best: where the best state is kept.
        value: its number.
    """

    def __init__(self, watch: Watch | None, best: Checkpoints | None, value: float) -> None:
        self._watch, self._best, self._value = watch, best, value

    def due(self, step: int) -> bool:
        """Whether this step is measured, the last one aside."""
        return self._watch is not None and step % self._watch.every == 0

    def measure(self, state: TrainState) -> dict[str, float]:
        """Measure, and keep the state if it is the best so far.

        Raises:
            InputError: if the number that tells the best is not measured, or the disk is full.
        """
        if self._watch is None or self._best is None:
            return {}
        found = dict(self._watch.measure(state))
        if self._watch.best not in found:
            raise InputError(
                f"expected the best checkpoint to be told by a number that is measured, got "
                f"{self._watch.best!r}; choose of {', '.join(sorted(found))}"
            )
        value = found[self._watch.best]
        if math.isfinite(value) and value < self._value:
            self._value = value
            self._best.save(state)
        return found


@contextmanager
def watched(
    folder: Path, watch: Watch | None, before: Sequence[Mapping[str, float]]
) -> Iterator[Measured]:
    """Measure a run in ``folder`` that goes on from the lines ``before`` of its log."""
    if watch is None:
        yield Measured(None, None, math.inf)
        return
    values = [line[watch.best] for line in before if watch.best in line]
    value = min((v for v in values if math.isfinite(v)), default=math.inf)
    with Checkpoints(folder / BEST, keep=1, writes=True) as best:
        yield Measured(watch, best, value)
