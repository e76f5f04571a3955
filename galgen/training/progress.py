"""What a user sees of a run while it goes: a bar, with steps and points per second, time left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm


class Progress:
    """A bar of steps."""

    def __init__(self, bar: tqdm) -> None:
        """Count from now on."""
        self._bar = bar
        self._points = 0
        self._clock = time.perf_counter()

    def advance(self, points: int) -> None:
        """One step over so many points."""
        self._points += points
        self._bar.update()

    def show(self, loss: float) -> None:
        """The loss, and the points per second since last shown."""
        now = time.perf_counter()
        rate = self._points / max(now - self._clock, 1e-9)
        self._bar.set_postfix_str(f"loss={loss:.4f}, {tqdm.format_sizeof(rate)}points/s")
        self._points, self._clock = 0, now


@contextmanager
def progress(total: int, done: int, shown: bool) -> Iterator[Progress]:
    """A bar over ``total`` steps, of which some are done, if it is to be shown."""
    with tqdm(total=total, initial=done, desc="train", unit="step", disable=not shown) as bar:
        yield Progress(bar)
