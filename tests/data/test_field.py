"""Fields of catalogues, alone and in suites."""

import h5py
import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.field import Field
from galgen.data.suite import Suite, write_suite
from galgen.data.suite_parts import SuiteParts
from galgen.data.suite_summary import suite_summary
from galgen.errors import InputError

BOX = 12.0


def noise(seed=0, mesh=4):
    values = np.random.default_rng(seed).standard_normal((mesh, mesh, mesh), np.float32)
    return values - values.mean()


def field(seed=0, **others):
    return Field(noise(seed), BOX, **others)


def catalogue(seed=0, box=BOX):
    x = np.random.default_rng(seed).uniform(0, 10, seed + 2)
    return Catalogue({"x": x}, (box, box, box))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "suite.h5"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Field(noise()[:3], BOX), r"shape \(mesh, mesh, mesh\), got \(3, 4, 4\)"),
        (lambda: Field(np.ones((1, 1, 1)), BOX), r"got \(1, 1, 1\)"),
        (lambda: Field(np.where(noise() > 1, np.nan, 0), BOX), r"finite values in the field, got"),
        (lambda: Field(1 + noise(), BOX), r"mean 0, got 1 .* divide a density by its mean"),
        (lambda: Field(noise(), 0.0), r"side of a box in Mpc/h, got 0"),
        (lambda: field(redshift=-0.5), r"redshift of a field of 0 or more, got -0.5"),
        (lambda: field(smoothing=np.nan), r"smoothing of a field of 0 or more, got nan"),
        (lambda: field(kind="evolved"), r"of kind linear, got 'evolved'; upgrade"),
    ],
)
def test_what_is_no_field(made, message):
    with pytest.raises(InputError, match=message) as caught:
        made()
    assert "\n" not in str(caught.value)


def test_fields_are_read_back_through_slices_splits_parts_and_chunks(path):
    catalogues, fields = (
        [catalogue(i) for i in range(4)],
        [field(i, redshift=0.5) for i in range(4)],
    )

    def check():
        with Suite(path) as suite:
            assert suite.version == 4 and suite.field_mesh == 4
            assert list(suite) == catalogues
            for view, rows in ((suite, [0, 1, 2, 3]), (suite["test"], [1, 3]), (suite[2:], [2, 3])):
                for number, row in enumerate(rows):
                    found = view.field(number)
                    assert np.array_equal(found.values, fields[row].values)
                    assert (found.box, found.cell, found.redshift) == (BOX, BOX / 4, 0.5)
            assert np.array_equal(suite.field(-1).values, fields[3].values)
            line = (
                "field: linear density contrast at redshift 0.5, 4^3 cells of 3 Mpc/h, smoothing 0"
            )
            assert line in suite_summary(suite)
            with pytest.raises(IndexError, match="below 4, got 4"):
                suite.field(4)

    write_suite(path, catalogues, list("ab") * 2, fields)
    with Suite(path) as suite:
        assert [len(block.counts) for block in suite.blocks()] == [4]
    write_suite(path, catalogues, ["train", "test"] * 2, fields)
    check()
    with h5py.File(path, "r+") as file:
        attributes = dict(file["field"].attrs)
        del file["field"]
        values = np.stack([one.values for one in fields])
        packed = file.create_dataset("field", data=values, chunks=(1, 4, 4, 2), compression="gzip")
        packed.attrs.update(attributes)
    check()
    for order in (None, [(0, 0), (0, 1), (1, 0), (1, 1)]):
        with SuiteParts(path, 2, {}) as parts:
            for part in (0, 1):
                rows = slice(2 * part, 2 * part + 2)
                parts.write(part, catalogues[rows], ["train", "test"], fields[rows])
            parts.finish(order)
        check()


def test_blocks_of_fields_are_small(path, monkeypatch):
    monkeypatch.setattr("galgen.data.suite.BLOCK_BYTES", 2 * 4**4)
    write_suite(path, [catalogue(i) for i in range(5)], "train", [field(i) for i in range(5)])
    with Suite(path) as suite:
        blocks = list(suite.blocks())
    assert [len(block.counts) for block in blocks] == [2, 2, 1]
    values = np.concatenate([block.fields for block in blocks])
    assert np.array_equal(values, np.stack([noise(i) for i in range(5)]))


def test_a_suite_without_fields_is_one_of_before(path):
    write_suite(path, [catalogue()])
    with Suite(path) as suite:
        assert (
            suite.version == 3
            and suite.field_mesh is None
            and "  field:" not in suite_summary(suite)
        )
        with pytest.raises(InputError, match=r"got .*suite.h5 without; make it by galgen simulate"):
            suite.field(0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([field()], "one field per catalogue, got 1 for 2"),
        ([field(), Field(noise(), 2 * BOX)], r"a field of the box of its catalogue, .* one of 24"),
        ([field(), Field(noise(0, 6), BOX)], r"the field of catalogue 0, {'mesh': 4.*'mesh': 6"),
        ([field(), None], r"the field of catalogue 0, {'mesh': 4.*, got {} in catalogue 1"),
        ([field(), field(redshift=1.0)], r"the field of catalogue 0, .* 'redshift': 1.0"),
    ],
)
def test_fields_that_do_not_fit_are_not_written(path, fields, message):
    with pytest.raises(InputError, match=message):
        write_suite(path, [catalogue(0), catalogue(1)], "train", fields)
    assert not list(path.parent.iterdir())


def drop(file):
    del file["field"]


def drop_kind(file):
    del file["field"].attrs["kind"]


def other_kind(file):
    file["field"].attrs["kind"] = "cake"


def with_unit(file):
    file["field"].attrs["unit"] = "K"


def replace(values):
    def change(file):
        attributes = dict(file["field"].attrs)
        del file["field"]
        file["field"] = values
        file["field"].attrs.update(attributes)

    return change


def no_cube(file):
    file["box"][1] = [BOX, BOX, 2 * BOX]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop, r"a field field, got"),
        (drop_kind, r"attributes unit, kind, .* of field, got no kind; write it"),
        (other_kind, r"of kind linear, got 'cake'; upgrade"),
        (with_unit, r"a field without a unit, got 'K'"),
        (replace(np.zeros((1, 4, 4, 4), np.float32)), r"shape \(1, 4, 4, 4\) in field of 2 cat"),
        (replace(np.zeros((2, 4, 4, 6), np.float32)), r"shape \(2, 4, 4, 6\)"),
        (replace(np.zeros((2, 4, 4, 4))), r"float64 of shape"),
        (replace(np.zeros((2, 6, 6, 6), np.float32)), r"field 6, not 4"),
        (no_cube, r"a field of catalogue 1, whose box is no cube"),
    ],
)
def test_damaged_fields_are_refused_on_opening(path, damage, message):
    write_suite(path, [catalogue(0), catalogue(1)], "train", [field(0), field(1)])
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=message) as caught:
        Suite(path)
    assert "\n" not in str(caught.value)


def test_damaged_values_name_the_catalogue(path):
    write_suite(path, [catalogue(0), catalogue(1)], "train", [field(0), field(1)])
    with h5py.File(path, "r+") as file:
        file["field"][1, 0, 0, 0] = np.inf
        file["field"][0, 0, 0, 0] = 1e4
    with Suite(path) as suite:
        with pytest.raises(InputError, match=r"catalogue 1: .*finite values in the field, got 1"):
            suite.field(1)
        with pytest.raises(InputError, match=r"catalogue 0: .*of mean 0"):
            suite.field(0)
