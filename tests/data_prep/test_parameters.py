"""Parameter tables: the real ones of Quijote and CAMELS, and the joins that must fail."""

from pathlib import Path

import numpy as np
import pytest
from raw_layouts import SHARED, haloes, write_group_tab, write_subfind

from data_prep.command import main
from data_prep.parameters import ParameterTable, parameter_name, simulation_of
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


def test_names_are_galgens():
    names = ["#Omega_m", "Om", "s8", "ns", "A_SN1", "HubbleParam", "n_s"]
    wanted = ["omega_m", "omega_m", "sigma_8", "n_s", "a_sn1", "h", "n_s"]
    assert [parameter_name(name) for name in names] == wanted


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
        ("0.3 0.8\n0.2 0.9\n", r"names in the first line .*, got \['0.3', '0.8'\]"),
        ("#Omega_m h\n", "names in the first line .* and a row per simulation"),
        ("", "names in the first line"),
        ("#Omega_m h\n0.3\n", r"2 values in row 0 of .*LH\.txt, got 1"),
        ("#Omega_m h\n0.3 big\n", r"numbers in row 0 of .*'h': 'big'"),
        ("#Name h\nLH_0 1\nLH_0 2\n", "'LH_0' once in .*, got it again"),
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
