"""The parts of a run that inference uses; :class:`galgen.run.Run` has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from galgen.data.encoding import Encoding
from galgen.training.precision import Precision
from galgen.types import Params


@runtime_checkable
class TrainedExperiment(Protocol):
    """The parts of an experiment that inference uses."""

    @property
    def network(self) -> Any:
        """The network."""

    @property
    def model(self) -> Any:
        """The family."""

    @property
    def precision(self) -> Precision:
        """The precision in which dense layers multiply."""


@runtime_checkable
class TrainedRun(Protocol):
    """The parts of a trained run that inference uses."""

    @property
    def experiment(self) -> TrainedExperiment:
        """The experiment that was trained."""

    @property
    def encoding(self) -> Encoding[Any]:
        """Between its numbers and data."""

    @property
    def params(self) -> Params:
        """Averaged weights."""

    def sample(
        self, conditions: Sequence[Any], seed: int = 0, *, extrapolate: bool = False
    ) -> list[Any]:
        """One catalogue per condition."""
