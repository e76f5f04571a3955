"""``galgen export``: what other programs, data_prep and galgen read back is what the suite has."""

import sys

import numpy as np
import pytest
from astropy import units
from astropy.table import Table

from data_prep.tables.source import TableSource
from galgen.cli import main
from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_io import READ, read_catalogue
from galgen.data.suite import Suite, write_suite

FORMAT_NAMES = ("csv", "parquet", "fits", "npy", "asdf")
NEEDED = {"parquet": "pyarrow", "asdf": "asdf"}


@pytest.fixture
def suite(tmp_path):
    """Three catalogues: floats with all their digits, integers beyond them, another unit."""
    rng = np.random.default_rng(0)
    catalogues = []
    for points in (5, 0, 9):
        columns = {name: 100 * rng.random(points) for name in "xyz"}
        columns |= {"mass": 10 ** rng.uniform(12, 15, points), "id": 2**60 + np.arange(points)}
        columns["size"] = rng.random(points).astype(np.float32)
        told = {"units": {"size": "kpc"}, "provenance": {"seed": "3", "Straße": "a\nb"}}
        catalogues.append(Catalogue(columns, (100.0,) * 3, 0.5, {"omega_m": 0.31}, **told))
    write_suite(tmp_path / "mocks.h5", catalogues, ["train", "test", "test"])
    return tmp_path / "mocks.h5"


def prepared(path, tmp_path):
    """The columns that data_prep reads."""
    asked = "x=x,y=y,z=z,mass=mass,id=id,size=size"
    options = {"box": (100.0,) * 3, "columns": asked, "cosmology": "omega_m=0.31"}
    (found,) = TableSource(inputs=(path,), output=tmp_path / "unused.h5", **options).boxes()
    return found


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_what_is_exported_is_read_back(suite, tmp_path, name, capsys):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    out = tmp_path / "out"
    assert main(["export", str(suite), "--to", name, "-o", str(out), "--splits", "test"]) == 0
    assert f"2 catalogues written to {out}" in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == [f"mocks_00000{i}.{name}" for i in (1, 2)]
    with Suite(suite) as opened:
        for row in (1, 2):
            path, right = out / f"mocks_00000{row}.{name}", opened[row]
            if path.suffix in READ:
                assert read_catalogue(path) == right
            if name != "asdf" and len(right):
                found = prepared(path, tmp_path)
                for column, values in right.columns.items():
                    np.testing.assert_array_equal(found.columns[column], values)
                assert name == "npy" or found.units == right.units


def test_others_find_units_and_the_rest(suite):
    for name in ("csv", "npy"):
        assert main(["export", str(suite), "--to", name, "--number", "1"]) == 0
    table = Table.read(suite.with_suffix(".csv"), format="ascii.ecsv")
    assert table["size"].unit == units.kpc and str(table["mass"].unit) == "solMass / littleh"
    assert table.meta["cosmology"] == {"omega_m": 0.31} and table.meta["box"] == [100.0] * 3
    assert table["id"][0] == 2**60 and table["size"].dtype == np.float32
    records = np.load(suite.with_suffix(".npy"))
    assert records.dtype.names == ("x", "y", "z", "mass", "id", "size")
    np.testing.assert_array_equal(records["x [Mpc/h]"], records["x"])


def test_several_go_beside_the_suite_and_a_file_of_another_kind_stays(suite, capsys):
    assert main(["export", str(suite), "--to", "csv"]) == 0
    assert len(list(suite.with_suffix("").iterdir())) == 3
    other = suite.with_suffix(".csv")
    other.write_text("x,y,z\n")
    assert main(["export", str(suite), "--to", "csv", "-n", "1"]) == 2
    assert "of the same kind to replace" in capsys.readouterr().err
    assert other.read_text() == "x,y,z\n"


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_package_that_is_missing_is_named(suite, name, monkeypatch, capsys):
    for module in ("pyarrow", "pyarrow.parquet", "asdf"):
        monkeypatch.setitem(sys.modules, module, None)
    assert main(["export", str(suite), "--to", name]) == 2
    assert "pip install 'galgen[formats]'" in capsys.readouterr().err
    assert [p.name for p in suite.parent.iterdir()] == ["mocks.h5"]
