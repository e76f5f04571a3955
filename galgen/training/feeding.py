"""Batches on their way to the devices: made ahead by threads, in the order of the steps.

A source gives the batch of a step as a pure function of the step, so that a run goes on in the
middle of an epoch by asking for the next one. Threads of grain make the batches to come while the
devices work, and the next one is on the devices before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from jax.sharding import Mesh

from galgen.training.sharding import put_batch, share_of_rows
from galgen.types import Batch

THREADS = 2
"""That make batches."""
AHEAD = 4
"""Batches that wait in memory."""


@runtime_checkable
class Source(Protocol):
    """Batches as a pure function of the step."""

    def batch(self, step: int) -> Batch:
        """The NumPy batch of a step."""
        ...


class Fed(NamedTuple):
    """A batch on the devices.

    Attributes:
        batch: what the step takes.
        points: real ones, as many in other processes as in this one; examples, where they have
            none.
    """

    batch: Batch
    points: int


def feed(source: Source, start: int, stop: int, mesh: Mesh, pieces: int = 1) -> Iterator[Fed]:
    """The batches of steps ``start`` to ``stop``, on the devices of a mesh.

    Args:
        source: of this process's rows.
        start: the first step.
        stop: the step after the last.
        mesh: the devices of all processes.
        pieces: equal parts that every device goes through in turn.

    Raises:
        InputError: if the batch size is not a multiple of the number of devices.
    """
    # Imported here: it takes seconds, which commands that do not train need not wait.
    import grain

    plan = grain.MapDataset.range(start, stop).map(lambda step: source.batch(int(step)))
    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD)
    waiting: Fed | None = None
    _, parts = share_of_rows(mesh)
    for batch in plan.to_iter_dataset(options):
        points = len(batch.x) if batch.mask is None else int(batch.mask.sum())
        ready, waiting = waiting, Fed(put_batch(batch, mesh, pieces), points * parts)
        if ready is not None:
            yield ready
    if waiting is not None:
        yield waiting
