import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galgen.data.batching import ArraySource, BatchSource, bucket_sizes, pad
from galgen.errors import InputError


def padding(counts, sizes):
    return sum(min(s for s in sizes if s >= count) - count for count in counts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 120), min_size=1, max_size=25), st.integers(1, 4))
def test_bucket_sizes_pad_least_of_all_choices(counts, number):
    sizes = bucket_sizes(counts, number)
    assert len(sizes) <= number and all(size % 16 == 0 for size in sizes)
    assert list(sizes) == sorted(set(sizes)) and sizes[-1] >= max(counts)
    candidates = range(16, 16 * -(-max(counts) // 16) + 1, 16)
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


def test_an_epoch_shows_every_example_in_full_batches(clouds):
    condition = np.arange(61.0)[:, None]
    source = BatchSource(clouds, condition, batch_size=8, seed=5, buckets=3)
    seen, shapes = [], set()
    for step in range(source.batches_per_epoch):
        batch = source.batch(step)
        counts = [len(clouds[i]) for i in labels(batch)]
        np.testing.assert_array_equal(batch.mask.sum(1), counts)
        np.testing.assert_array_equal(batch.condition[:, 0], labels(batch))
        assert np.all(batch.x[~batch.mask] == 0) and batch.x.shape[0] == 8
        assert len(set(labels(batch).tolist())) == 8
        seen += labels(batch).tolist()
        shapes.add(batch.x.shape[1])
    assert set(seen) == set(range(61)) and shapes == set(source.sizes)
    assert len(seen) - 61 < 8 * len(source.sizes)


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


def test_a_bucket_smaller_than_the_batch_repeats():
    source = BatchSource([np.ones((4, 1)), np.ones((9, 1))], None, batch_size=5)
    assert source.batch(0).x.shape == (5, 16, 1)


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
    with pytest.raises(InputError, match="drop empty catalogues"):
        bucket_sizes([3, 0])


def test_shards_make_up_the_batch(clouds):
    """Two processes and one see the same examples, in the same order."""
    condition = np.arange(61.0)[:, None]
    whole = BatchSource(clouds, condition, 8, seed=4)
    halves = [BatchSource(clouds, condition, 8, seed=4, shard=(i, 2)) for i in range(2)]
    for step in range(12):
        parts = [half.batch(step) for half in halves]
        for field in ("x", "mask", "condition"):
            together = np.concatenate([getattr(part, field) for part in parts])
            np.testing.assert_array_equal(together, getattr(whole.batch(step), field))
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
