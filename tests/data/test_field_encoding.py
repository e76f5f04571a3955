"""Fields on their way from a suite to a batch, and what turns with them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.collectives import CLOUD_SPEC
from galgen.data.augmentation import BoxAugmentation, augmented
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.data.field import Field
from galgen.data.field_encoding import FieldEncoding, at_centres
from galgen.data.suite import Suite, write_suite
from galgen.errors import InputError
from galgen.training.sharding import MeshShape, put_batch
from galgen.types import Batch

BOX, MESH = 16.0, 8


def waves(seed, at):
    """A field of mean zero of a few waves, at places in units of the box ``(..., 3)``."""
    rng = np.random.default_rng(seed)
    wave, phase = rng.integers(-3, 4, (12, 3)), rng.uniform(0, 2 * np.pi, 12)
    wave[:, 0] = np.where(np.any(wave, axis=1), wave[:, 0], 1)
    values = np.sin(2 * np.pi * np.asarray(at) @ wave.T + phase)
    return (values @ rng.uniform(0.5, 2, 12)).astype(np.float32)


def lattice(start=0.0):
    return np.stack(np.indices((MESH,) * 3), axis=-1) / MESH + start / MESH


def field(seed):
    return Field(waves(seed, lattice()), BOX, smoothing=1.0)


def write(path, number=6, other=0):
    rng = np.random.default_rng(0)
    columns = [
        dict(zip("xyz", rng.uniform(0, BOX, (3, 5 + i)), strict=True)) for i in range(number)
    ]
    catalogues = [
        Catalogue(each, (BOX,) * 3, cosmology={"omega_m": 0.2 + 0.01 * i})
        for i, each in enumerate(columns)
    ]
    splits = ["train", "train", "validation"] * (number // 3)
    write_suite(path, catalogues, splits, [field(i + other) for i in range(number)])


def dataset(path, **others):
    return CatalogueDataset(path, columns=("x", "y", "z"), condition=(), field=True, **others)


def test_a_field_is_moved_to_the_centres_of_its_cells():
    np.testing.assert_allclose(at_centres(field(3).values), waves(3, lattice(0.5)), atol=1e-4)


@pytest.mark.parametrize("memory", [2.0, 0.0])
def test_batches_have_the_field_of_each_example_in_units_of_training(tmp_path, memory):
    path = tmp_path / "suite.h5"
    write(path)
    data = dataset(path, memory=memory)
    prepared = data.prepare(2, 0)
    rows = [0, 1, 3, 4]
    scale = np.sqrt(np.mean([np.mean(field(i).values.astype(float) ** 2) for i in rows]))
    assert prepared.encoding.field.scale == pytest.approx(scale, rel=1e-6)
    expected = {i: waves(i, lattice(0.5)) / scale for i in range(6)}
    with Suite(path) as suite:
        first = {float(suite[i].positions[0, 0] / BOX): i for i in range(6)}
    held_out = data.held_out_source(prepared.encoding, 2, "validation")
    batches = [*(prepared.source.batch(step) for step in range(4)), *held_out.once(4)]
    for batch in batches:
        assert batch.field.shape == (2, MESH, MESH, MESH, 1) and batch.field.dtype == np.float32
        for x, values in zip(batch.x, batch.field, strict=True):
            near = min(first, key=lambda known: abs(known - x[0, 0]))
            np.testing.assert_allclose(values[..., 0], expected[first[near]], atol=1e-4)
    assert [f.smoothing for f in data.held_out_fields("validation", 1)] == [1.0]
    half = data.prepare(2, 0, (1, 2)).source.batch(0)
    assert np.array_equal(half.field, prepared.source.batch(0).field[1:])
    without = dataclasses.replace(data, field=False).prepare(2, 0)
    assert without.source.batch(0).field is None and without.encoding.field is None


def test_a_fingerprint_knows_the_fields(tmp_path):
    paths = [tmp_path / f"{i}.h5" for i in (0, 1)]
    for other, path in enumerate(paths):
        write(path, other=other)
    first, second = (dataset(path).prepare(2, 0).fingerprint for path in paths)
    assert {name for name in first if first[name] != second[name]} == {"field"}
    first, second = (dataset(path).held_out_fingerprint("validation") for path in paths)
    assert {name for name in first if first[name] != second[name]} == {"field"}
    same = dataclasses.replace(dataset(paths[0]), field=False)
    assert "field" not in same.held_out_fingerprint("validation")


def test_suites_without_fields_are_refused(tmp_path):
    path = tmp_path / "suite.h5"
    write(path)
    with Suite(path) as suite:
        catalogues = list(suite)
    write_suite(path, catalogues)
    with pytest.raises(InputError, match=r"expected a suite with fields, got .* without"):
        dataset(path).prepare(2, 0)
    zero = Field(np.zeros((4, 4, 4), np.float32), BOX)
    write_suite(path, catalogues, "train", [zero] * len(catalogues))
    with pytest.raises(InputError, match="expected fields that vary, got zero everywhere"):
        dataset(path).prepare(2, 0)


@pytest.mark.parametrize("rotate", [True, False])
@pytest.mark.parametrize("translate", [True, False])
def test_the_field_turns_and_moves_with_its_points(rotate, translate):
    """Points at the centres of cells read the same values of the field before and after."""
    number = 60
    cells = np.random.default_rng(0).integers(0, MESH, (number, 20, 3))
    x = jnp.asarray((cells + 0.5) / MESH, jnp.float32)
    values = np.stack([waves(i, lattice(0.5)) for i in range(number)])[..., None]
    batch = Batch(x, jnp.ones(x.shape[:2], bool), field=jnp.asarray(values))
    augment = BoxAugmentation(rotate=rotate, translate=translate)
    moved = jax.jit(lambda key: augmented(augment, key, batch))(jax.random.key(0))

    def read(field, x):
        place = np.rint(np.asarray(x) * MESH - 0.5).astype(int)
        rows = np.arange(number)[:, None]
        return np.asarray(field)[(rows, *np.moveaxis(place, -1, 0))][..., 0]

    np.testing.assert_array_equal(read(moved.field, moved.x), read(values, x))
    shift = np.asarray(moved.x) * MESH - 0.5
    np.testing.assert_allclose(shift, np.rint(shift), atol=1e-3)
    changed = np.any(np.asarray(moved.field) != values, axis=(1, 2, 3, 4)).mean()
    assert changed > 0.9 if rotate or translate else changed == 0
    if rotate:  # Each of the 48 is as likely, so hardly one example in 48 stays.
        assert len({tuple(np.asarray(f).ravel()[:4]) for f in moved.field}) == number


def test_augmentation_without_a_field_is_as_before():
    x = jax.random.uniform(jax.random.key(1), (3, 4, 3))
    augment = BoxAugmentation()
    batch = augmented(augment, jax.random.key(0), Batch(x))
    assert batch.field is None
    np.testing.assert_array_equal(batch.x, augment(jax.random.key(0), x))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            lambda f: dataclasses.replace(f, box=32.0),
            "the box of training, 16.0, got 32.0; make it",
        ),
        (lambda f: dataclasses.replace(f, redshift=1.0), "the redshift of training, 0.0, got 1.0"),
        (lambda f: dataclasses.replace(f, smoothing=0.0), "the smoothing of training, 1.0, got 0"),
        (lambda f: Field(f.values[::2, ::2, ::2] * 0, BOX), "the mesh of training, 8, got 4"),
        (lambda f: f.values[::2, ::2, ::2] * 0, "the mesh of training, 8, got 4"),
        (lambda f: f.values + 1, "a density contrast of mean 0"),
        (lambda f: np.where(f.values > 1, np.nan, 0), "finite values in the field"),
        (lambda f: f.values[0], r"shape \(mesh, mesh, mesh\), got \(8, 8\)"),
    ],
)
def test_fields_unlike_those_of_training_are_refused(given, message):
    encoding = FieldEncoding.fit([field(0)])
    np.testing.assert_array_equal(encoding.encode(field(1)), encoding.encode(field(1).values))
    with pytest.raises(InputError, match=message) as caught:
        encoding.encode(given(field(1)))
    assert "\n" not in str(caught.value)


def test_a_batch_on_devices_keeps_whole_fields():
    values = np.zeros((2, MESH, MESH, MESH, 1), np.float32)
    batch = Batch(np.zeros((2, 16, 3), np.float32), np.ones((2, 16), bool), field=values)
    placed = put_batch(batch, MeshShape().over(jax.devices()[:1]))
    assert placed.field.shape == values.shape
    assert placed.field.sharding.spec == CLOUD_SPEC
