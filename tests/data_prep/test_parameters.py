"""Parameter tables: the real ones of Quijote and CAMELS, and the joins that must fail."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from raw_layouts import SHARED, haloes, write_group_tab, write_subfind

from data_prep.command import main
from data_prep.tables.parameters import ParameterTable, simulation_of
from galgen.data.suite import Suite
from galgen.errors import InputError

QUIJOTE = SHARED / "params" / "quijote_latin_hypercube_params.txt"
CAMELS = SHARED / "params" / "camels_tng_LH.txt"
TABLE = "#Name Omega_m sigma_8 A_SN1 seed\nLH_0 0.3 0.8 1.5 7\nLH_1 0.2 0.9 0.5 8\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "LH.txt"
    path.write_text(TABLE)
    return path


PLAIN = {"omega_m": 0.3, "h": 0.7}


@pytest.mark.parametrize(
    ("text", "simulation", "right"),
    [
        ("#Omega_m h\n0.3 0.7\n", "0", PLAIN),
        ("# Omega_m  h\n# flat\n  0.3  0.7\n\n", "0", PLAIN),
        ("Omega_m,h\n0.3,0.7\n", "0", PLAIN),
        ("# made in 2021\nOmega_m,h\n0.3,0.7\n", "000", PLAIN),
        ("\ufeffOmega_m,h\r\n0.3,0.7\r\n", "0", PLAIN),
        ("#Omega_m;h\n0.3;0.7\n", "0", PLAIN),
        ("Omega_m\tH0\n0.3\t70\n", "0", PLAIN),
        ("Omega_m,h,\n0.3,0.7,\n", "0", PLAIN),
        ("Omega_m,h\n0.3,0.7,\n", "0", PLAIN),
        ('"Omega_m","h"\n"0.3","0.7"\n', "0", PLAIN),
        ("Omega0,HubbleParam\n3.0D-01,7.D-1\n", "0", PLAIN),
        ("sim_name,OmegaMatter,h\nLH_7,0.3,0.7\n", "LH_7", PLAIN),
        ("Simulation Om h\n007 0.3 0.7\n", "7", PLAIN),
        ("id,name,Om,h\n5,LH_9,0.3,0.7\n", "LH_9", PLAIN),
        (",Omega_m,h\n12,0.3,0.7\n", "12", PLAIN),
        ("Unnamed: 0,Omega_m,h\n12,0.3,0.7\n", "12", PLAIN),
        ("Om,Omega_m,h\n0.3,0.3,0.7\n", "0", PLAIN),
        ("omega_m h seed\n0.3 0.7 5\n", "0", PLAIN),
        ("Om,h,w\n0.3,0.7,-0.9\n", "0", PLAIN | {"w0": -0.9}),
        ("Om,h,w0_fld,wa_fld\n0.3,0.7,-0.9,0.1\n", "0", PLAIN | {"w0": -0.9, "wa": 0.1}),
        ("Om,h,Ok0\n0.3,0.7,0.1\n", "0", PLAIN | {"omega_k": 0.1}),
        ("Om,h,omega_lambda\n0.3,0.7,0.6\n", "0", PLAIN | {"omega_k": 0.1}),
        ("Om,h,ombh2\n0.3,0.7,0.0245\n", "0", PLAIN | {"omega_b": 0.05}),
        ("Om,h,OmegaBaryon\n0.3,0.7,0.02\n", "0", PLAIN | {"omega_b": 0.02}),
        ("Om,h,S8\n0.3,0.7,0.8\n", "0", PLAIN | {"s_8": 0.8}),
        (
            "root,omega_b,omega_cdm,h,w0_fld\ncosm000,0.0245,0.1225,0.7,-1\n",
            "cosm000",
            PLAIN | {"omega_b": 0.05, "w0": -1.0},
        ),
    ],
)
def test_odd_tables(table, text, simulation, right):
    table.write_text(text)
    assert ParameterTable.read(table).of(simulation) == pytest.approx(right)


def test_compressed_tables_and_options(table):
    table.write_bytes(gzip.compress(b"0.3 0.7 0.5\n0.2 0.7 0.6\n"))
    found = ParameterTable.read(table, names=("Om", "h", "Omega_x"), ignore=("Omega_x",))
    assert found.of("1") == {"omega_m": 0.2, "h": 0.7}
    with pytest.raises(InputError, match=r"to ignore, got Omega_y; mend --ignore"):
        ParameterTable.read(table, names=("Om", "h", "x"), ignore=("Omega_y",))
    with pytest.raises(InputError, match=r"name of its own for each of 3 columns .* mend --param"):
        ParameterTable.read(table, names=("Om", "h"))


def test_rows_by_name_and_by_number(tmp_path, table):
    assert ParameterTable.read(table).of("LH_1") == {"omega_m": 0.2, "sigma_8": 0.9, "a_sn1": 0.5}
    path = tmp_path / "cosmology.csv"
    path.write_text(",Omega_m,sigma_8\n0,0.3,0.8\n1,0.2,0.9\n")
    found = ParameterTable.read(path)
    assert found.of("1") == found.of("0001") == {"omega_m": 0.2, "sigma_8": 0.9}
    assert found.of("2") is None and found.of("LH_1") is None


@pytest.mark.skipif(not QUIJOTE.is_file(), reason="needs ../shared/data, absent here")
def test_the_real_tables():
    quijote = ParameterTable.read(QUIJOTE)
    assert len(quijote.rows) == 2000
    np.testing.assert_allclose(
        np.array([list(row.values()) for row in quijote.rows.values()]), np.loadtxt(QUIJOTE)
    )
    assert list(quijote.rows["17"]) == ["omega_m", "omega_b", "h", "n_s", "sigma_8"]
    camels = ParameterTable.read(CAMELS)
    assert len(camels.rows) == 1000 and "seed" not in camels.rows["LH_0"]
    assert camels.rows["LH_1"]["omega_m"] == 0.3026 and camels.rows["LH_1"]["a_agn1"] == 3.96137


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.3 0.8\n0.2 0.9\n", "names in the first line .* pass --parameter-names"),
        ("LH_0 0.3 0.8\n", "names or numbers in the first line .* both: .* --parameter-names"),
        ("#Omega_m h\n", "names and rows in .*, got no row"),
        ("Omega_m h\n", "rows below the names in .*, got none"),
        ("", "names and rows in .*, got no row"),
        ("Omega_m h\n0.3\n", r"2 values in row 0 \(from 0\) of .*LH\.txt, got 1"),
        ("Omega_m h\n0.3 0.7\n0.3 0.7 1\n", r"2 values in row 1 \(from 0\) .*, got 3"),
        ("Omega_m,h\n0.3,big\n", "'h', row 0 .* got 'big'; .* pass --ignore h"),
        ("Omega_m,h\n0.3,\n", "a value of 'h' in every row of .* got none in 1; .* --ignore h"),
        ("Omega_m,h\n0.3,0.7\0\n", "got a NUL byte in line 2"),
        ("Omega_m h\n0.3 0.7\n#0.3 0.7\n", "each simulation in turn, got 1 lines with #"),
        ('Omega_m,h\n0.3,0.7\n0.3,"0.7\n0.3,0.7\n', "3 rows in .*, as it has lines, got 1"),
        ("#Name h\nLH_0 1\nLH_0 2\n", "'LH_0' once in .*, got it again"),
        ("id h\n7 0.7\n07 0.7\n", "'7' once in .*, got it again"),
        ("Om,omega_m\n0.3,0.31\n", "omega_m once in row 0"),
        ("h,h\n0.7,0.71\n", "one column 'h', got 0.7 and 0.71 in row 0"),
        ("Om,h,Omega_x\n0.3,0.7,1\n", "'Omega_x', an unknown one"),
        ("Om,h,omega_b\n0.3,0.7,0.0224\n", r"looks like Omega_b h\^2"),
        ("Om,H0\n0.3,0.7e4\n", "H0 between 0.2 and 2"),
    ],
)
def test_tables_that_cannot_be_read(table, text, message):
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        ParameterTable.read(table)
    with pytest.raises(InputError, match="no such file"):
        ParameterTable.read(table.with_name("absent"))


def test_patterns():
    path = Path("/data/LH_12/groups_090.hdf5")
    assert simulation_of(path, r"/([^/]+)/[^/]+$") == "LH_12"
    assert simulation_of(path, r"LH_(\d+)") == "12"
    assert simulation_of(path, r"CV_(\d+)") is None
    for pattern in (r"LH_\d+", r"(LH)_(\d+)"):
        with pytest.raises(InputError, match="expected one group in"):
            simulation_of(path, pattern)
    with pytest.raises(InputError, match="expected a regular expression, got '\\('"):
        simulation_of(path, "(")


def test_every_simulation_that_does_not_match_is_named(tmp_path, table):
    found = ParameterTable.read(table)
    paths = [tmp_path / name / "groups_090.hdf5" for name in ("LH_0", "LH_5", "CV_3", "LH_1", "x")]
    folder = r"/([^/]+)/[^/]+$"
    with pytest.raises(
        InputError, match=r"\(LH_0 to LH_1\), got LH_5, CV_3, x; check --id-pattern"
    ):
        found.join(paths, folder)
    with pytest.raises(
        InputError, match=r"match '\(LH_.*got .*CV_3.*, .*x/groups_090.hdf5; pass an"
    ):
        found.join(paths, r"(LH_\d+)/")
    joined = found.join([paths[3], paths[0]], folder)
    assert [row["omega_m"] for row in joined.values()] == [0.2, 0.3]


def test_a_suite_of_simulations(tmp_path, table, capsys):
    """Subfind headers have Omega0 = 0.3: LH_0 agrees with the table, LH_1 is mislabelled."""
    for number in (0, 1):
        write_subfind(tmp_path / f"LH_{number}", haloes(seed=number))
    output = tmp_path / "suite.h5"
    first, second = (str(tmp_path / f"LH_{n}" / "groups_090.hdf5") for n in (0, 1))
    arguments = ["-o", str(output), "--parameter-table", str(table), "--splits", "train=1"]
    assert main(["subfind", first, *arguments]) == 0
    with Suite(output) as suite:
        assert suite[0].cosmology == {"omega_m": 0.3, "h": 0.6711, "sigma_8": 0.8, "a_sn1": 1.5}
        assert suite[0].provenance["simulation"] == "LH_0"
    before = output.read_bytes()
    assert main(["subfind", first, second, *arguments]) == 2
    error = capsys.readouterr().err
    assert "LH_1/groups_090.hdf5" in error and "omega_m" in error and "mislabelled" in error
    assert output.read_bytes() == before
    table.write_text(TABLE.replace("A_SN1", "redshift"))
    assert main(["subfind", first, *arguments]) == 2
    assert "expected redshift 1.5 of" in capsys.readouterr().err
    assert main(["subfind", first, *arguments, "--ignore", "redshift"]) == 0
    with Suite(output) as suite:
        assert "redshift" not in suite[0].cosmology
    capsys.readouterr()
    table.write_text(TABLE)
    assert main(["subfind", first, *arguments, "--id-pattern", r"(\d+)/groups"]) == 2
    assert "got 0; check --id-pattern" in capsys.readouterr().err


@pytest.mark.skipif(not QUIJOTE.is_file(), reason="needs ../shared/data, absent here")
def test_quijote_by_number(tmp_path):
    inputs = [
        str(write_group_tab(tmp_path / str(number), haloes(500, 1000.0, 300.0, number), 0.0))
        for number in (3, 1999)
    ]
    output = tmp_path / "suite.h5"
    arguments = ["quijote", *inputs, "-o", str(output), "--parameter-table", str(QUIJOTE)]
    assert main([*arguments, "--splits", "train=0.5,test=0.5"]) == 0
    with Suite(output) as suite:
        table = np.loadtxt(QUIJOTE)
        names = ["omega_m", "omega_b", "h", "n_s", "sigma_8"]
        np.testing.assert_array_equal(suite.parameter_table(names), table[[3, 1999]])
