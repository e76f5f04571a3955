import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galgen.data.batching import ArraySource, BatchSource, bucket_sizes, pad
from galgen.errors import InputError


def padding(counts, sizes):
    return sum(min(s for s in sizes if s >= count) - count for count in counts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 120), min_size=1, max_size=25), st.integers(1, 4))
def test_bucket_sizes_pad_least_of_all_choices(counts, number):
    sizes = bucket_sizes(counts, number)
    assert len(sizes) <= number and all(size % 16 == 0 for size in sizes)
    assert list(sizes) == sorted(set(sizes)) and sizes[-1] >= max(counts)
    candidates = range(16, 16 * max(-(-max(counts) // 16), 1) + 1, 16)
    choices = (c for k in range(1, number + 1) for c in itertools.combinations(candidates, k))
    best = min(padding(counts, c) for c in choices if c[-1] >= max(counts))
    assert padding(counts, sizes) == best


def test_pad_marks_real_rows():
    x, mask = pad([np.ones((2, 3)), np.ones((4, 3))], 5)
    assert x.shape == (2, 5, 3) and x.dtype == np.float32
    np.testing.assert_array_equal(mask.sum(1), [2, 4])
    np.testing.assert_array_equal(x.sum((1, 2)), [6, 12])
    assert np.all(x[~mask] == 0)
    with pytest.raises(InputError, match="at most 3 points, got 4; choose"):
        pad([np.ones((4, 3))], 3)


@pytest.fixture
def clouds():
    """Cloud i is filled with the number i, so that a batch says which examples it holds."""
    rng = np.random.default_rng(0)
    return [np.full((n, 2), i, np.float32) for i, n in enumerate(rng.integers(20, 200, 61))]


def labels(batch):
    return batch.x[:, 0, 0].astype(int)


def test_batches_are_full_padded_to_their_largest_and_of_like_size(clouds):
    condition = np.arange(61.0)[:, None]
    source = BatchSource(clouds, condition, batch_size=8, seed=5, buckets=3)
    mixed = 0
    for step in range(3 * source.batches_per_epoch):
        batch = source.batch(step)
        counts = np.array([len(clouds[i]) for i in labels(batch)])
        np.testing.assert_array_equal(batch.mask.sum(1), counts)
        np.testing.assert_array_equal(batch.condition[:, 0], labels(batch))
        assert np.all(batch.x[~batch.mask] == 0) and batch.x.shape[0] == 8
        assert batch.x.shape[1] == min(size for size in source.sizes if size >= counts.max())
        mixed += len(set(np.searchsorted(source.sizes, counts))) > 1
    assert mixed <= 3 * (len(source.sizes) - 1), "only where two sizes meet"


COUNTS = {
    "one giant": [20] * 30 + [500],
    "one tiny": [500] * 30 + [1],
    "fewer than a batch": [20, 30, 900],
    "one": [40],
    "empty ones": [0, 0, 30, 40, 0, 600],
    "all unlike": list(range(0, 640, 16)),
    "full batches": [20] * 16 + [50] * 16,
    "rare sizes": [10] * 50 + [100] * 3 + [1000] * 2 + [10_000],
}


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
@pytest.mark.parametrize("batch_size", [3, 16])
def test_every_catalogue_is_drawn_equally_often(counts, batch_size):
    """Whatever its size: k or k + 1 times among any number of rows, and no other weight."""
    number = len(counts)
    named = [np.full((max(n, 1), 1), i, np.float32)[:n] for i, n in enumerate(counts)]
    source = BatchSource(named, np.arange(1.0 * number)[:, None], batch_size, seed=3)
    per_epoch = source.batches_per_epoch
    drawn = np.zeros(number, int)
    shapes = set()
    for step in range(6 * per_epoch):
        batch = source.batch(step)
        assert batch.weight is None
        drawn += np.bincount(batch.condition[:, 0].astype(int), minlength=number)
        shapes.add(batch.x.shape)
        if (step + 1) % per_epoch == 0:
            assert drawn.max() - drawn.min() <= 1
    assert drawn.sum() == 6 * per_epoch * batch_size
    assert shapes <= {(batch_size, size, 1) for size in source.sizes}


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
@pytest.mark.parametrize("batch_size", [3, 16])
def test_once_is_every_example_once(counts, batch_size):
    number = len(counts)
    named = [np.full((n, 1), i + 1, np.float32) for i, n in enumerate(counts)]
    source = BatchSource(named, np.arange(1.0 * number)[:, None], batch_size, seed=3)
    batches = list(source.once(10**6))
    assert len(batches) == -(-number // batch_size)
    seen = np.zeros(number)
    for batch in batches:
        assert set(batch.weight.tolist()) <= {0.0, 1.0}
        index = batch.condition[:, 0].astype(int)
        seen += np.bincount(index, batch.weight, minlength=number)
        np.testing.assert_array_equal(batch.mask.sum(1), batch.weight * np.array(counts)[index])
        largest = max(n * w for n, w in zip(np.array(counts)[index], batch.weight, strict=True))
        assert batch.x.shape[1] == min(size for size in source.sizes if size >= largest)
    np.testing.assert_array_equal(seen, 1)


def test_once_of_too_many_is_a_random_choice_and_the_same_again(clouds):
    condition = np.arange(61.0)[:, None]
    source = BatchSource(clouds, condition, 8)
    first, again = (np.concatenate([b.condition[:, 0] for b in source.once(3)]) for _ in range(2))
    assert len(first) == 24 == len(set(first.tolist())) and np.array_equal(first, again)
    sizes = np.array([len(c) for c in clouds])
    assert sizes[first.astype(int)].min() < np.quantile(sizes, 0.2)
    assert sizes[first.astype(int)].max() > np.quantile(sizes, 0.8)
    arrays = ArraySource(np.arange(10.0)[:, None], None, 4)
    rows = [(b.x[:, 0], b.weight) for b in arrays.once(9)]
    assert sorted(np.concatenate([x[w > 0] for x, w in rows])) == list(range(10))
    assert sum(len(x) for x, _ in rows) == 12


def test_a_giant_is_in_one_batch_of_an_epoch_and_costs_no_other():
    rng = np.random.default_rng(0)
    counts = np.append(rng.integers(20, 40, 255), 20_000)
    clouds = [np.zeros((n, 1), np.float32) for n in counts]
    source = BatchSource(clouds, None, 16, buckets=64)
    rows = [source.batch(step).x.shape[1] for step in range(160)]
    assert sorted(rows)[-10:] == [20_000] * 10 and sorted(rows)[-11] <= 48


def test_sizes_of_many_unlike_clouds_take_little_memory():
    """A table of all pairs of sizes would have gigabytes."""
    counts = np.unique(np.random.default_rng(0).integers(1, 16 * 5000, 6000))
    tracemalloc.start()
    sizes = bucket_sizes(counts, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(sizes) == 3 and peak < 300e6


def test_batches_are_a_pure_function_of_seed_and_step(clouds):
    first, second = (BatchSource(clouds, None, 8, seed=1) for _ in range(2))
    forward = [labels(first.batch(step)) for step in range(40)]
    for step in reversed(range(40)):
        np.testing.assert_array_equal(labels(second.batch(step)), forward[step])
    other = BatchSource(clouds, None, 8, seed=2)
    assert any(not np.array_equal(labels(other.batch(step)), forward[step]) for step in range(3))
    per_epoch = first.batches_per_epoch
    epochs = [np.concatenate(forward[i * per_epoch : (i + 1) * per_epoch]) for i in range(2)]
    assert not np.array_equal(*epochs)


def test_padding_fraction_is_what_an_epoch_pads(clouds):
    source = BatchSource(clouds, None, 8)
    held = sum(min(s for s in source.sizes if s >= len(c)) for c in clouds)
    assert source.padding_fraction == pytest.approx(1 - sum(map(len, clouds)) / held)
    assert BatchSource(clouds, None, 8, buckets=1).padding_fraction > source.padding_fraction


@pytest.mark.parametrize("event", [(2,), (28, 28, 1)])
def test_plain_arrays(event):
    x = np.broadcast_to(np.arange(10.0).reshape(-1, *([1] * len(event))), (10, *event))
    source = ArraySource(x, np.arange(10.0)[:, None], batch_size=4, seed=3)
    batches = [source.batch(step) for step in range(source.batches_per_epoch)]
    assert [b.x.shape for b in batches] == [(4, *event)] * 3
    assert all(b.mask is None and b.x.dtype == np.float32 for b in batches)
    seen = np.concatenate([b.condition[:, 0] for b in batches])
    np.testing.assert_array_equal(seen, np.concatenate([b.x.reshape(4, -1)[:, 0] for b in batches]))
    assert set(seen) == set(range(10)) and len(seen) == 12
    everything = np.concatenate([source.batch(step).condition[:, 0] for step in range(15)])
    assert np.array_equal(np.bincount(everything.astype(int)), [6] * 10), "six epochs"


def test_bad_input():
    x = np.zeros((4, 2))
    with pytest.raises(InputError, match="got 0 examples and batch size 2"):
        ArraySource(x[:0], None, 2)
    with pytest.raises(InputError, match="batch size 0; pass data and a positive size"):
        ArraySource(x, None, 0)
    with pytest.raises(InputError, match=r"shape \(4, parameters\), got \(3, 1\)"):
        ArraySource(x, np.zeros((3, 1)), 2)
    with pytest.raises(InputError, match="a step of 0 or more, got -1"):
        ArraySource(x, None, 2).batch(-1)
    assert bucket_sizes([3, 0]) == (16,)
    for counts, number in (([3, -1], 8), ([], 8), ([3], 0)):
        with pytest.raises(InputError, match="expected numbers of points of 0 or more and at lea"):
            bucket_sizes(counts, number)


def assert_parts_of(whole, parts, *fields):
    for field in fields:
        together = np.concatenate([getattr(part, field) for part in parts])
        np.testing.assert_array_equal(together, getattr(whole, field))


def test_shards_make_up_the_batch(clouds):
    """Two processes and one see the same examples, in the same order."""
    condition = np.arange(61.0)[:, None]
    whole = BatchSource(clouds, condition, 8, seed=4)
    halves = [BatchSource(clouds, condition, 8, seed=4, shard=(i, 2)) for i in range(2)]
    for step in range(12):
        parts = [half.batch(step) for half in halves]
        assert_parts_of(whole.batch(step), parts, "x", "mask", "condition")
    passes = zip(whole.once(9), *(half.once(9) for half in halves), strict=True)
    for batch, *parts in passes:
        assert_parts_of(batch, parts, "x", "mask", "condition", "weight")
    for wrong in ((2, 2), (-1, 2), (0, 3)):
        with pytest.raises(InputError, match="multiple of the number of processes"):
            BatchSource(clouds, None, 8, shard=wrong)


def test_clouds_are_read_only_when_their_batch_is_made(clouds):
    class Reader:
        def __init__(self):
            self.read = []

        def __len__(self):
            return len(clouds)

        def __getitem__(self, index):
            self.read.append(index)
            return clouds[index]

    reader = Reader()
    source = BatchSource(reader, None, 8, seed=1, counts=np.array([len(c) for c in clouds]))
    assert reader.read == []
    np.testing.assert_array_equal(labels(source.batch(3)), reader.read)
    np.testing.assert_array_equal(source.batch(3).x, BatchSource(clouds, None, 8, 1).batch(3).x)


def test_no_more_sizes_than_it_takes_to_pad_less_than_fifteen_percent():
    """Counts of haloes over a hypercube of cosmologies: a log-normal spread, and 5,000 fixed."""
    rng = np.random.default_rng(0)
    for counts in (
        rng.lognormal(5.5, 0.35, 2000),
        np.full(2000, 5000),
        rng.uniform(100, 531, 2000),
    ):
        clouds = [np.zeros((int(n), 1), np.float32) for n in counts]
        source = BatchSource(clouds, None, 16)
        assert source.padding_fraction < 0.15 and len(source.sizes) <= 8
        if len(source.sizes) > 1:
            fewer = BatchSource(clouds, None, 16, buckets=len(source.sizes) - 1)
            assert fewer.padding_fraction > 0.15
