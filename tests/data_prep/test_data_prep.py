import importlib
import json
import subprocess
import sys
from pathlib import Path

import healpy
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.table import Table
from raw_layouts import write_fastfood

import data_prep.tables.files
from data_prep.boxes import place_in_box
from data_prep.command import main
from data_prep.options import parse_numbers, parse_pairs
from data_prep.preparation import check_fractions, random_splits
from data_prep.simulations.fastfood import FastFoodSource
from data_prep.surveys.cubes import cut_survey, read_survey
from data_prep.tables.source import TableSource
from galgen.data.catalogue import Catalogue
from galgen.data.cutting import cut_into_cubes, thin
from galgen.data.suite import Suite
from galgen.errors import InputError

SHARED = Path(__file__).parents[3] / "shared" / "data"


def read_tables(path, columns, box, **options):
    """The catalogues of a table."""
    text = ",".join(f"{name}={column}" for name, column in columns.items())
    source = TableSource(
        inputs=(path,), output=path.with_name("unused.h5"), box=(box,) * 3, columns=text, **options
    )
    return list(source.boxes())


def read_fastfood(path, box=None):
    """The catalogue of a fast-food file."""
    sides = None if box is None else (box,) * 3
    source = FastFoodSource(inputs=(path,), output=path.with_suffix(".h5"), box=sides)
    (catalogue,) = source.boxes()
    return catalogue


def box_columns(points=500, side=100.0, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0, side, points) for name in "xyz"} | {
        "mass": 10 ** rng.uniform(12, 14, points)
    }


def write_survey(path, number=60000, seed=0):
    """Galaxies uniform in comoving volume over a cap of the sky."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(1e-4, 0.12, 400)
    distances = FlatLambdaCDM(H0=100, Om0=0.3).comoving_distance(grid).value
    radius = distances[-1] * np.cbrt(rng.random(number))
    table = Table(
        {
            "ra": rng.uniform(120, 250, number),
            "Dec": np.degrees(np.arcsin(rng.uniform(0.0, 0.9, number))),
            "Z": np.interp(radius, distances, grid),
        }
    )
    table.write(path)


def test_cubes_hold_every_point_once():
    catalogue = Catalogue(box_columns(), (100.0,) * 3, redshift=0.5, cosmology={"omega_m": 0.3})
    cubes = cut_into_cubes(catalogue, 25.0)
    assert sum(map(len, cubes)) == 500 and len(cubes) == 64
    back = []
    for cube in cubes:
        corner = np.array(cube.provenance["corner [Mpc/h]"].split(), float)
        assert cube.box == (25.0,) * 3 and not cube.periodic and cube.redshift == 0.5
        assert cube.cosmology == {"omega_m": 0.3}
        assert np.all(corner % 25 == 0)
        back.append(np.column_stack([cube.positions + corner, cube.columns["mass"]]))
    found = np.concatenate(back)
    wanted = np.column_stack([catalogue.positions, catalogue.columns["mass"]])
    by_mass = found[np.argsort(found[:, 3])]
    np.testing.assert_allclose(by_mass, wanted[np.argsort(wanted[:, 3])], atol=1e-9)


def test_cutting_drops_the_rest_and_keeps_empty_cubes():
    catalogue = Catalogue(box_columns(), (100.0,) * 3)
    kept = catalogue.positions.max(axis=1) < 90
    assert sum(map(len, cut_into_cubes(catalogue, 30.0))) == kept.sum()
    one = cut_into_cubes(catalogue.select(np.flatnonzero(kept)[:1]), 30.0)
    assert sorted(map(len, one)) == [0] * 26 + [1]
    assert len({cube.provenance["corner [Mpc/h]"] for cube in one}) == 27
    with pytest.raises(InputError, match=r"cube side up to the box .*, got 101; pass a smaller"):
        cut_into_cubes(catalogue, 101.0)


def test_positions_on_the_edge_wrap_and_beyond_it_fail():
    columns = {"x": np.array([100.0, -1e-6, 50]), "y": np.zeros(3), "z": np.zeros(3)}
    assert place_in_box(columns, 100.0).columns["x"].tolist() == [0, 0, 50]
    with pytest.raises(InputError, match=r"column 'x' in \[0, 100\).*kpc/h"):
        place_in_box(columns | {"x": np.array([100_000.0, 1, 2])}, 100.0)
    with pytest.raises(InputError, match=r"fill a box of 900000 Mpc/h.*check the units"):
        place_in_box(box_columns(), 9e5)
    with pytest.raises(InputError, match=r"a column 'z', got \['x', 'y'\]; map it"):
        place_in_box({"x": np.ones(1), "y": np.ones(1)}, 10.0)
    with pytest.raises(
        InputError,
        match=r"the box above 0 and below 1e.06 Mpc/h, got 0; check its unit, or pass --box",
    ):
        place_in_box(columns, 0.0)


def test_thinning():
    catalogue = Catalogue(box_columns(), (100.0,) * 3)
    masses = catalogue.columns["mass"]
    heavy = thin(catalogue, None, 20)
    np.testing.assert_array_equal(np.sort(heavy.columns["mass"]), np.sort(masses)[-20:])
    assert len(thin(catalogue, 1e13, None)) == np.sum(masses >= 1e13)
    bare = catalogue.replace(columns={n: catalogue.columns[n] for n in "xyz"})
    assert thin(bare, None, 20, seed=1) == thin(bare, None, 20, seed=1)
    assert thin(bare, None, 20, seed=1) != thin(bare, None, 20, seed=2)
    with pytest.raises(InputError, match="a column 'mass'"):
        thin(bare, 1e13, None)
    with pytest.raises(InputError, match="raise --n-max"):
        thin(catalogue, None, 0)


def test_splits_are_exact_and_random_by_seed():
    splits = random_splits(50, {"train": 0.8, "test": 0.2}, 0)
    assert splits.count("train") == 40 and splits.count("test") == 10
    assert splits == random_splits(50, {"train": 0.8, "test": 0.2}, 0)
    assert splits != random_splits(50, {"train": 0.8, "test": 0.2}, 1)
    for wrong in ({"train": 0.8}, {}, {"a": 1.5, "b": -0.5}, {"a": 1.0, "b": 0.0}, {"a": np.nan}):
        for check in (check_fractions, lambda fractions: random_splits(50, fractions, 0)):
            with pytest.raises(InputError, match="positive split fractions that add up to 1, got"):
                check(wrong)
    with pytest.raises(InputError, match="a catalogue or more in each split, got 1"):
        random_splits(1, {"train": 0.5, "test": 0.5}, 0)


def test_pairs():
    assert parse_pairs("x=0, log_mass = M") == {"x": "0", "log_mass": "M"}
    assert parse_numbers("") == {}
    with pytest.raises(InputError, match="write a=1,b=2"):
        parse_pairs("x")
    with pytest.raises(InputError, match="expected numbers in 'h=big'"):
        parse_numbers("h=big")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fastfood_round_trip(tmp_path, dtype):
    path, columns = tmp_path / "a.ff", box_columns()
    write_fastfood(path, columns, 100.0, dtype=dtype)
    catalogue = read_fastfood(path)
    assert catalogue.box == (100.0,) * 3 and catalogue.redshift == 0.5
    for axis, name in enumerate("xyz"):
        wanted = columns[name].astype(dtype)
        np.testing.assert_array_equal(catalogue.positions[:, axis], wanted)
    with pytest.raises(InputError, match=r"column 'x' in \[0, 50\)"):
        read_fastfood(path, 50.0)


def test_fastfood_damage(tmp_path):
    path = tmp_path / "a.ff"
    with pytest.raises(InputError, match="got no such file; check the path"):
        read_fastfood(path)
    write_fastfood(path, box_columns(), 100.0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(InputError, match="whole Fortran records"):
        read_fastfood(path)
    path.write_bytes(b"SIMPLE  =  T  and so on, as FITS begins")
    with pytest.raises(InputError, match=r"a\.ff: .*whole Fortran records, .* another format"):
        read_fastfood(path)
    path.write_bytes(np.frombuffer(whole, "<u4").astype(">u4").tobytes())
    with pytest.raises(InputError, match=r"whole Fortran records, .* byte-swapped"):
        read_fastfood(path)
    path.write_bytes(whole[:28])
    with pytest.raises(InputError, match="a fast-food header"):
        read_fastfood(path)


@pytest.mark.parametrize(
    "suffix", ["csv", "ecsv", "txt", "fits", "parquet", "npz", "npy", "structured.npy"]
)
def test_every_table_format_reads_alike(tmp_path, suffix):
    path, columns = tmp_path / f"table.{suffix}", box_columns()
    names = {"x": "x", "y": "y", "z": "z", "log_mass": "m"}
    stored = {"x": columns["x"], "y": columns["y"], "z": columns["z"]}
    stored["m"] = np.log10(columns["mass"])
    if suffix == "npz":
        np.savez(path, **stored)
    elif suffix == "npy":
        np.save(path, np.column_stack(list(stored.values())))
        names = {"x": "0", "y": "1", "z": "2", "log_mass": "3"}
    elif suffix == "structured.npy":
        np.save(path, Table(stored).as_array())
    elif suffix == "parquet":
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.table(stored), path)
    else:
        formats = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "txt": "ascii.basic", "fits": "fits"}
        Table(stored).write(path, format=formats[suffix])
    (catalogue,) = read_tables(path, names, 100.0, redshift=0.3, cosmology="omega_m=0.3")
    for name in columns:
        np.testing.assert_allclose(catalogue.columns[name], columns[name], rtol=1e-12)
    assert catalogue.cosmology == {"omega_m": 0.3} and catalogue.redshift == 0.3


def test_a_stack_of_catalogues_with_their_parameters(tmp_path, monkeypatch):
    path = tmp_path / "stack.npz"
    x = np.random.default_rng(0).uniform(0, 50, (3, 40, 3))
    np.savez(path, x=x, theta=np.arange(6.0).reshape(3, 2))
    columns = {"x": "0", "y": "1", "z": "2"}
    loaded, load = [], data_prep.tables.files.read_npz
    with monkeypatch.context() as patch:
        read_once = lambda *a: loaded.append(a[0]) or load(*a)  # noqa: E731
        patch.setattr(data_prep.tables.files, "read_npz", read_once)
        boxes = read_tables(
            path, columns, 50.0, array="x", parameters="theta", parameter_names=("a", "b")
        )
    assert loaded == [path]
    np.testing.assert_array_equal(boxes[2].positions, x[2])
    assert [b.cosmology for b in boxes] == [{"a": 2.0 * i, "b": 2.0 * i + 1} for i in range(3)]
    with pytest.raises(InputError, match=r"shape \(3, 1\), got \(3, 2\); name every"):
        read_tables(path, columns, 50.0, array="x", parameters="theta", parameter_names=("a",))
    with pytest.raises(InputError, match=r"an array 'y' .* got \['x', 'theta'\]"):
        read_tables(path, columns, 50.0, array="y")
    with pytest.raises(InputError, match=r"columns \['0', '9'\].* no '9' among"):
        read_tables(path, {"x": "0", "y": "9"}, 50.0, array="x")
    np.save(tmp_path / "stack.npy", x)
    with pytest.raises(InputError, match=r"an \.npz with an array of parameters, got .*\.npy"):
        read_tables(tmp_path / "stack.npy", columns, 50.0, parameters="theta")


def test_parquet_without_pyarrow_is_named(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    (tmp_path / "a.Parquet").touch()
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"pyarrow .*; pip install 'galgen\[formats\]'"):
        read_tables(tmp_path / "a.Parquet", {"x": "x"}, 1.0)


def test_tables_that_cannot_be_read(tmp_path):
    path = tmp_path / "bad.csv"
    with pytest.raises(InputError, match="no such file"):
        read_tables(path, {"x": "x"}, 1.0)
    path.write_text("x,y\n1,2,3\n4\n")
    with pytest.raises(InputError, match="every row has as many values"):
        read_tables(path, {"x": "x"}, 1.0)
    path.write_text("x,y\n1,\n2,3\n")
    with pytest.raises(
        InputError, match=r"a value in each of 2 rows, got .*: 1 in y; pass --drop-missing"
    ):
        read_tables(path, {"x": "x", "y": "y"}, 10.0)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match=r"expected a whole Parquet file, got .*copy it again"):
        read_tables(tmp_path / "bad.parquet", {"x": "x"}, 1.0)
    bad = tmp_path / "bad.npy"
    bad.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="expected a whole npy file"):
        read_tables(bad, {"x": "x"}, 1.0)


@pytest.fixture(scope="module")
def survey_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("survey") / "survey.fits"
    write_survey(path)
    return path


def test_survey_cubes_are_inside_and_have_the_mean_density(survey_file):
    survey = read_survey(survey_file, 0.02, 0.1, nside=16)
    _, densities = survey.densities()
    np.testing.assert_allclose(densities, densities.mean(), rtol=0.05)
    cubes = cut_survey(survey, 45.0)
    counts = np.array([len(cube) for cube in cubes])
    assert len(cubes) > 20
    expected = 60000 / (4 / 3 * np.pi * 0.45 * 130 / 360 * survey_far() ** 3) * 45.0**3
    pull = (counts - expected) / np.sqrt(expected)
    assert abs(pull.mean()) < 0.5 and 0.7 < pull.std() < 1.4
    for cube in cubes:
        corner = np.array(cube.provenance["corner [Mpc/h]"].split(), float)
        probes = np.random.default_rng(5).random((500, 3)) * 45 + corner
        assert survey.footprint.contains(probes).mean() > 0.97
        assert 0.02 < cube.redshift < 0.1 and not cube.periodic
        assert cube.provenance["space"] == "redshift"


def survey_far():
    return FlatLambdaCDM(H0=100, Om0=0.3).comoving_distance(0.12).value


def test_survey_geometry_is_the_sky(survey_file):
    survey = read_survey(survey_file, 0.02, 0.1)
    table = Table.read(survey_file)
    table = table[(table["Z"] >= 0.02) & (table["Z"] <= 0.1)]
    distance = FlatLambdaCDM(H0=100, Om0=0.3).comoving_distance(table["Z"]).value
    longitude, latitude = healpy.vec2ang(survey.positions, lonlat=True)
    np.testing.assert_allclose(longitude, table["ra"], atol=1e-6)
    np.testing.assert_allclose(latitude, table["Dec"], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(survey.positions, axis=1), distance, rtol=1e-9)


def test_more_shifts_of_the_grid_never_lose_cubes(survey_file):
    survey = read_survey(survey_file, 0.02, 0.1, nside=16)
    assert len(cut_survey(survey, 60.0, offsets=4)) >= len(cut_survey(survey, 60.0))
    with pytest.raises(InputError, match="got none; pass a smaller --cut"):
        cut_survey(survey, 250.0)


def test_survey_bad_input(tmp_path, survey_file):
    with pytest.raises(InputError, match="0 < z_min < z_max"):
        read_survey(survey_file, 0.1, 0.02)
    with pytest.raises(InputError, match="none of those from"):
        read_survey(survey_file, 0.5, 0.6)
    with pytest.raises(InputError, match="got no such file; check the path"):
        read_survey(tmp_path / "absent.fits", 0.02, 0.1)
    for name, value, message in (
        ("Z", 9000.0, "divide cz in km/s by 299792.458"),
        ("DEC", 100.0, "angles in degrees"),
    ):
        path = tmp_path / f"{name}.fits"
        Table({"RA": [1.0], "DEC": [1.0], "Z": [0.1]} | {name: [value]}).write(path)
        with pytest.raises(InputError, match=message):
            read_survey(path, 0.02, 0.1)
    path = tmp_path / "columns.fits"
    Table({"RA": [1.0], "DEC": [1.0]}).write(path)
    with pytest.raises(InputError, match=r"got no 'Z' among \['RA', 'DEC'\]; choose"):
        read_survey(path, 0.02, 0.1)
    path = tmp_path / "text.fits"
    path.write_text("not FITS")
    with pytest.raises(InputError, match="expected"):
        read_survey(path, 0.02, 0.1)


def test_command_line_writes_a_suite(tmp_path, capsys):
    path, output = tmp_path / "box.npz", tmp_path / "suite.h5"
    np.savez(path, **box_columns(3000))
    arguments = f"table {path} -o {output} --box 100 --cut 50 --cosmology omega_m=0.3,h=0.7".split()
    arguments += ["--columns", "x=x,y=y,z=z,mass=mass", "--mass-min", "1e13", "--n-max", "100"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "8 catalogues" in text and "test 2, train 6" in text
    assert "50 x 50 x 50 Mpc/h, open" in text
    with Suite(output) as suite:
        assert suite.counts.max() <= 100 and len(suite.indices("test")) == 2
        assert all(c.columns["mass"].min() >= 1e13 for c in suite)
        assert suite.parameter_table(["omega_m"]).tolist() == [[0.3]] * 8
        first = [json.dumps(dict(c.provenance)) for c in suite]
    assert main(arguments) == 0
    with Suite(output) as suite:
        assert [json.dumps(dict(c.provenance)) for c in suite] == first


def test_command_line_mistakes_are_one_line(tmp_path, capsys, survey_file):
    output = tmp_path / "suite.h5"
    assert main(["survey", str(survey_file), "-o", str(output), "--z-min", ".02", "--z-max", ".1"])
    error = capsys.readouterr().err
    assert error.startswith("data_prep: error: expected a cube side") and error.count("\n") == 1
    assert not output.exists()


def test_the_module_runs():
    done = subprocess.run(
        [sys.executable, "-m", "data_prep", "--help"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0 and "fastfood" in done.stdout


@pytest.mark.slow
def test_sdss_cubes(tmp_path):
    path = SHARED / "sdss_dr7" / "vollim_dr7_cbp_102709.fits"
    if not path.is_file():
        pytest.skip("needs ../shared/data, absent here")
    cubes = cut_survey(read_survey(path, 0.02, 0.1), 38.0, offsets=8)
    counts = np.array([len(cube) for cube in cubes])
    assert len(cubes) >= 200 and np.median(counts) > 250
    assert np.mean((counts >= 150) & (counts <= 500)) > 0.75


@pytest.mark.slow
def test_corrfunc_mock():
    path = SHARED / "corrfunc" / "gals_Mr19.ff"
    if not path.is_file():
        pytest.skip("needs ../shared/data, absent here")
    catalogue = read_fastfood(path)
    assert len(catalogue) == 1235904 and catalogue.box == (420.0,) * 3
    assert sum(map(len, cut_into_cubes(catalogue, 30.0))) == 1235904
