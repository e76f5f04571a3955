"""Checkpoints by Orbax: written beside, renamed when whole, the newest few kept.

The devices wait only until their arrays are copied; threads write the copy while training goes on.
What such a thread finds wrong is raised at the next save, or at the end. A state that is not finite
is never saved, and one whose files changed since is never read (:mod:`galgen.training.checksums`).
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import Sharding

from galgen.errors import InputError
from galgen.publishing import own_folder
from galgen.training.checksums import SummedHandler, SummedRestore, SummedSave, damage
from galgen.training.disk import require_room
from galgen.training.distributed import anyone, everyones, is_first
from galgen.training.state import TrainState
from galgen.training.stopping import is_finite, not_finite

# What Orbax logs as an error it raises too, where it becomes one line.
logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)


class Checkpoints:
    """The checkpoints of one run, as a context manager."""

    def __init__(self, folder: str | Path, keep: int = 2, writes: bool = False) -> None:
        """Open ``folder``.

        Args:
            folder: made when a run writes to it.
            keep: the newest that are kept.
            writes: whether this is the run that writes them; others must not tidy up its folder.
        """
        self.folder = folder = Path(folder)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=writes,
            cleanup_tmp_directories=writes,
            # Two folders may save one step at a time: their barriers need names of their own.
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                barrier_sync_key_prefix=folder.name
            ),
        )
        self._writes = writes
        self._manager: Any = None
        if writes or folder.exists():
            place = own_folder(folder) if writes else folder
            self._manager = ocp.CheckpointManager(
                place.resolve(), options=options, item_handlers=SummedHandler()
            )

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
            FloatingPointError: for a state that is not finite, in all processes.
            InputError: if the disk has no room for it.
        """
        step = int(state.step)
        if step == self.latest:
            return
        if anyone(not is_finite(state)):
            raise not_finite("finite weights", "others", step, self.latest)
        require_room(self.folder, sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
        self._manager.save(step, args=SummedSave(_tree(state)))

    def restore(self, like: TrainState, sharding: Any) -> TrainState:
        """The newest state, with the structure of ``like``.

        A run that writes sets damaged ones aside, in a folder ``damaged``, and goes on from the one
        before: it makes the same steps again. Others are told, for that one has other weights.

        Args:
            like: arrays, or their shapes and types.
            sharding: where to, for all arrays or in a tree like ``like``.

        Raises:
            InputError: if there is none, it is damaged, or it belongs to another network or
                optimiser.
        """
        if not self.steps:
            raise InputError(
                f"expected a checkpoint in {self.folder}, found none; run galgen train first, or "
                "with --resume, if it was stopped before it saved one"
            )
        if isinstance(sharding, Sharding):
            one = sharding
            sharding = jax.tree.map(lambda _: one, like)
        abstract = jax.tree.map(
            lambda a, place: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), like, sharding
        )
        wrong: dict[int, str] = {}
        for step in reversed(self.steps):
            # One process reads all files for all.
            checked = everyones(damage(self.folder / str(step)) or "" if is_first() else "")[0]
            try:
                if checked:
                    raise InputError(checked)
                found = self._manager.restore(step, args=SummedRestore(_tree(abstract)))
            except Exception as error:  # Orbax raises all sorts for what it cannot read
                wrong[step] = (str(error).splitlines() or [type(error).__name__])[0][:200]
                if not self._writes:
                    break
            else:
                self._set_aside(wrong, step)
                return TrainState(**found)
        raise self._unreadable(*next(iter(wrong.items())))

    def _unreadable(self, step: int, why: str) -> InputError:
        before = [other for other in self.steps if other < step and not self._writes]
        away = self.folder / str(step)
        back = f", or move {away} away to take that of step {before[-1]}" if before else ""
        return InputError(
            f"expected the checkpoint of step {step} in {self.folder} to be whole and match this "
            f"experiment, got {why}; copy it anew if files changed, use the experiment it was "
            f"trained with{back}"
        )

    def _set_aside(self, wrong: dict[int, str], step: int) -> None:
        """Put damaged checkpoints where the steps after ``step`` do not meet them."""
        for number, why in wrong.items():
            warnings.warn(
                f"the checkpoint of step {number} in {self.folder} cannot be read ({why}); "
                f"going on from that of step {step}",
                stacklevel=3,
            )
            if self._writes and is_first():
                aside = own_folder(self.folder.parent / "damaged")
                unused = next(n for n in range(10**6) if not (aside / f"{number}.{n}").exists())
                (self.folder / str(number)).rename(aside / f"{number}.{unused}")
        if wrong and self._writes:
            everyones("")  # wait for the first to have moved them
            self._manager.reload()


def _tree(state: TrainState) -> dict[str, Any]:
    """The state by field, without averages that are not kept, as it was before there were any."""
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    return {name: value for name, value in fields.items() if name != "further_ema" or value}
