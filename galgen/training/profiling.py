"""A record of a few steps by ``jax.profiler``, for TensorBoard's or XProf's trace viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from galgen.publishing import own_folder

FIRST, LAST = 3, 8
"""Steps of this start of a run that are recorded, after those that compile."""


class Profile:
    """Records steps ``FIRST`` to ``LAST`` after the start of a run."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        """``folder`` is made when the recording starts."""
        self._folder = folder
        self._step = 0 if wanted else LAST + 1
        self._running = False

    def step(self, result: Any) -> None:
        """Tell of one more step, with what it made."""
        self._step += 1
        if self._step == FIRST:
            jax.block_until_ready(result)
            jax.profiler.start_trace(str(own_folder(self._folder)))
            self._running = True
        elif self._step == LAST:
            jax.block_until_ready(result)
            self.close()

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what was recorded; of a run of few steps, what there is."""
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
