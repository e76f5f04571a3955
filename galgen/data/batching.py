"""Batches of fixed shapes, as a pure function of the seed and the step.

Clouds have different numbers of points, and a compiled step has one shape, so clouds are padded to
a few bucket sizes. The sizes are those that pad least. With counts sorted and s_1 < ... < s_m the
candidate sizes (multiples of 16), the least padding P of the smallest clouds with k sizes of which
the largest is s_j is the exact dynamic programme::

    P_k(j) = min over i < j of  P_{k-1}(i) + sum over counts in (s_i, s_j] of (s_j - count)

Batch number ``step`` depends on nothing but ``(seed, step)``, so a training run resumes by asking
for the next step. Each epoch shuffles the examples, cuts each bucket into full batches (the last
one is filled from the start of that bucket's order, so an example is seen at least once), and
shuffles the batches.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from galgen.errors import InputError
from galgen.randomness import Role, random_generator
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
        InputError: if there are no counts, one is below one, or ``number`` is.
    """
    counts = np.asarray(counts, dtype=np.int64)
    if not len(counts) or counts.min() < 1 or number < 1:
        raise InputError(
            f"expected counts of at least one point and at least one bucket, got {len(counts)} "
            f"counts and {number} buckets; drop empty catalogues"
        )
    sizes, bucket = np.unique(-(-counts // MULTIPLE) * MULTIPLE, return_inverse=True)
    below = np.concatenate([[0], np.cumsum(np.bincount(bucket))])
    points = np.concatenate([[0], np.cumsum(np.bincount(bucket, weights=counts))])
    candidates = len(sizes)
    # waste[i, j]: padding of the clouds in sizes[i:j] when all take size sizes[j - 1]
    waste = np.full((candidates + 1, candidates + 1), np.inf)
    for j in range(1, candidates + 1):
        waste[:j, j] = sizes[j - 1] * (below[j] - below[:j]) - (points[j] - points[:j])
    best = waste[0]
    choices: list[np.ndarray] = []
    for _ in range(min(number, candidates) - 1):
        if best[-1] <= enough * (best[-1] + points[-1]):
            break
        total = best[:, None] + waste
        choices.append(np.argmin(total, axis=0))
        best = np.min(total, axis=0)
    chosen, j = [int(sizes[-1])], candidates
    for choice in reversed(choices):
        j = int(choice[j])
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


class ArraySource:
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
        self._shard = _checked_shard(shard, batch_size)
        self._condition = _checked_condition(condition, len(self._x))
        self._order = _EpochOrder([np.arange(len(self._x))], batch_size, seed)

    @property
    def batches_per_epoch(self) -> int:
        """Batches that show every example once."""
        return self._order.batches_per_epoch

    def batch(self, step: int) -> Batch:
        """Batch number ``step``, a pure function of the seed and the step."""
        _, rows = self._order.batch(step)
        part, parts = self._shard
        rows = np.split(rows, parts)[part]
        return _batch(self._x[rows], None, _rows(self._condition, rows))


@runtime_checkable
class Clouds(Protocol):
    """One ``(points, features)`` array per example, by number."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, index: int) -> Float[np.ndarray, "points features"]:
        """One of them, at hand or read now."""
        ...


class BatchSource:
    """Batches of encoded clouds, each padded to the size of its bucket.

    Args:
        x: one ``(points, features)`` array per example.
        condition: one row per example, or None.
        batch_size: examples in every batch.
        seed: of the shuffles.
        buckets: the most sizes to pad to; fewer where less than 15% is padding.
        counts: the number of points of every example, where asking ``x`` would read all.
        shard: which part of every batch is made, of how many equal parts: each process of a run on
            several makes its own.

    Raises:
        InputError: if there is no example, one is empty, or the condition has another number of
            rows.
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
    ) -> None:
        if counts is None:
            counts = np.array([len(x[i]) for i in range(len(x))], dtype=np.int64)
        self.sizes = bucket_sizes(counts, buckets, PADDING)
        self._x = x
        self._condition = _checked_condition(condition, len(x))
        self._shard = _checked_shard(shard, batch_size)
        bucket = np.searchsorted(self.sizes, counts)
        members = [np.flatnonzero(bucket == i) for i in range(len(self.sizes))]
        self._order = _EpochOrder(members, batch_size, seed)
        held = sum(size * len(chosen) for size, chosen in zip(self.sizes, members, strict=True))
        self.padding_fraction = float(1 - counts.sum() / held)

    @property
    def batches_per_epoch(self) -> int:
        """Batches that show every example at least once."""
        return self._order.batches_per_epoch

    def batch(self, step: int) -> Batch:
        """Batch number ``step``, a pure function of the seed and the step."""
        group, rows = self._order.batch(step)
        part, parts = self._shard
        rows = np.split(rows, parts)[part]
        x, mask = pad([self._x[i] for i in rows.tolist()], self.sizes[group])
        return _batch(x, mask, _rows(self._condition, rows))


class _EpochOrder:
    """Which examples make up batch number ``step``; one batch never mixes groups."""

    def __init__(self, groups: Sequence[np.ndarray], batch_size: int, seed: int) -> None:
        examples = sum(len(group) for group in groups)
        if batch_size < 1 or not examples:
            raise InputError(
                f"expected examples and a batch size of at least one, got {examples} examples and "
                f"batch size {batch_size}; pass data and a positive size"
            )
        self.batch_size, self._seed, self._examples = batch_size, seed, examples
        self._group = np.empty(examples, np.int64)
        for number, group in enumerate(groups):
            self._group[group] = number
        self._number_of_groups = len(groups)
        self.batches_per_epoch = sum(-(-len(group) // batch_size) for group in groups)
        self._epoch = functools.lru_cache(maxsize=2)(self._plan)

    def batch(self, step: int) -> tuple[int, Int[np.ndarray, " batch"]]:
        if step < 0:
            raise InputError(f"expected a step of 0 or more, got {step}; count steps from 0")
        epoch, index = divmod(int(step), self.batches_per_epoch)
        return self._epoch(epoch)[index]

    def _plan(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        rng = random_generator(Role.ORDER, self._seed, epoch)
        order = rng.permutation(self._examples)
        batches = []
        for number in range(self._number_of_groups):
            members = order[self._group[order] == number]
            full = -(-len(members) // self.batch_size) * self.batch_size
            filled = np.resize(members, full).reshape(-1, self.batch_size)
            batches += [(number, rows) for rows in filled]
        return [batches[i] for i in rng.permutation(len(batches))]


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


def _rows(condition: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if condition is None else condition[rows]


def _batch(x: Any, mask: Any, condition: Any) -> Batch:
    return Batch(x=x, mask=mask, condition=condition)
