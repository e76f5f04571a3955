"""What every command is."""

from __future__ import annotations

import abc

COMMANDS = (
    *("simulate", "train", "sample", "validate", "infer"),
    *("mock", "export", "inspect", "demo", "completion"),
)
"""All of them; the class of each has its name."""


class Command(abc.ABC):
    """One command, its options as fields."""

    @abc.abstractmethod
    def run(self) -> None:
        """Do it."""
