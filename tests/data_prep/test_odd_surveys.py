"""Survey catalogues as people have them: read right, or refused in a line that says what helps."""

import re

import numpy as np
import pytest
from astropy.cosmology import Flatw0waCDM, LambdaCDM
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from data_prep.account import Account
from data_prep.command import main, parse
from data_prep.surveys.columns import SkyColumns, read_sky
from data_prep.surveys.cubes import read_survey
from galgen.data.suite import Suite
from galgen.errors import InputError

NUMBER = 50
RNG = np.random.default_rng(0)
RA, DEC = RNG.uniform(150, 200, NUMBER), RNG.uniform(10, 40, NUMBER)
Z = RNG.uniform(0.02, 0.1, NUMBER)
PLAIN = {"RA": RA, "DEC": DEC, "Z": Z}
IDS = 2**60 + np.arange(NUMBER)


def in_fits(path, columns, units=None):
    formats = {"f": "D", "i": "K"}
    made = [
        fits.Column(name, formats[values.dtype.kind], (units or {}).get(name), array=values)
        for name, values in columns.items()
    ]
    fits.BinTableHDU.from_columns(made).writeto(path)
    return path


def masked(kind):
    values = np.ones(NUMBER, kind)
    return MaskedColumn(values, mask=np.arange(NUMBER) < 4)


@pytest.mark.parametrize(
    ("columns", "units", "names"),
    [
        (PLAIN, {}, {}),
        (PLAIN | {"z": Z + 18}, {}, {}),
        ({"ra": RA, "Dec": DEC, "z": Z}, {}, {}),
        (PLAIN | {"ra": RA - 100, "dec": -DEC}, {}, {}),
        (PLAIN, {"RA": "deg", "DEC": "deg"}, {}),
        ({"RA": np.radians(RA), "DEC": np.radians(DEC), "Z": Z}, {"RA": "rad", "DEC": "rad"}, {}),
        ({"RA": RA / 15, "DEC": DEC, "Z": Z}, {"RA": "hourangle"}, {}),
        ({"RA": RA / 15, "DEC": 60 * DEC, "Z": Z}, {"RA": "h", "DEC": "arcmin"}, {}),
        ({"RA": RA, "DEC": DEC, "Z": Z * 299792.458}, {"Z": "km/s"}, {}),
        ({"RA": RA, "DEC": DEC, "Z": Z * 299792458.0}, {"Z": "m s-1"}, {}),
        (
            {"RAJ2000": RA, "DEJ2000": DEC, "Z_COSMO": Z, "Z": Z + 3},
            {},
            {"ra": "RAJ2000", "dec": "DEJ2000", "redshift": "Z_COSMO"},
        ),
    ],
)
def test_skies(tmp_path, columns, units, names):
    found = read_sky(in_fits(tmp_path / "a.fits", columns, units), chosen=SkyColumns(names))
    right = read_sky(in_fits(tmp_path / "right.fits", PLAIN))
    np.testing.assert_allclose(found.directions, right.directions, atol=1e-12)
    np.testing.assert_allclose(found.redshift, Z, rtol=1e-12)
    silent = [columns for name, columns in (("RA", "RA"), ("DEC", "DEC")) if name not in units]
    assert len(" ".join(found.assumed).split()) == (len(silent) + 2 if silent else 0)


@pytest.mark.parametrize(
    ("columns", "units", "message"),
    [
        ({"Ra": RA, "rA": RA, "DEC": DEC, "Z": Z}, {}, "one column 'RA' in HDU 1 .* got 2: 'Ra'"),
        ({"RA": RA, "DEC": DEC}, {}, "no 'Z' among .* another table with --hdu"),
        (PLAIN | {"RA": np.where(RA[7] == RA, np.nan, RA)}, {}, "NaN or infinite ones: 1 in RA; "),
        (PLAIN | {"Z": np.where(Z[7] == Z, np.inf, Z)}, {}, "NaN or infinite ones: 1 in Z; "),
        (PLAIN, {"RA": "Mpc"}, "column 'ra' in a unit that converts to deg, got Mpc"),
        (PLAIN, {"DEC": "furlong"}, "a unit of column 'dec' .* got 'furlong'"),
        (PLAIN, {"Z": "Mpc"}, "column 'redshift' in a unit that converts to no unit"),
        (PLAIN | {"DEC": DEC + 80}, {}, "angles in degrees"),
        (PLAIN | {"Z": Z * 3e5}, {}, "divide cz in km/s by 299792.458"),
    ],
)
def test_skies_that_are_refused(tmp_path, columns, units, message):
    path = in_fits(tmp_path / "a.fits", columns, units)
    with pytest.raises(InputError, match=message) as said:
        read_sky(path)
    assert str(path) in str(said.value) and "\n" not in str(said.value)


@pytest.mark.parametrize("name", ["RA", "Z", "WEIGHT", "WEIGHT_FKP", "NX"])
@pytest.mark.parametrize("kind", [np.int32, np.float64])
def test_masked_values_are_refused_or_dropped(tmp_path, name, kind):
    path = tmp_path / "a.ecsv"
    table = Table(PLAIN)
    table[name] = masked(kind)
    table.write(path)
    with pytest.raises(InputError, match=rf"masked, .*: 4 in {name}; pass --drop-missing"):
        read_sky(path)
    account = Account()
    sky = read_sky(path, chosen=SkyColumns(drop_missing=True), account=account)
    assert len(sky.redshift) == NUMBER - 4 == account.points - account.dropped.total()
    assert dict(account.dropped) == {f"without a value in {name}": 4}
    assert all(set(v.tolist()) == {1.0} for v in sky.columns.values())


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["WEIGHT", "WEIGHT_SYS", "WEIGHT_COMP", "WEIGHT_ZFAIL", "WEIGHT_FKP"], []),
        (["WEIGHT", "WEIGHT_SYSTOT"], ["WEIGHT_SYSTOT"]),
        (["WEIGHT_CP", "WEIGHT_NOZ"], ["WEIGHT_CP", "WEIGHT_NOZ"]),
        (["weight_foo", "w"], ["weight_foo", "w"]),
    ],
)
def test_weights_that_are_not_used_are_named(tmp_path, names, left):
    path = in_fits(tmp_path / "a.fits", PLAIN | dict.fromkeys(names, np.ones(NUMBER)))
    account = Account()
    read_sky(path, account=account)
    assert list(account.left) == left
    account = Account()
    read_sky(path, "none", account=account)
    assert not account.left


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("", LambdaCDM(100, 0.3, 0.7)),
        ("--omega-m 0.25", LambdaCDM(100, 0.25, 0.75)),
        ("--w0 -0.7 --wa -0.5", Flatw0waCDM(100, 0.3, w0=-0.7, wa=-0.5)),
        ("--omega-k 0.1", LambdaCDM(100, 0.3, 0.6)),
        ("--cosmology Om0=0.25,Ode0=0.6,H0=67", LambdaCDM(100, 0.25, 0.6)),
        ("--cosmology w=-0.7 --omega-m 0.3 --wa -0.5", Flatw0waCDM(100, 0.3, w0=-0.7, wa=-0.5)),
    ],
)
def test_distances_are_those_of_the_cosmology(tmp_path, words, right):
    path = in_fits(tmp_path / "a.fits", PLAIN)
    line = ["survey", str(path), "-o", "o.h5", "--cut", "5", "--z-min", "0.02", "--z-max", "0.1"]
    source = parse([*line, *words.split()])
    survey = read_survey(path, 0.01, 0.11, source.parameters())
    found = np.linalg.norm(survey.positions, axis=1)
    np.testing.assert_allclose(found, right.comoving_distance(Z).value, rtol=1e-9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--omega-m 0.3 --cosmology omega_m=0.31", "the omega_m of the other options, 0.3, got"),
        ("--w0 5", "w0 between"),
        ("--cosmology Omega_foo=1", "known, got 'Omega_foo'"),
        ("--nside 0", "an nside from 1 to"),
        ("--cut -3", "positive cube side"),
        ("--columns x=Z", r"new names .* got \['x'\]"),
        ("--hdu 4", "--hdu to be one table"),
    ],
)
def test_options_that_are_refused(tmp_path, capsys, words, message):
    path = in_fits(tmp_path / "sky.fits", PLAIN)
    line = ["survey", str(path), "-o", str(tmp_path / "o.h5"), "--z-min", ".02", "--z-max", ".1"]
    cut = [] if "--cut" in words else ["--cut", "5"]
    assert main([*line, *cut, *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error)
    assert not (tmp_path / "o.h5").exists()


def test_identifiers_and_the_account(tmp_path, capsys):
    number = 20000
    rng = np.random.default_rng(1)
    columns = {
        "RA": rng.uniform(120, 250, number),
        "DEC": np.degrees(np.arcsin(rng.uniform(0.0, 0.9, number))),
        "Z": 0.12 * np.cbrt(rng.random(number)),
        "TARGETID": 2**60 + np.arange(number),
    }
    columns["Z"][:10] = np.nan
    path, output = in_fits(tmp_path / "a.fits", columns), tmp_path / "o.h5"
    words = f"survey {path} -o {output} --cut 60 --z-min 0.03 --z-max 0.1 --nside 8"
    assert main([*words.split(), "--drop-missing", "--columns", "id=TARGETID"]) == 0
    out = capsys.readouterr().out
    with Suite(output) as suite:
        found = np.concatenate([cube.columns["id"] for cube in suite])
        assert found.dtype == np.int64 and suite.units["id"] == ""
        assert suite[0].provenance["assumed"] == "RA DEC in degrees, omega_m 0.3 for distances"
        kept = suite.counts.sum()
    assert len(np.unique(found)) == len(found) and found.min() >= 2**60
    assert f"read: {number} points in 1 catalogue; kept: {kept}" in out
    dropped = {
        "10 points without a value in Z": 10,
        "points outside the redshift range": int(
            np.sum((columns["Z"] < 0.03) | (columns["Z"] > 0.1))
        ),
    }
    for text, points in dropped.items():
        assert (text if text[0].isdigit() else f"{points} {text}") in out
    rest = number - kept - sum(dropped.values())
    assert f"dropped: {rest} points in no cube inside the footprint" in out
    assert "of the volume of a.fits" in out
    assert "  assumed: RA DEC in degrees, omega_m 0.3 for distances" in out


def test_other_formats_of_surveys(tmp_path):
    pytest.importorskip("pyarrow")
    right = read_sky(in_fits(tmp_path / "a.fits", PLAIN | {"WEIGHT": Z}))
    Table(PLAIN | {"WEIGHT": Z}).write(tmp_path / "a.csv", format="ascii.csv")
    Table(PLAIN | {"WEIGHT": Z}).write(tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", **PLAIN, WEIGHT=Z)
    for name in ("a.csv", "a.parquet", "a.npz"):
        found = read_sky(tmp_path / name)
        np.testing.assert_allclose(found.directions, right.directions, atol=1e-15)
        np.testing.assert_array_equal(found.columns["weight"], Z)
