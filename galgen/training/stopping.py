"""What ends a run early: signals, and numbers that are not finite."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np


def require_finite(metrics: Mapping[str, float], step: int, saved: int | None = None) -> None:
    """Raise ``FloatingPointError`` at the first value that is not finite.

    Args:
        metrics: by name.
        step: that they are of.
        saved: the step of the last checkpoint.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise not_finite(f"a finite {name}", str(value), step, saved)


def not_finite(name: str, value: str, step: int, saved: int | None) -> FloatingPointError:
    """The error that names the step, and the last checkpoint, which was finite."""
    sound = "no checkpoint was" if saved is None else f"the checkpoint of step {saved} was"
    return FloatingPointError(
        f"expected {name}, got {value} at step {step}; lower --trainer.learning-rate in "
        f"another --run or look for extreme values in the data ({sound} saved before it)"
    )


def is_finite(tree: Any) -> bool:
    """Whether every number of a tree of arrays is finite, of the parts that this process holds.

    On the host, one array at a time: a reduction of every array compiles for seconds, and a
    checkpoint goes through the host anyway.
    """
    parts = (
        shard.data
        for leaf in jax.tree.leaves(tree)
        for shard in leaf.addressable_shards
        if shard.replica_id == 0
    )
    return all(bool(np.all(np.isfinite(jax.device_get(part)))) for part in parts)


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
