"""Batches of fixed shapes, as a pure function of the seed and the step.

Clouds have different numbers of points, and a compiled step has one shape, so clouds are padded to
a few bucket sizes. The sizes are those that pad least. With counts sorted and s_1 < ... < s_m the
candidate sizes (multiples of 16), the least padding P of the smallest clouds with k sizes of which
the largest is s_j is the exact dynamic programme::

    P_k(j) = min over i < j of  P_{k-1}(i) + sum over counts in (s_i, s_j] of (s_j - count)

Batch number ``step`` depends on nothing but ``(seed, step)``, so a training run resumes by asking
for the next step. Which examples it has is told in :mod:`galgen.data.order`: each as often as any
other. Where sizes meet in one batch, all are padded to the largest of them. A catalogue far larger
than all others has a size of its own, and one batch of an epoch is padded to it; the others stay as
small as they are. What is measured on held-out examples goes through each of them ``once``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from galgen.data.order import Order
from galgen.errors import InputError
from galgen.types import Batch

MULTIPLE = 16
PADDING = 0.15
"""Of all rows, which is little enough."""


def bucket_sizes(
    counts: Sequence[int] | np.ndarray, number: int = 8, enough: float = 0.0
) -> tuple[int, ...]:
    """At most ``number`` padded sizes, multiples of 16, of least total padding; rising.

    Args:
        counts: points of every cloud.
        number: the most sizes.
        enough: no more sizes than it takes to have this fraction of the rows padding, or less.

    Raises:
        InputError: if there are no counts, one is negative, or ``number`` is below one.
    """
    counts = np.asarray(counts, dtype=np.int64)
    if not len(counts) or counts.min() < 0 or number < 1:
        raise InputError(
            f"expected numbers of points of 0 or more and at least one bucket, got {len(counts)} "
            f"counts and {number} buckets; pass catalogues, or raise --data.buckets"
        )
    needed = MULTIPLE * np.maximum(-(-counts // MULTIPLE), 1)
    sizes, bucket = np.unique(needed, return_inverse=True)
    below = np.concatenate([[0], np.cumsum(np.bincount(bucket))])
    points = np.concatenate([[0], np.cumsum(np.bincount(bucket, weights=counts))])
    candidates = len(sizes)

    def waste(j: int) -> np.ndarray:
        """Padding of the clouds in sizes[i:j] when all take size sizes[j - 1], for every i < j."""
        return np.asarray(sizes[j - 1] * (below[j] - below[:j]) - (points[j] - points[:j]))

    best = np.array([np.inf, *(waste(j)[0] for j in range(1, candidates + 1))])
    choices: list[list[int]] = []
    for _ in range(min(number, candidates) - 1):
        if best[-1] <= enough * (best[-1] + points[-1]):
            break
        totals = [best[:j] + waste(j) for j in range(1, candidates + 1)]
        choices.append([0, *(int(np.argmin(total)) for total in totals)])
        best = np.array([np.inf, *(total.min() for total in totals)])
    chosen, j = [int(sizes[-1])], candidates
    for choice in reversed(choices):
        j = choice[j]
        chosen.append(int(sizes[j - 1]))
    return tuple(sorted(chosen))


def pad(
    x: Sequence[Float[np.ndarray, "_ features"]], size: int
) -> tuple[Float[np.ndarray, "batch size features"], Bool[np.ndarray, "batch size"]]:
    """Clouds padded with zeros to ``size`` rows, and the mask of the real rows.

    Raises:
        InputError: if a cloud has more points than ``size``.
    """
    counts = np.array([len(cloud) for cloud in x])
    if len(counts) and counts.max() > size:
        raise InputError(
            f"expected clouds of at most {size} points, got {counts.max()}; choose a larger size"
        )
    mask = np.arange(size) < counts[:, None]
    padded = np.zeros((len(x), size, x[0].shape[-1]), np.float32)
    for row, cloud in zip(padded, x, strict=True):
        row[: len(cloud)] = cloud
    return padded, mask


@runtime_checkable
class Fields(Protocol):
    """One ``(*cells, channels)`` array per example, by number."""

    def __getitem__(self, index: int) -> Float[np.ndarray, "*cells channels"]:
        """One of them, at hand or read now."""
        ...


@runtime_checkable
class Source(Protocol):
    """Batches of training, and each example once."""

    def batch(self, step: int) -> Batch:
        """Batch number ``step``, a pure function of the seed and the step."""
        ...

    def once(self, most: int) -> Iterator[Batch]:
        """Batches in which every example has the weight 1 once; what fills the last one has 0."""
        ...


class _Source:
    """What sources share: the order, the condition and this process's part of every batch."""

    def __init__(
        self,
        order: Order,
        condition: Float[np.ndarray, "examples condition"] | None,
        shard: tuple[int, int],
        fields: Fields | None = None,
    ) -> None:
        self._order, self._condition, self._shard = order, condition, shard
        self._fields = fields

    @property
    def batches_per_epoch(self) -> int:
        """Batches that show every example once, rounded up."""
        return self._order.batches_per_epoch

    def batch(self, step: int) -> Batch:
        """Batch number ``step``, a pure function of the seed and the step."""
        return self._made(self._order.batch(step), None)

    def once(self, most: int) -> Iterator[Batch]:
        """Batches in which every example has the weight 1 once; what fills the last one has 0.

        Args:
            most: batches; of more examples these hold a random choice, the same each time.
        """
        return (self._made(rows, weight) for rows, weight in self._order.once(most))

    def _made(self, rows: np.ndarray, weight: np.ndarray | None) -> Batch:
        part, parts = self._shard

        def mine(array: np.ndarray | None) -> Any:
            return None if array is None else np.split(array, parts)[part]

        real = rows if weight is None else rows[weight > 0]
        x, mask = self._data(real, mine(rows), mine(weight))
        condition = None if self._condition is None else self._condition[mine(rows)]
        field = None
        if self._fields is not None:
            field = np.stack([self._fields[i] for i in mine(rows).tolist()])
        return Batch(x, mask, condition, mine(weight), field)

    def _data(self, real: np.ndarray, mine: np.ndarray, weight: np.ndarray | None) -> Any:
        """Data and mask of rows by their weight, of a batch in which all the real ones are such."""
        raise NotImplementedError


class ArraySource(_Source):
    """Batches of plain arrays, without padding: toys ``(n, 2)``, digits ``(n, 28, 28, 1)``.

    Args:
        x: one row per example.
        condition: one row per example, or None.
        batch_size: examples in every batch.
        seed: of the shuffles.
        shard: which part of every batch is made, of how many equal parts.

    Raises:
        InputError: if there is no example, or the condition has another number of rows.
    """

    padding_fraction = 0.0

    def __init__(
        self,
        x: Float[np.ndarray, "examples *event"],
        condition: Float[np.ndarray, "rows condition"] | None,
        batch_size: int,
        seed: int = 0,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self._x = np.asarray(x, np.float32)
        order = Order(np.zeros(len(self._x), np.int64), batch_size, seed)
        condition = _checked_condition(condition, len(self._x))
        super().__init__(order, condition, _checked_shard(shard, batch_size))

    def _data(self, real: np.ndarray, mine: np.ndarray, weight: np.ndarray | None) -> Any:
        return self._x[mine], None


@runtime_checkable
class Clouds(Protocol):
    """One ``(points, features)`` array per example, by number."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, index: int) -> Float[np.ndarray, "points features"]:
        """One of them, at hand or read now."""
        ...


class BatchSource(_Source):
    """Batches of encoded clouds, each padded to the size of its bucket, or of a larger one.

    Args:
        x: one ``(points, features)`` array per example.
        condition: one row per example, or None.
        batch_size: examples in every batch.
        seed: of the shuffles.
        buckets: the most sizes to pad to; fewer where less than 15% is padding.
        counts: the number of points of every example, where asking ``x`` would read all.
        shard: which part of every batch is made, of how many equal parts: each process of a run on
            several makes its own.
        fields: the field that each comes from, or None.

    Raises:
        InputError: if there is no example, or the condition has another number of rows.
    """

    def __init__(
        self,
        x: Clouds,
        condition: Float[np.ndarray, "rows condition"] | None,
        batch_size: int,
        seed: int = 0,
        buckets: int = 8,
        counts: Int[np.ndarray, " examples"] | None = None,
        shard: tuple[int, int] = (0, 1),
        fields: Fields | None = None,
    ) -> None:
        if counts is None:
            counts = np.array([len(x[i]) for i in range(len(x))], dtype=np.int64)
        self.sizes = bucket_sizes(counts, buckets, PADDING)
        self._x = x
        self._padded = np.array(self.sizes)[np.searchsorted(self.sizes, counts)]
        order = Order(self._padded, batch_size, seed)
        condition = _checked_condition(condition, len(x))
        super().__init__(order, condition, _checked_shard(shard, batch_size), fields)
        self.padding_fraction = float(1 - counts.sum() / self._padded.sum())

    def _data(self, real: np.ndarray, mine: np.ndarray, weight: np.ndarray | None) -> Any:
        clouds = [self._x[i] for i in mine.tolist()]
        if weight is not None:
            # What only fills a batch has no point.
            clouds = [c[: len(c) if w else 0] for c, w in zip(clouds, weight, strict=True)]
        return pad(clouds, int(self._padded[real].max()))


def _checked_condition(condition: np.ndarray | None, examples: int) -> np.ndarray | None:
    if condition is None:
        return None
    condition = np.asarray(condition, np.float32)
    if condition.ndim != 2 or len(condition) != examples:
        raise InputError(
            f"expected a condition of shape ({examples}, parameters), got {condition.shape}; "
            "pass one row per example"
        )
    return condition


def _checked_shard(shard: tuple[int, int], batch_size: int) -> tuple[int, int]:
    part, parts = shard
    if not 0 <= part < parts or batch_size % parts:
        raise InputError(
            f"expected one of equal parts of a batch of {batch_size}, got part {part} of {parts}; "
            "choose a batch size that is a multiple of the number of processes"
        )
    return shard
