"""What ends a run early: signals, and numbers that are not finite."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


def require_finite(metrics: Mapping[str, float], step: int) -> None:
    """Raise ``FloatingPointError`` at the first value that is not finite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"expected a finite {name}, got {value} at step {step}; "
                "lower --trainer.learning-rate or look for extreme values in the data"
            )


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that is filled by Ctrl-C or SIGTERM, read between steps; a second one kills."""
    caught: list[int] = []
    previous: dict[int, Any] = {}

    def handle(number: int, frame: object) -> None:
        caught.append(number)
        signal.signal(number, previous[number])

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handle)
    try:
        yield caught
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
