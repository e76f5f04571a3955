"""Tables as people have them: each is read right, or refused in a line that says what helps."""

import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from data_prep.command import main
from data_prep.command import parse as parsed_options
from galgen.data.suite import Suite
from galgen.errors import InputError

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NUMBER = 60
P = np.round(np.random.default_rng(0).uniform(0, 100, (NUMBER, 3)), 6)
X, Y, Z = P.T
IDS = 2**60 + np.arange(NUMBER)
ROWS = [[repr(float(v)) for v in row] for row in P]


def text(header, delimiter=",", end="", rows=ROWS):
    return header + "".join(delimiter.join(row) + end + "\n" for row in rows)


def boxes(path, words="", box="100"):
    """The catalogues that options make of a file, and the account."""
    line = ["table", str(path), "-o", str(path) + ".h5", "--box", *box.split(), *words.split()]
    source = parsed_options(line)
    return list(source.boxes()), source.account


TEXTS = {
    "csv": (text("x,y,z\n"), ""),
    "no header": (text("", ","), ""),
    "no header, by number": (text("", ","), "--columns x=0,y=1,z=2"),
    "no header, named": (text(""), "--names x y z"),
    "named anew": (text("a,b,c\n"), "--names x y z"),
    "mark of the order of bytes": ("\ufeff" + text("x,y,z\n"), ""),
    "comments above": (text("# made\n# by hand, in 2021\nx,y,z\n"), ""),
    "names in a comment": (text("# galaxies\n# x y z\n", " "), ""),
    "names in a comment of csv": (text("#x, y, z\n"), ""),
    "names with units": (text("# x[Mpc/h] y[Mpc/h] z[Mpc/h]\n", " "), ""),
    "names and units apart": (text("# x [Mpc/h]  y [Mpc/h]  z [Mpc/h]\n", " "), ""),
    "kpc/h in the header": (
        text(
            "x [kpc/h],y (kpc/h),z[kpc/h]\n", rows=[[repr(1000 * float(v)) for v in r] for r in P]
        ),
        "",
    ),
    "semicolons": (text("x;y;z\n", ";"), ""),
    "tabs": (text("x\ty\tz\n", "\t"), ""),
    "bars": (text("x|y|z\n", "|"), ""),
    "white space": (text("  x   y z\n", "  "), ""),
    "Windows": (text("x,y,z\n").replace("\n", "\r\n"), ""),
    "quotes": ('"x","y","z"\n' + "".join('"' + '","'.join(r) + '"\n' for r in ROWS), ""),
    "trailing commas": (text("x,y,z,\n", ",", ","), ""),
    "commas end rows only": (text("x,y,z\n", ",", ","), ""),
    "Fortran": (
        text("x y z\n", " ", rows=[[f"{v:.9e}".replace("e", "D") for v in r] for r in P]),
        "",
    ),
    "names of pandas": (text("0,1,2\n"), "--columns x=0,y=1,z=2"),
    "index of pandas": (
        text(",x,y,z\n", rows=[[str(i), *r] for i, r in enumerate(ROWS)]),
        "",
    ),
    "another case": (text("X,Y,Z\n"), ""),
    "upper case beside one lower": (
        text("X,Y,Z,z\n", rows=[[*r, "7.0"] for r in ROWS]),
        "",
    ),
    "exact among cases": (
        text("x,y,z,Z,X\n", rows=[[*r, "7.0", "8.0"] for r in ROWS]),
        "",
    ),
    "a gap that nobody asks for": (text("x,y,z,w\n", ",", ","), "--columns x=x,y=y,z=z"),
    "text that nobody asks for": (
        text("kind,x,y,z\n", rows=[["GALAXY, red", *r] for r in ROWS]).replace(
            "GALAXY, red", '"GALAXY, red"'
        ),
        "",
    ),
    "names that are no ASCII": (
        text("größe,x,y,z\n", rows=[["4", *r] for r in ROWS]),
        "",
    ),
    "an author in a comment, and text that is no ASCII": (
        text("# by Böhm\nkind,x,y,z\n", rows=[["Größe", *r] for r in ROWS]),
        "",
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text(tmp_path, case):
    path = tmp_path / "a.csv"
    content, words = TEXTS[case]
    path.write_text(content, newline="")
    (found,), account = boxes(path, words)
    np.testing.assert_allclose(found.positions, P, rtol=1e-12)
    assert account.points == NUMBER


BAD_TEXTS = [
    ("x,y,z\n1,2,3\n4,5\n", "3 values in row 1 .from 0. of .*, got 2"),
    ("x,y,z\n1,2,3\n4,5,6,7\n", "3 values in row 1 .from 0. of .*, got 4"),
    ("x,y\n1,2,3\n", "2 values in row 0 .* got 3"),
    ("x,y,z\n1,2,3\n4,five,6\n", "number in column 'y', row 1 .from 0., got 'five'"),
    ("x,y,z\n1,2,3\n4,1_000,6\n", "number in column 'y', row 1"),
    ("x,y,z\n1,2,3\n4,0x10,6\n", "number in column 'y', row 1"),
    ("x,y,z\n1,2,3\n4,\u0665,6\n", "number in column 'y', row 1"),
    ("x,y,z\n1,2,\n4,5,6\n", "1 in z; pass --drop-missing"),
    ("x,y,z\n1,NA,3\n4,nan,6\n", "2 in y; pass --drop-missing"),
    ("x,y,z\n1,2,3\n4,5\0,6\n", "NUL byte in line 3"),
    ('x,y,z\n1,2,3\n4,5,"6\n7,8,9\n', "3 rows in .*, as it has lines, got 1 by its quotes"),
    ("x,y,z\n", "rows below the names .* got none"),
    ("# x y z\n", "got no row"),
    (
        "x,x,y,z\n1,2,3,4\n",
        "one column 'x' in .*, got 2: 'x' .number 0., 'x' .number 1.",
        "--columns x=x,y=y,z=z",
    ),
    ("Xx,xX,y,z\n1,2,3,4\n", "one column 'xx' .* got 2", "--columns x=xx,y=y,z=z"),
    (
        "X,Y,Z,z\n1,2,3,4\n",
        "exact name of each column .* 'x' for 'X' beside 'z'",
        "--columns x=x,y=y,z=z",
    ),
    ("X,Y,z\n1,2,3\n", "x, y, z or one of positions"),
    ("a,500,c\n1,2,3\n", "names or numbers in the first line .*, or pass --names"),
    ("a,500,c\n1,2,3\n", "names or numbers .*, or take it out", "--names x y z"),
    ("x;y;z\n1,5;2,5;3,5\n", "number in column 'x', row 0 .from 0., got '1,5'"),
    ("GALAXY,1,2,3\n", "names or numbers in the first line .*, got both: .* pass --names"),
    ("1,2,3,4\n5,6,7,8\n", "x, y, z or one of positions.* --columns, e.g. x=0,y=1,z=2"),
    ("a,b,c\n5,6,7\n", r"x, y, z or one of positions.* got \['a', 'b', 'c'\]; name them"),
    ("x,y,z\n5,6,7\n", "no 'w' among .* --columns, or name all", "--columns x=x,y=y,z=w"),
    ("1,2,3\n", "a name of its own for each of 3 columns", "--names a b"),
    ("x [kg],y,z\n1,2,3\n", "column 'x' in a unit that converts to Mpc/h"),
    ("x [Mpc],y,z\n1,2,3\n", "h is not known"),
    ("x,y,z\n1,2,3\n", "a unit of x such as .* got 'furlong'", "--units x=furlong"),
    ("x,y,z\n1,2,3\n", r"columns .* in --units, got 'mass'", "--units mass=Msun/h"),
    ("x [Mpc/h],y,z\n1,2,3\n", "'x' in Mpc/h, as the file states", "--units x=kpc/h"),
    ("x,y,z,id\n1,2,3,99999999999999999999\n", "integers of 64 bits", "--columns x=x,y=y,z=z,i=id"),
]


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_text_that_is_refused(tmp_path, case):
    content, message, *words = case
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as said:
        boxes(path, *words)
    assert "a.csv" in str(said.value) or "--units" in str(said.value)
    assert "\n" not in str(said.value)


def columns_in_fits(path, units=None, names=("x", "y", "z"), values=(X, Y, Z), extra=()):
    made = [
        fits.Column(n, "D", (units or {}).get(n), array=v)
        for n, v in zip(names, values, strict=True)
    ]
    fits.BinTableHDU.from_columns([*made, *extra]).writeto(path)
    return path


def two_tables(path):
    other = fits.BinTableHDU.from_columns([fits.Column("q", "D", array=X)], name="OTHER")
    wanted = fits.BinTableHDU.from_columns(
        [fits.Column(n, "D", array=v) for n, v in zip("xyz", P.T, strict=True)], name="HALOS"
    )
    fits.HDUList([fits.PrimaryHDU(), other, wanted]).writeto(path)


def vectors_in_fits(path):
    fits.BinTableHDU.from_columns(
        [fits.Column("POS", "3D", "kpc/h", array=1000 * P), fits.Column("id", "K", array=IDS)]
    ).writeto(path)


def parquet_lists(path, kind=None, unit=None):
    lists = arrow.array(P.tolist(), type=kind or arrow.list_(arrow.float64()))
    field = arrow.field("Position", lists.type, metadata={"unit": unit} if unit else None)
    parquet.write_table(arrow.Table.from_arrays([lists], schema=arrow.schema([field])), path)


def with_ecsv(path):
    table = Table({n: 1000 * v for n, v in zip("xyz", P.T, strict=True)})
    table["sigma"] = MaskedColumn(np.ones(NUMBER), mask=np.arange(NUMBER) < 3)
    for name in "xyz":
        table[name].unit = "kpc"
    table.write(path, format="ascii.ecsv")


def compressed(path, opener):
    with opener(path, "wt") as file:
        file.write(text("x,y,z\n"))


def compressed_fits(path):
    columns_in_fits(path.with_suffix(""))
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))


def compressed_array(path):
    np.save(path.with_suffix(""), P)
    path.write_bytes(gzip.compress((path.with_suffix("")).read_bytes()))


def big_endian(path):
    np.savez(path, pos=P.astype(">f8"), halo_id=IDS.astype(">i8"))


def record_array(path):
    np.save(path, np.array(list(map(tuple, P)), [(n, ">f8") for n in "xyz"]))


def subarrays(path):
    array = np.zeros(NUMBER, [("Position", "f8", 3), ("id", "i8")])
    array["Position"], array["id"] = P, IDS
    np.save(path, array)


FILES = {
    "a.fits": (columns_in_fits, ""),
    "units.fits": (
        lambda p: columns_in_fits(p, dict.fromkeys("xyz", "kpc/h"), values=1000 * P.T),
        "",
    ),
    "physical.fits": (
        lambda p: columns_in_fits(p, dict.fromkeys("xyz", "Mpc"), values=P.T / 0.5),
        "--cosmology h=0.5",
    ),
    "silent.fits": (
        lambda p: columns_in_fits(p, values=1000 * P.T),
        "--units positions=kpc/h",
    ),
    "odd unit.fits": (
        lambda p: columns_in_fits(p, {"x": "code_length"}, values=(2 * X, Y, Z)),
        "--units x=0.5Mpc/h",
    ),
    "cases.fits": (
        lambda p: columns_in_fits(p, extra=[fits.Column("Z", "D", array=X + 7)]),
        "",
    ),
    "second.fits": (two_tables, "--hdu 2"),
    "named.fits": (two_tables, "--hdu halos"),
    "vectors.fits": (vectors_in_fits, ""),
    "vectors by component.fits": (vectors_in_fits, "--columns x=POS[0],y=pos[1],z=POS[2]"),
    "a name with brackets.fits": (
        lambda p: columns_in_fits(p, names=("pos[0]", "pos[1]", "pos[2]")),
        "--columns x=pos[0],y=pos[1],z=pos[2]",
    ),
    "a.fits.gz": (compressed_fits, ""),
    "a.csv.gz": (lambda p: compressed(p, gzip.open), ""),
    "a.csv.bz2": (lambda p: compressed(p, bz2.open), ""),
    "a.csv.xz": (lambda p: compressed(p, lzma.open), ""),
    "a.npy.gz": (compressed_array, ""),
    "a.npy": (lambda p: np.save(p, P), ""),
    "no suffix": (columns_in_fits, ""),
    "a.ecsv": (with_ecsv, "--cosmology h=1"),
    "lists.parquet": (parquet_lists, ""),
    "fixed lists.parquet": (
        lambda p: parquet_lists(p, arrow.list_(arrow.float64(), 3), "Mpc/h"),
        "",
    ),
    "pos.npz": (lambda p: np.savez(p, pos=P, mass=np.full(NUMBER, 1e13)), ""),
    "one array.npz": (lambda p: np.savez(p, P), ""),
    "big.npz": (big_endian, ""),
    "stack.npz": (lambda p: np.savez(p, Position=P[None], theta=np.ones((1, 2))), ""),
    "records.npy": (record_array, ""),
    "subarrays.npy": (subarrays, ""),
    "float32.npz": (lambda p: np.savez(p, pos=P.astype("f4")), ""),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, name):
    write, words = FILES[name]
    write(tmp_path / name)
    source = parsed_options(
        ["table", str(tmp_path / name), "-o", "unused.h5", "--box", "100", *words.split()]
    )
    (found,) = source.boxes()
    np.testing.assert_allclose(found.positions, P, rtol=3e-7 if "32" in name else 1e-12)
    assumed = found.provenance["assumed"]
    stated = name in ("units.fits", "physical.fits", "silent.fits", "a.ecsv") or (
        "vectors" in name or "fixed" in name
    )
    assert ("x y z in Mpc/h" in assumed) == (not stated and name != "odd unit.fits")


def masked_fits(path):
    table = Table(dict(zip("xyz", P.T, strict=True)))
    table["n"] = MaskedColumn(np.arange(NUMBER), mask=np.arange(NUMBER) < 5)
    table["big"] = MaskedColumn(np.arange(NUMBER, dtype=np.uint64), mask=np.arange(NUMBER) == 7)
    table.write(path)


def nulls_in_parquet(path):
    numbers = arrow.array([None] * 5 + list(range(NUMBER - 5)), arrow.int64())
    parquet.write_table(arrow.table({"x": X, "y": Y, "z": Z, "n": numbers}), path)


def masks_of_astropy(path):
    table = Table(dict(zip("xyz", P.T, strict=True)))
    table["n"] = MaskedColumn(np.arange(NUMBER), mask=np.arange(NUMBER) < 5)
    table.write(path, format="parquet")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.fits", masked_fits),
        ("a.parquet", nulls_in_parquet),
        ("b.parquet", masks_of_astropy),
    ],
)
def test_masked_values_never_become_numbers(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    with pytest.raises(InputError, match=r"60 rows, got masked.*: 5 in n; pass --drop-missing"):
        boxes(path, "--columns x=x,y=y,z=z,n=n")
    (found,), account = boxes(path, "--columns x=x,y=y,z=z,n=n --drop-missing")
    np.testing.assert_array_equal(found.positions, P[5:])
    assert found.columns["n"].dtype == np.int64
    assert (account.points, dict(account.dropped)) == (60, {"without a value in n": 5})
    (whole,), _ = boxes(path)
    assert len(whole) == NUMBER
    if name == "a.fits":
        with pytest.raises(InputError, match="1 in big"):
            boxes(path, "--columns x=x,y=y,z=z,n=big")


def test_identifiers_keep_every_bit(tmp_path):
    flags = np.arange(NUMBER) % 2 == 0
    stored = {"x": X, "y": Y, "z": Z, "id": IDS, "big": IDS.astype(np.uint64) + 2**63, "on": flags}
    Table(stored).write(tmp_path / "a.fits")
    Table(stored).write(tmp_path / "a.csv", format="ascii.csv")
    Table(stored).write(tmp_path / "a.ecsv", format="ascii.ecsv")
    Table(stored).write(tmp_path / "a.parquet", format="parquet")
    np.savez(tmp_path / "a.npz", **stored)
    for name in ("a.fits", "a.csv", "a.ecsv", "a.parquet", "a.npz"):
        words = "--columns x=x,y=y,z=z,id=id,big=big,on=on --splits train=1"
        line = f"table {tmp_path / name} -o {tmp_path / 'o.h5'} --box 100 {words}"
        assert main(line.split()) == 0
        with Suite(tmp_path / "o.h5") as suite:
            found = suite[0].columns
        for column in ("id", "big", "on"):
            np.testing.assert_array_equal(found[column], stored[column])
            assert found[column].dtype == stored[column].dtype, (name, column)


@pytest.mark.parametrize(
    ("unit", "column", "stored", "right"),
    [
        (None, "log_mass=m", 13.0, 1e13),
        ("Msun/h", "log_mass=m", 13.0, 1e13),
        ("dex(Msun/h)", "log_mass=m", 13.0, 1e13),
        ("dex(Msun/h)", "mass=m", 13.0, 1e13),
        ("1e10 Msun/h", "mass=m", 1e3, 1e13),
        ("Msun", "mass=m", 1e13 / 0.7, 1e13),
        (None, "mass=m", 1e13, 1e13),
    ],
)
def test_units_of_masses(tmp_path, unit, column, stored, right):
    extra = [fits.Column("m", "D", unit, array=np.full(NUMBER, stored))]
    path = columns_in_fits(tmp_path / "a.fits", extra=extra)
    (found,), _ = boxes(path, f"--columns x=x,y=y,z=z,{column} --cosmology h=0.7")
    np.testing.assert_allclose(found.columns["mass"], right, rtol=1e-9)
    assert found.units["mass"] == "Msun/h"
    assert ("mass in Msun/h" in found.provenance["assumed"]) == (unit is None)


def test_units_of_other_columns_are_labels(tmp_path):
    extra = [fits.Column("s", "D", "erg/s/Hz", array=X), fits.Column("r", "D", array=X)]
    path = columns_in_fits(tmp_path / "a.fits", extra=extra)
    (found,), _ = boxes(path, "--columns x=x,y=y,z=z,s=s,r=r --units r=kpc/h")
    assert (found.units["s"], found.units["r"]) == ("erg/s/Hz", "kpc/h")
    np.testing.assert_array_equal(found.columns["r"], X)


def test_files_that_are_refused(tmp_path):
    columns_in_fits(tmp_path / "odd unit.fits", {"x": "code_length"})
    np.savez(tmp_path / "transposed.npz", pos=P.T, mass=X)
    np.save(tmp_path / "transposed.npy", P.T)
    np.savez(tmp_path / "unlike.npz", pos=P, mass=X[:-1])
    np.savez(tmp_path / "objects.npz", pos=P.astype(object), mass=X, n=X)
    np.savez(tmp_path / "complex.npz", x=X, y=Y, z=Z, w=X * 1j)
    fits.PrimaryHDU(P).writeto(tmp_path / "image.fits")
    two_tables(tmp_path / "two.fits")
    vectors_in_fits(tmp_path / "vectors.fits")
    (tmp_path / "a.npz.gz").write_bytes(gzip.compress((tmp_path / "unlike.npz").read_bytes()))
    np.save(tmp_path / "objects.npy", P.astype(object))
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n and more")
    (tmp_path / "a.gz").write_bytes(gzip.compress(text("x,y,z\n").encode())[:-20])
    whole = (tmp_path / "two.fits").read_bytes()
    one = (tmp_path / "odd unit.fits").read_bytes()
    (tmp_path / "long.fits").write_bytes(one[:6000] + b"more" + one[6000:])
    (tmp_path / "short.fits").write_bytes(whole[:-2000])
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("a.txt", "no array")
    for name, words, message in (
        ("transposed.npz", "", r"\(points, 3\), got \(3, 60\); transpose it"),
        ("transposed.npy", "", "a row per point, got shape .* transpose it"),
        ("unlike.npz", "", "columns of one length"),
        ("objects.npz", "", r"one of positions, .* got \['mass', 'n'\]"),
        ("complex.npz", "--columns x=x,y=y,z=z,w=w", "numbers in column 'w', got complex128"),
        ("odd unit.fits", "", "got 'code_length'; state the unit it has with --units x="),
        ("transposed.npz", "--names a b", "expected --names for a file of text only, got npz"),
        ("two.fits", "--no-header", "expected --no-header for a file of text only, got FITS"),
        ("transposed.npy", "--hdu 1", "expected --hdu for a file of FITS only, got npy"),
        ("two.fits", "--array q", "expected --array for a file of npz only, got FITS"),
        ("image.fits", "", "expected a table in .*, got 0 PrimaryHDU; convert it"),
        ("two.fits", "", "expected columns x, y, z .* in HDU 1 .*"),
        ("two.fits", "--columns x=x,y=y,z=z", "another table with --hdu"),
        ("two.fits", "--hdu 7", "--hdu to be one table .* choose among 1 OTHER, 2 HALOS"),
        ("vectors.fits", "--columns x=POS,y=POS[1],z=POS[2]", r"choose e.g. POS\[0\]"),
        ("vectors.fits", "--columns x=POS[0],y=POS[1],z=POS[3]", "one of vectors of 3"),
        ("a.h5", "", "a table of text, FITS, Parquet or NumPy in .*, got HDF5"),
        ("a.npz.gz", "", "got it compressed again; decompress it"),
        ("objects.npy", "", "got Python objects; save an array of numbers"),
        ("a.gz", "", "compressed and whole"),
        ("short.fits", "", "a whole FITS file"),
        ("long.fits", "", "a size of whole blocks of 2880 bytes"),
        ("odd.npz", "", "expected"),
    ):
        with pytest.raises(InputError, match=message) as said:
            boxes(tmp_path / name, words)
        assert name in str(said.value)


def test_redshifts(tmp_path):
    (tmp_path / "LH_7").mkdir()
    path, table = tmp_path / "LH_7" / "a.npz", tmp_path / "LH.txt"
    np.savez(path, pos=P)
    table.write_text("#Name Omega_m redshift\nLH_7 0.3 0.5\n")
    for words, redshift in (
        ("", 0.0),
        ("--redshift 2", 2.0),
        ("--cosmology omega_m=0.3,redshift=1", 1.0),
        (f"--parameter-table {table}", 0.5),
    ):
        ((found,), _) = boxes(path, words)
        assert found.redshift == redshift and "redshift" not in found.cosmology
        assert ("redshift 0" in found.provenance["assumed"]) == (words == "")
    for words, message in (
        ("--redshift 2 --cosmology redshift=1", "redshift 1 of the parameters, got --redshift 2"),
        (f"--redshift 2 --parameter-table {table}", "redshift 0.5 of .*, got 2"),
        ("--redshift -7", "redshift between 0 and 1100, got -7"),
    ):
        with pytest.raises(InputError, match=message):
            boxes(path, words)
