"""Checkpoints by Orbax: written beside, renamed when whole, the newest few kept.

The devices wait only until their arrays are copied; threads write the copy while training goes on.
What such a thread finds wrong is raised at the next save, or at the end.
"""

from __future__ import annotations

import dataclasses
import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import Sharding

from galgen.errors import InputError
from galgen.publishing import own_folder
from galgen.training.distributed import is_first
from galgen.training.state import TrainState


class Checkpoints:
    """The checkpoints of one run, as a context manager."""

    def __init__(self, folder: Path, keep: int = 2, writes: bool = False) -> None:
        """Open ``folder``.

        Args:
            folder: made when a run writes to it.
            keep: the newest that are kept.
            writes: whether this is the run that writes them; others must not tidy up its folder.
        """
        self.folder = folder
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=writes,
            cleanup_tmp_directories=writes,
        )
        self._writes = writes
        self._manager: Any = None
        if writes or folder.exists():
            place = own_folder(folder) if writes else folder
            self._manager = ocp.CheckpointManager(place.resolve(), options=options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._manager is None:
            return
        try:
            with _naming_a_full_disk(self.folder):
                self._manager.wait_until_finished()
        finally:
            self._manager.close()

    @property
    def steps(self) -> list[int]:
        """The steps saved, rising."""
        return [] if self._manager is None else sorted(self._manager.all_steps())

    @property
    def latest(self) -> int | None:
        """The newest step saved, or None."""
        return self.steps[-1] if self.steps else None

    def save(self, state: TrainState) -> None:
        """Save under the state's own step; saving a step twice does nothing.

        Raises:
            InputError: if the disk is full, also for the save before.
        """
        step = int(state.step)
        if step != self.latest:
            with _naming_a_full_disk(self.folder):
                self._manager.save(step, args=ocp.args.StandardSave(_tree(state)))

    def restore(self, like: TrainState, sharding: Any) -> TrainState:
        """The newest state that is whole, with the structure of ``like``.

        A run that writes sets damaged ones aside, in a folder ``damaged``, to write these steps
        anew.

        Args:
            like: arrays, or their shapes and types.
            sharding: where to, for all arrays or in a tree like ``like``.

        Raises:
            InputError: if there is none, or it belongs to another network or optimiser.
        """
        if not self.steps:
            raise InputError(
                f"expected a checkpoint in {self.folder}, found none; run galgen train first"
            )
        if isinstance(sharding, Sharding):
            one = sharding
            sharding = jax.tree.map(lambda _: one, like)
        abstract = jax.tree.map(
            lambda a, place: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), like, sharding
        )
        wrong: dict[int, str] = {}
        for step in reversed(self.steps):
            try:
                found = self._manager.restore(step, args=ocp.args.StandardRestore(_tree(abstract)))
            except Exception as error:  # Orbax raises all sorts for what it cannot read
                wrong[step] = (str(error).splitlines() or [type(error).__name__])[0][:200]
            else:
                self._pass_over(wrong, step)
                return TrainState(**found)
        raise InputError(
            f"expected the checkpoint in {self.folder} to be whole and match this experiment, got "
            f"'{next(iter(wrong.values()))}'; use the experiment it was trained with"
        )

    def _pass_over(self, wrong: dict[int, str], step: int) -> None:
        for number, why in wrong.items():
            warnings.warn(
                f"the checkpoint of step {number} in {self.folder} cannot be read ('{why}'); "
                f"going on from that of step {step}",
                stacklevel=3,
            )
            if self._writes and is_first():
                aside = own_folder(self.folder.parent / "damaged")
                unused = next(n for n in range(10**6) if not (aside / f"{number}.{n}").exists())
                (self.folder / str(number)).rename(aside / f"{number}.{unused}")
        if wrong and self._writes:
            self._manager.reload()


def _tree(state: TrainState) -> dict[str, Any]:
    """The state by field, without averages that are not kept, as it was before there were any."""
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    return {name: value for name, value in fields.items() if name != "further_ema" or value}


@contextmanager
def _naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Turn what Orbax makes of a full disk into one clear line."""
    try:
        yield
    except Exception as error:
        if not _tells_of_a_full_disk(error):
            raise
        raise InputError(
            f"expected room on the disk of {folder} for a checkpoint, got none left; free some "
            "and go on with --resume from the one before, or lower --trainer.keep"
        ) from error


def _tells_of_a_full_disk(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
