"""Checkpoints by Orbax: written beside, renamed when whole, the newest few kept."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import jax
import orbax.checkpoint as ocp
from jax.sharding import Sharding

from galgen.errors import InputError
from galgen.training.state import TrainState


class Checkpoints:
    """The checkpoints of one run, as a context manager."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        """``folder`` is made when the first checkpoint is written."""
        self.folder = folder
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
        self._manager = ocp.CheckpointManager(folder.resolve(), options=options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._manager.wait_until_finished()
        self._manager.close()

    @property
    def latest(self) -> int | None:
        """The newest step saved, or None."""
        return self._manager.latest_step()

    def save(self, state: TrainState) -> None:
        """Save under the state's own step; saving a step twice does nothing."""
        step = int(state.step)
        if step != self.latest:
            self._manager.save(step, args=ocp.args.StandardSave(state))

    def restore(self, like: TrainState, sharding: Sharding) -> TrainState:
        """The newest state, with the structure of ``like``, placed as ``sharding`` says.

        Raises:
            InputError: if there is none, or it belongs to another network or optimiser.
        """
        if self.latest is None:
            raise InputError(
                f"expected a checkpoint in {self.folder}, found none; run galgen train first"
            )
        abstract = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), like
        )
        try:
            return self._manager.restore(self.latest, args=ocp.args.StandardRestore(abstract))
        except (ValueError, KeyError) as error:
            raise InputError(
                f"expected the checkpoint in {self.folder} to match this experiment, got "
                f"'{str(error).splitlines()[0][:200]}'; use the experiment it was trained with"
            ) from error
