"""galgen mock: survey files from a suite, made only where they are not there; every wrong turn."""

import json
from pathlib import Path

import healpy
import numpy as np
import pytest

from galgen.cli import main
from galgen.data.catalogue import Catalogue
from galgen.data.suite import write_suite
from galgen.mocks import read_sky_catalogue

OPTIONS = ["--redshifts", "0.02", "0.05", "--randoms.times", "2", "--no-picture"]


def boxes(number: int, velocities: bool = True, redshift: float = 0.0) -> list[Catalogue]:
    out = []
    for seed in range(number):
        rng = np.random.default_rng(seed)
        columns = dict(zip("xyz", rng.uniform(0, 100, (3, 800)), strict=True))
        if velocities:
            motions = rng.normal(0, 300, (3, 800))
            columns |= dict(zip(("vx", "vy", "vz"), motions, strict=True))
        columns["mass"] = 10 ** rng.uniform(13.3, 14.8, 800)
        cosmology = {"omega_m": 0.3, "sigma_8": 0.8}
        out.append(Catalogue(columns, (100.0,) * 3, redshift, cosmology))
    return out


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    write_suite(tmp_path / "suite.h5", boxes(3), ["train", "test", "test"])
    return tmp_path / "suite.h5"


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str], *words: str) -> None:
    capsys.readouterr()
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("galgen: error: ")
    for word in words:
        assert word in error, error


def test_every_catalogue_becomes_data_and_randoms(suite: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "mocks"
    ring = np.zeros(768)
    ring[:400] = 1.0
    healpy.write_map(tmp_path / "mask.fits", ring, dtype=np.float64)
    healpy.write_map(tmp_path / "part.fits", np.full(192, 0.5), dtype=np.float64)
    (tmp_path / "nz.txt").write_text("0.02 2e-4\n0.05 5e-4\n")
    arguments = [
        "mock",
        str(suite),
        "-o",
        str(out),
        *OPTIONS,
        "--mask",
        str(tmp_path / "mask.fits"),
    ]
    arguments += ["--completeness", str(tmp_path / "part.fits"), "--populate", "--hdf5"]
    arguments += ["--radial", str(tmp_path / "nz.txt"), "--fibre-collisions", "--seed", "4"]
    arguments += ["--occupation.log-mass-min", "13.3"]
    assert main(arguments) == 0
    assert "3 mocks written" in capsys.readouterr().out
    names = {
        f"mock_{n:06d}_{w}{s}" for n in range(3) for w in ("data", "randoms") for s in SUFFIXES
    }
    assert {p.name for p in out.iterdir()} == names
    data = read_sky_catalogue(out / "mock_000001_data.fits")
    assert data == read_sky_catalogue(out / "mock_000001_data.h5")
    randoms = read_sky_catalogue(out / "mock_000001_randoms.fits")
    assert len(randoms) == 2 * len(data) > 200
    assert np.all(data.columns["COMP"] == 0.5) and data.columns["WEIGHT"].max() > 1
    assert {"HALO_MASS", "CENTRAL", "HALO"} < set(data.columns)
    recipe = json.loads(data.provenance["recipe"])
    assert recipe["redshifts"] == [0.02, 0.05] and recipe["occupation"]["log_mass_min"] == 13.3
    assert data.provenance["seed"] == "4" and data.provenance["catalogue"] == "1"
    assert data.provenance["survey seed"] != "4"
    expected = float(data.provenance["expected objects"])
    assert data.columns["WEIGHT"].sum() == pytest.approx(expected, abs=5 * np.sqrt(expected))


SUFFIXES = (".fits", ".h5")


def test_it_goes_on_where_it_stopped(suite: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "mocks"
    arguments = ["mock", str(suite), "-o", str(out), *OPTIONS]
    assert main(arguments) == 0
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.iterdir()}
    (out / "mock_000001_randoms.fits").unlink()
    assert main(arguments) == 0
    assert "1 mocks written" in (printed := capsys.readouterr().out) and "2 kept" in printed
    after = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.iterdir()}
    assert {n: b for n, (b, _) in before.items()} == {n: b for n, (b, _) in after.items()}
    assert {n for n in before if before[n][1] != after[n][1]} == {
        "mock_000001_data.fits",
        "mock_000001_randoms.fits",
    }
    fails([*arguments, "--seed", "1"], capsys, "mock_000000_data.fits of others", "--overwrite")
    fails([*arguments, "--redshifts", "0.02", "0.04"], capsys, "--overwrite")
    # Files that are asked for besides make no mock of other options one that is not whole.
    fails([*arguments, "--seed", "1", "--hdf5"], capsys, "mock_000000_data.fits of others")
    (out / "mock_000000_data.fits").rename(tmp_path / "moved.fits")
    fails([*arguments, "--seed", "1"], capsys, "mock_000000_randoms.fits of others")
    (tmp_path / "moved.fits").rename(out / "mock_000000_data.fits")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {n: b for n, (b, _) in before.items()}
    assert main([*arguments, "--hdf5"]) == 0
    assert len(list(out.glob("*.h5"))) == 6 and "3 mocks written" in capsys.readouterr().out
    assert all((out / name).read_bytes() == content for name, (content, _) in before.items())
    assert main([*arguments, "--seed", "1", "--overwrite"]) == 0
    assert "3 mocks written" in capsys.readouterr().out
    assert (out / "mock_000000_data.fits").read_bytes() != before["mock_000000_data.fits"][0]
    # A box that has changed is not the one the mock was made of.
    write_suite(suite, boxes(3, velocities=False), "train")
    fails([*arguments, "--seed", "1", "--no-redshift-space"], capsys, "--overwrite")


def test_chosen_catalogues_do_not_depend_on_the_others(suite: Path, tmp_path: Path, capsys) -> None:
    for name, choice in (
        ("all", []),
        ("one", ["--catalogues", "2"]),
        ("test", ["--splits", "test"]),
    ):
        assert main(["mock", str(suite), "-o", str(tmp_path / name), *OPTIONS, *choice]) == 0
    assert len(list((tmp_path / "one").iterdir())) == 2
    assert len(list((tmp_path / "test").iterdir())) == 4
    files = [(tmp_path / n / "mock_000002_data.fits").read_bytes() for n in ("all", "one", "test")]
    assert files[0] == files[1]
    assert read_sky_catalogue(tmp_path / "test" / "mock_000002_data.fits").columns[
        "Z"
    ].tolist() == (
        read_sky_catalogue(tmp_path / "all" / "mock_000002_data.fits").columns["Z"].tolist()
    )
    choice = ["--splits", "test", "--catalogues", "0"]
    fails(["mock", str(suite), *OPTIONS, *choice], capsys, "from 1 to 2, got [0]")


def test_snapshots_become_one_light_cone_with_a_picture(tmp_path: Path) -> None:
    snapshots = [boxes(1, redshift=z)[0] for z in (0.04, 0.0)]
    write_suite(tmp_path / "suite.h5", snapshots, "train")
    arguments = ["mock", str(tmp_path / "suite.h5"), "-o", str(tmp_path / "out"), "--light-cone"]
    assert main([*arguments, *OPTIONS[:-1], "--density", "3e-4"]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "mock_000000_data.fits",
        "mock_000000_randoms.fits",
        "mock_000000.png",
    }
    assert (tmp_path / "out" / "mock_000000.png").read_bytes()[:4] == b"\x89PNG"
    data = read_sky_catalogue(tmp_path / "out" / "mock_000000_data.fits")
    assert data.provenance["catalogue"] == "0 1" and np.all(data.columns["NZ"] == 3e-4)


def test_wrong_turns(suite: Path, tmp_path: Path, capsys) -> None:
    start = ["mock", str(suite), "-o", str(tmp_path / "out"), *OPTIONS]
    fails(
        [*start, "--density", "1"], capsys, "suite.h5, catalogue 0", "at least 1 points", "populate"
    )
    fails([*start, "--density", "1", "--radial", "x.txt"], capsys, "--density and --radial")
    fails([*start, "--radial", str(tmp_path / "x.txt")], capsys, "x.txt", "no such file")
    fails([*start, "--mask", str(tmp_path / "x.fits")], capsys, "x.fits", "no such file")
    fails(["mock", str(tmp_path / "none.h5")], capsys, "none.h5")
    fails([*start, "--remapping", *"100010001"], capsys, "--no-tiled")
    fails([*start, "--redshift", "0.1"], capsys, "--redshift")
    fails([*start, "--splits", "nowhere"], capsys, "nowhere", "train")
    fails(
        [*start, "--redshifts", "0.02", "0.0200000001"], capsys, "galaxies in the survey, got none"
    )
    assert not (tmp_path / "out").exists()
    write_suite(suite, boxes(2, velocities=False), "train")
    fails(start, capsys, "velocities for redshift space", "--no-redshift-space")
    assert main([*start, "--no-redshift-space"]) == 0
    view = ["--no-tiled", "--remapping", *"110001100", "--observer", "-0.5", "0.5", "0.5"]
    more = ["--no-redshift-space", "--redshifts", "0.01", "0.1", "--overwrite"]
    assert main([*start, *more, *view]) == 0
    assert len(read_sky_catalogue(tmp_path / "out" / "mock_000000_data.fits")) > 700


def test_help_teaches(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["mock", "--help"])
    assert stop.value.code in (0, None)
    printed = capsys.readouterr().out
    for words in (
        "Example: galgen mock",
        "--mask",
        "--populate",
        "--occupation.log-mass-min",
        "-o",
    ):
        assert words in printed
