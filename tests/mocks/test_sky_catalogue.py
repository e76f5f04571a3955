"""Survey catalogues on disk: every bit comes back from every format, and damage is named."""

import importlib
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from galgen.errors import InputError
from galgen.mocks import SkyCatalogue, read_sky_catalogue, write_sky_catalogue
from galgen.mocks.sky_catalogue import KINDS, REQUIRED
from galgen.mocks.sky_catalogue_files import read_provenance

SUFFIXES = (".fits", ".h5", ".hdf5", ".parquet")


def needs(suffix):
    if suffix.lower() == ".parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")


def catalogue(number=50, **columns):
    rng = np.random.default_rng(0)
    every = {
        "RA": rng.uniform(0, 360, number),
        "DEC": rng.uniform(-90, 90, number),
        "Z": rng.uniform(0, 1, number).astype(np.float32),
        "WEIGHT": np.ones(number),
        "WEIGHT_FKP": rng.random(number),
        "NZ": rng.random(number),
        "CENTRAL": rng.random(number) > 0.5,
        "HALO": rng.integers(-(2**62), 2**62, number),
    }
    return SkyCatalogue(
        every | columns,
        {"omega_m": 0.1 + 0.2, "sigma_8": 1 / 3},
        {"HALO": "kpc/h"},
        {"seed": "3", "recipe": '{"it\'s": "a \\" long / text" } ' * 20, "Ω": "naïve\nlines"},
    )


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".FITS", ".Parquet"])
@pytest.mark.parametrize("number", [0, 1, 50])
def test_round_trips(tmp_path, suffix, number):
    needs(suffix)
    path = tmp_path / f"mock{suffix}"
    before = catalogue(number)
    write_sky_catalogue(path, before)
    after = read_sky_catalogue(path)
    assert after == before and list(after.columns) == list(before.columns)
    assert after.units["RA"] == "deg" and after.units["HALO"] == "kpc/h" and after.units["Z"] == ""
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    write_sky_catalogue(path, catalogue(7))
    assert len(read_sky_catalogue(path)) == 7
    written = path.read_bytes()
    write_sky_catalogue(path, catalogue(7))
    assert path.read_bytes() == written or suffix in (".h5", ".hdf5")


def numbers(kind, size):
    elements = {"bool": st.booleans()}.get(kind)
    if kind.startswith("float"):
        width = int(kind[5:])
        elements = st.floats(allow_nan=False, allow_infinity=False, width=width)
    return arrays.arrays(np.dtype(kind), size, elements=elements)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), size=st.integers(0, 5))
@pytest.mark.parametrize("suffix", [".fits", ".h5", ".parquet"])
def test_any_columns_come_back_to_the_bit(tmp_path, suffix, data, size):
    needs(suffix)
    name = st.text("ABCXYZ_019", min_size=1, max_size=12).filter(lambda n: n not in REQUIRED)
    kinds = data.draw(st.dictionaries(name, st.sampled_from(KINDS), max_size=4))
    extra = {n: data.draw(numbers(kind, size)) for n, kind in kinds.items()}
    before = catalogue(size, **extra)
    write_sky_catalogue(tmp_path / f"mock{suffix}", before)
    after = read_sky_catalogue(tmp_path / f"mock{suffix}")
    assert after == before
    for n, values in extra.items():
        kept = after.columns[n]
        assert kept.dtype == values.dtype and kept.tobytes() == values.tobytes()


def test_fits_is_read_by_others(tmp_path):
    """By astropy's own table, with the names, units and rows; no word of galgen is needed."""
    path = tmp_path / "mock.fits"
    before = catalogue()
    write_sky_catalogue(path, before)
    table = Table.read(path, hdu="LSS")
    assert table.colnames[:6] == list(REQUIRED)
    np.testing.assert_array_equal(table["RA"], before.columns["RA"])
    assert str(table["DEC"].unit) == "deg"
    with fits.open(path) as file:
        assert file[1].verify_datasum() == 1
        assert "seed" in file[1].header["PROVENAN"]
    assert read_provenance(path) == before.provenance


def test_parquet_without_pyarrow_is_named(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"none installed; pip install 'galgen\[formats\]'"):
        write_sky_catalogue(tmp_path / "mock.parquet", catalogue())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".fits", ".h5", ".parquet"])
def test_damaged_and_foreign_files_are_named(tmp_path, suffix):
    needs(suffix)
    path = tmp_path / f"mock{suffix}"
    write_sky_catalogue(path, catalogue(3000))
    whole = path.read_bytes()
    for part in (whole[: len(whole) // 2], whole[:100], b"", b"not a table at all" * 200):
        path.write_bytes(part)
        with pytest.raises(InputError, match=rf"mock{suffix}[:,] .*got"):
            read_sky_catalogue(path)
    with pytest.raises(InputError, match=r"a survey catalogue at .*none.* got no such file"):
        read_sky_catalogue(tmp_path / f"none{suffix}")


def test_a_changed_row_and_other_formats_are_named(tmp_path):
    path = tmp_path / "mock.fits"
    write_sky_catalogue(path, catalogue(3000))
    whole = bytearray(path.read_bytes())
    whole[-20_000] ^= 1
    path.write_bytes(bytes(whole))
    with pytest.raises(InputError, match=r"mock\.fits: .*Checksum verification failed"):
        read_sky_catalogue(path)
    Table({"RA": [1.0]}).write(tmp_path / "other.fits")
    with pytest.raises(InputError, match=r"other\.fits: expected a whole galgen-sky file"):
        read_sky_catalogue(tmp_path / "other.fits")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "galgen-suite"
    with pytest.raises(InputError, match=r"format 'galgen-sky' version 1 to 2 in .*'galgen-suite'"):
        read_sky_catalogue(tmp_path / "other.h5")
    with pytest.raises(InputError, match=r"a file of .fits, .h5, .hdf5, .parquet, got 'mock.csv'"):
        write_sky_catalogue(tmp_path / "mock.csv", catalogue())
    with pytest.raises(InputError, match=r"a folder .*nowhere, got none; create it"):
        write_sky_catalogue(tmp_path / "nowhere" / "mock.fits", catalogue())
    with pytest.raises(InputError, match=r"other\.fits: expected a whole galgen-sky file"):
        read_provenance(tmp_path / "other.fits")


LOOP = """
import sys
sys.path[:0] = [{tests!r}]
from test_sky_catalogue import catalogue
from galgen.mocks import write_sky_catalogue
print("ready", flush=True)
while True:
    write_sky_catalogue({path!r}, catalogue(40000))
"""


def test_kill_nine_leaves_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "mock.fits"
    write_sky_catalogue(path, catalogue(5))
    code = LOOP.format(tests=os.path.dirname(__file__), path=str(path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(read_sky_catalogue(path)) in (5, 40_000)
    write_sky_catalogue(path, catalogue(6))
    assert [p.name for p in tmp_path.iterdir()] == ["mock.fits"]


def test_columns_are_checked():
    columns = dict(catalogue(4).columns)
    cases = [
        ({"NZ": None}, r"got none called \['NZ'\] among"),
        ({"WEIGHT": np.ma.MaskedArray([1, 999999, 1, 1], [0, 1, 0, 0])}, "'WEIGHT', got 1 masked"),
        ({"Z": np.full(4, np.nan)}, "finite values in column 'Z', got NaN"),
        ({"Z": np.zeros(3)}, r"columns of one length, got .*'Z': 3"),
        ({"RA": np.full(4, 400.0)}, r"RA in \[0, 360\], got 400 in 4 of 4; give degrees"),
        ({"DEC": np.full(4, -91.0)}, r"DEC in \[-90, 90\], got -91"),
        ({"NAME": np.array(["a"] * 4)}, r"numbers in column 'NAME', got text"),
        ({"TWO": np.zeros((4, 2))}, r"column 'TWO' as one number .* shape \(4, 2\)"),
    ]
    for change, message in cases:
        changed = {k: v for k, v in (columns | change).items() if v is not None}
        with pytest.raises(InputError, match=message):
            SkyCatalogue(changed)
    with pytest.raises(InputError, match=r"units of columns .* got units of \['MAG'\]; drop"):
        SkyCatalogue(columns, units={"MAG": "mag"})
    swapped = {n: v.astype(v.dtype.newbyteorder(">")) for n, v in columns.items()}
    assert SkyCatalogue(swapped) == SkyCatalogue(columns)
    assert all(v.dtype.isnative for v in SkyCatalogue(swapped).columns.values())
    with pytest.raises(InputError, match=r"a column 'MAG', got columns \['RA'"):
        catalogue().column("MAG")
    assert "50 objects" in repr(catalogue()) and "<table>" in catalogue()._repr_html_()
    assert "0 objects" in repr(catalogue(0))
    assert catalogue() != catalogue(4) and catalogue() == catalogue()
