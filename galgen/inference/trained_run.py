"""What inference asks of a run, which :class:`galgen.run.Run` gives."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from galgen.data.encoding import Encoding
from galgen.training.precision import Precision
from galgen.types import Params


@runtime_checkable
class TrainedExperiment(Protocol):
    """What was trained, as far as inference asks."""

    @property
    def network(self) -> Any:
        """What maps states to outputs."""

    @property
    def model(self) -> Any:
        """The family."""

    @property
    def precision(self) -> Precision:
        """In which dense layers multiply."""


@runtime_checkable
class TrainedRun(Protocol):
    """A trained run, as far as inference asks."""

    @property
    def experiment(self) -> TrainedExperiment:
        """What was trained."""

    @property
    def encoding(self) -> Encoding[Any]:
        """Between its numbers and data."""

    @property
    def params(self) -> Params:
        """Averaged weights."""
