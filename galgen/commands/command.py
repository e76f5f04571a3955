"""What every command is."""

from __future__ import annotations

import abc

COMMANDS = (
    *("simulate", "train", "sample", "validate", "infer"),
    *("mock", "export", "inspect", "demo"),
    *("models", "model-card", "scorecards", "package", "completion"),
)
"""All of them."""


def class_name(command: str) -> str:
    """The name of the class of a command: ``model-card`` is ``ModelCard``."""
    return command.title().replace("-", "")


class Command(abc.ABC):
    """One command, its options as fields."""

    @abc.abstractmethod
    def run(self) -> None:
        """Do it."""
