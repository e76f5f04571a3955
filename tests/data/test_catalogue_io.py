"""Round trips of one catalogue through every format: bit by bit, with all its words."""

import builtins
import importlib

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from galgen.data.catalogue import STANDARD_UNITS, Catalogue
from galgen.data.catalogue_io import READ, read_catalogue, write_catalogue
from galgen.data.suite import write_suite
from galgen.errors import InputError

pytest.importorskip("pyarrow")
pytest.importorskip("asdf")

KINDS = ("?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d")
COLUMNS = ("vx", "mass", "Mass", "T/|U|", " padded ", "Ω_m.%", "<<", "a name that is longer " * 5)
finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def column(kind, size, seed):
    """Values of every bit pattern that is a finite number, both zeros among them."""
    raw = np.random.default_rng(seed).integers(0, 256, 8 * size, dtype=np.uint8)
    if kind == "?":
        return raw[:size] > 127
    values = raw.view(kind)[:size]
    if kind not in "efd":
        return values
    return np.where(np.isfinite(values), values, -0.0).astype(kind)


@st.composite
def catalogues(draw):
    size = draw(st.one_of(st.just(0), st.integers(1, 50)))
    names = draw(st.lists(st.sampled_from(COLUMNS), unique=True, max_size=len(COLUMNS)))
    columns = {
        name: column(draw(st.sampled_from(KINDS)), size, draw(st.integers(0, 99))) for name in names
    }
    box = draw(st.tuples(*[st.floats(1e-3, 1e6)] * 3))
    if draw(st.booleans()) or not names:
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        columns |= {name: rng.random(size) * side for name, side in zip("xyz", box, strict=True)}
    return Catalogue(
        columns,
        box,
        redshift=draw(finite),
        cosmology=draw(st.dictionaries(words.filter(bool), finite, max_size=3)),
        periodic=draw(st.booleans()),
        units={n: draw(words) for n in columns if n not in STANDARD_UNITS and draw(st.booleans())},
        provenance=draw(st.dictionaries(words, words, max_size=3)),
    )


@pytest.mark.parametrize("suffix", [".h5", ".fits", ".parquet", ".asdf"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(catalogue=catalogues())
def test_round_trip(tmp_path, suffix, catalogue):
    path = tmp_path / f"catalogue{suffix}"
    write_catalogue(path, catalogue)
    found = read_catalogue(path)
    assert found == catalogue
    for name, values in catalogue.columns.items():
        assert found.columns[name].dtype == values.dtype
        assert found.columns[name].tobytes() == values.tobytes()
    assert [place.name for place in tmp_path.iterdir()] == [path.name]


def make(points=4):
    rng = np.random.default_rng(0)
    return Catalogue({name: rng.random(points) for name in "xyz"}, (1.0, 1.0, 1.0))


def test_other_tools_read_the_tables(tmp_path):
    catalogue = make().replace(columns={**make().columns, "n": np.array([1, 2, 3, 2**63], "u8")})
    write_catalogue(tmp_path / "a.fits", catalogue)
    with fits.open(tmp_path / "a.fits") as file:
        assert file[1].columns.names == ["x", "y", "z", "n"]
        assert file[1].columns["x"].unit == "Mpc/h"
    table = Table.read(tmp_path / "a.fits", hdu=1)
    np.testing.assert_array_equal(table["y"], catalogue.columns["y"])
    np.testing.assert_array_equal(table["n"], catalogue.columns["n"])
    parquet = importlib.import_module("pyarrow.parquet")
    write_catalogue(tmp_path / "a.parquet", catalogue)
    table = parquet.read_table(tmp_path / "a.parquet")
    np.testing.assert_array_equal(table["z"].to_numpy(), catalogue.columns["z"])
    assert table.schema.field("z").metadata == {b"unit": b"Mpc/h"}


@pytest.mark.parametrize("suffix", READ)
def test_damaged_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"catalogue{suffix}"
    with pytest.raises(InputError, match="no such file; check the path"):
        read_catalogue(path)
    write_catalogue(path, make(1000))
    whole = path.read_bytes()
    for size in (0, 50, len(whole) // 2, len(whole) - 2881):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"catalogue\.\w+") as caught:
            read_catalogue(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"not a catalogue at all, but some text" * 100)
    with pytest.raises(InputError, match="cannot"):
        read_catalogue(path)


def test_files_of_others_are_told_from_ours(tmp_path):
    table = Table({"x": [1.0]})
    table.write(tmp_path / "a.fits")
    parquet = importlib.import_module("pyarrow.parquet")
    arrow = importlib.import_module("pyarrow")
    parquet.write_table(arrow.table({"x": [1.0]}), tmp_path / "a.parquet")
    for suffix in ("fits", "parquet"):
        with pytest.raises(InputError, match="without its metadata; read it with python -m data_p"):
            read_catalogue(tmp_path / f"a.{suffix}")
    write_suite(tmp_path / "a.h5", [make(), make()])
    with pytest.raises(InputError, match=r"one catalogue in .*, got a suite of 2; open it with"):
        read_catalogue(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"ends in \.h5, .*, got 'a.txt'; rename it"):
        write_catalogue(tmp_path / "a.txt", make())


def test_columns_that_were_changed_are_refused(tmp_path):
    write_catalogue(tmp_path / "a.fits", make())
    with fits.open(tmp_path / "a.fits") as file:
        file[1].columns.del_col("y")
        file.writeto(tmp_path / "b.fits", checksum=True)
    with pytest.raises(InputError, match=r"expected 3 columns in .*, got 2; it was changed"):
        read_catalogue(tmp_path / "b.fits")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    def refuse(name, *arguments):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return builtins.__import__(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(InputError, match=r"none installed; pip install 'galgen\[formats\]'"):
        write_catalogue(tmp_path / "a.parquet", make())
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.fits"
    write_catalogue(path, make())
    monkeypatch.setattr("galgen.publishing.sync", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_catalogue(path, make(7))
    assert read_catalogue(path) == make() and len(list(tmp_path.iterdir())) == 1
