"""Friends-of-friends groups: a file of ../shared/data, and files by hand, in readfof's layout."""

import numpy as np
import pytest
from raw_layouts import SHARED, haloes, write_gadget_header, write_group_tab

from data_prep.simulations.quijote import QuijoteSource
from galgen.errors import InputError


def read(*inputs, **options):
    options = {"box": (100.0,) * 3, "redshift": 0.5} | options
    source = QuijoteSource(inputs=inputs, output=inputs[0] / "unused.h5", **options)
    return list(source.boxes())


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("width", [0, 4, 8])
def test_groups_become_haloes_in_our_units(tmp_path, files, width):
    found = haloes(seed=files)
    folder = write_group_tab(tmp_path, found, 0.5, files=files, width=width)
    for place in (folder, folder / "group_tab_004.0"):
        (catalogue,) = read(place)
        np.testing.assert_allclose(catalogue.positions, found["position"], rtol=1e-6)
        np.testing.assert_allclose(catalogue.velocities, found["velocity"], rtol=1e-6)
        np.testing.assert_allclose(catalogue.columns["mass"], found["mass"], rtol=1e-6)
        assert catalogue.redshift == 0.5 and catalogue.box == (100.0,) * 3 and catalogue.periodic
        assert set(catalogue.units.values()) == {"Mpc/h", "km/s", "Msun/h"}
        assert catalogue.provenance["source"].startswith("group_tab_004.0")


def test_other_columns(tmp_path):
    folder = write_group_tab(tmp_path, haloes(), 0.5)
    columns = "x=GroupPos[0],y=GroupPos[1],z=GroupPos[2],dark=GroupMassType[1],particles=GroupLen"
    (catalogue,) = read(folder, columns=columns)
    assert set(catalogue.columns["particles"]) == {50} and catalogue.units["particles"] == ""
    assert set(catalogue.columns["dark"]) == {1e12} and catalogue.units["dark"] == "Msun/h"
    for field, message in (
        ("GroupPos", r"field 'GroupPos', got one of vectors of 3; choose e.g. GroupPos\[0\]"),
        ("GroupPos[3]", r"field 'GroupPos\[3\]', got one of vectors of 3"),
        ("GroupLen[0]", r"field 'GroupLen\[0\]', got one of numbers; write it without"),
        ("Spin", r"field 'Spin' for column 'n', got \['GroupLen', .* with --columns"),
    ):
        with pytest.raises(InputError, match=message):
            read(folder, columns=f"x=GroupPos[0],y=GroupPos[1],z=GroupPos[2],n={field}")


def test_byte_order(tmp_path):
    found = haloes()
    swapped = write_group_tab(tmp_path / "all", found, 0.5, order=">")
    groups_only = write_group_tab(tmp_path / "groups", found, 0.5, order=">", header="<")
    native = write_group_tab(tmp_path / "native", found, 0.5)
    for folder in (swapped, groups_only):
        with pytest.raises(InputError, match=r"group_tab_004\.0: .*'GroupLen'.*pass --swap"):
            read(folder)
        (catalogue,) = read(folder, swap=True)
        np.testing.assert_allclose(catalogue.positions, found["position"], rtol=1e-6)
    with pytest.raises(InputError, match=r"'GroupLen' .* leave out --swap"):
        read(native, swap=True)


def test_damage_is_named(tmp_path):
    folder = write_group_tab(tmp_path, haloes(), 0.5, files=2)
    second = folder / "group_tab_004.1"
    whole = second.read_bytes()
    for size in (len(whole) - 1, len(whole) - 84, 30, 10, 0):
        second.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"group_tab_004\.1: expected .* bytes"):
            read(folder)
    second.unlink()
    with pytest.raises(InputError, match=r"400 groups in 2 files, .* got 200 in 1; copy those"):
        read(folder)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent")
    (folder / "group_tab_003.0").write_bytes(whole)
    with pytest.raises(InputError, match=r"one snapshot .* got \['group_tab_003.*name a file"):
        read(folder)


def test_units_and_conventions_that_are_confused(tmp_path):
    found = haloes(4000, 1000.0, 230.0)
    place = write_group_tab(tmp_path / "a", found, 2.0, snapshot=1)
    (catalogue,) = read(place, box=(1000.0,) * 3, redshift=2.0)
    assert catalogue.redshift == 2.0
    with pytest.raises(InputError, match=r"groups_001: .*column 'x' in \[0, 1000\).*kpc/h"):
        read(place, box=(1000.0,) * 3, length_unit="Mpc/h")
    with pytest.raises(InputError, match=r"fill a box of 900000 Mpc/h.*check the units"):
        read(place, box=(9e5,) * 3)
    doubly = {**found, "velocity": found["velocity"] * 3}
    place = write_group_tab(tmp_path / "b", doubly, 2.0, snapshot=1)
    with pytest.raises(InputError, match=r"'vx', 'vy', 'vz' .*that of velocities divided by a"):
        read(place, box=(1000.0,) * 3, redshift=2.0)
    (catalogue,) = read(place, box=(1000.0,) * 3, redshift=2.0, check_units=False)
    assert len(catalogue) == 4000


def test_what_files_do_not_say(tmp_path):
    place = write_group_tab(tmp_path / "17", haloes(400, 1000.0), 0.5, snapshot=3)
    (catalogue,) = read(place, box=None, redshift=None)
    assert catalogue.redshift == 0.5 and catalogue.box == (1000.0,) * 3
    write_gadget_header(tmp_path / "snap_17", 1e6, 0.5)
    snapshot = str(tmp_path / "snap_{id}")
    (catalogue,) = read(place, box=None, redshift=None, snapshot=snapshot)
    assert catalogue.cosmology == {"omega_m": 0.3175, "h": 0.6711}
    assert catalogue.box == (1000.0,) * 3 and catalogue.redshift == 0.5
    other = write_group_tab(tmp_path / "18", haloes(400, 1000.0), 0.5, snapshot=7)
    with pytest.raises(InputError, match=r"number 0 to 4, got .*; pass --redshift"):
        read(other, box=None, redshift=None)


def test_the_shared_file_of_the_true_layout():
    folder = SHARED / "formats_synthetic" / "quijote_fof" / "groups_004"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, absent here")
    (catalogue,) = read(folder, box=None, redshift=None)
    raw = np.fromfile(folder / "group_tab_004.0", np.float32)
    number = 2000
    assert len(catalogue) == number and catalogue.redshift == 0
    start = 6 + 3 * number
    np.testing.assert_array_equal(
        catalogue.positions.astype(np.float32),
        raw[start : start + 3 * number].reshape(-1, 3) / np.float32(1e3),
    )
    assert 1e15 < catalogue.columns["mass"].max() < 1e16
