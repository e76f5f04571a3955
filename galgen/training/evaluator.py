"""What is measured between the steps of a run, and the checkpoint that was best by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from galgen.errors import InputError
from galgen.training.checkpoint import Checkpoints
from galgen.training.state import TrainState

BEST = "best"
"""The folder of the best checkpoint, beside that of the newest."""


class Evaluator:
    """Measures a state when it is due, and keeps the one whose number is smallest.

    Args:
        every: steps between measurements; the last step is measured too. 0 for none.
        measure: numbers of a state by name, the same in every process.
        best: the name of the number that is smallest for the checkpoint that is kept.
    """

    def __init__(
        self,
        every: int = 0,
        measure: Callable[[TrainState], Mapping[str, float]] = lambda state: {},
        best: str = "",
    ) -> None:
        self.every, self.numbers, self._best = every, measure, best
        self._kept: Checkpoints | None = None
        self._smallest = math.inf

    @contextmanager
    def keeping_best(self, folder: Path, before: Sequence[Mapping[str, float]]) -> Iterator[None]:
        """Keep the best state in ``folder``, in a run that goes on from these lines of its log."""
        if not self.every:
            yield
            return
        values = [line[self._best] for line in before if self._best in line]
        self._smallest = min((v for v in values if math.isfinite(v)), default=math.inf)
        with Checkpoints(folder / BEST, keep=1, writes=True) as self._kept:
            yield

    def due(self, step: int) -> bool:
        """Whether this step is measured, the last one aside."""
        return self.every > 0 and step % self.every == 0

    def measure(self, state: TrainState) -> dict[str, float]:
        """Measure, and keep the state if it is the best so far.

        Raises:
            InputError: if the number that tells the best is not measured, or the disk is full.
        """
        if self._kept is None:
            return {}
        found = dict(self.numbers(state))
        if self._best not in found:
            raise InputError(
                f"expected the best checkpoint to be told by a number that is measured, got "
                f"{self._best!r}; choose of {', '.join(sorted(found))}"
            )
        value = found[self._best]
        if math.isfinite(value) and value < self._smallest:
            self._smallest = value
            self._kept.save(state)
        return found
