"""What every command is."""

from __future__ import annotations

import abc


class Command(abc.ABC):
    """One command, its options as fields."""

    @abc.abstractmethod
    def run(self) -> None:
        """Do it."""
