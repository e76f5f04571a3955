"""Halo lists: true bytes of consistent-trees in ../shared/data, and Rockstar's by hand."""

import numpy as np
import pytest
from raw_layouts import SHARED, haloes, write_rockstar

from data_prep.simulations.rockstar import RockstarSource
from galgen.errors import InputError

REAL = SHARED / "rockstar" / "dummy_halocat_0.07812.list"


def read(path, **options):
    return list(RockstarSource(inputs=(path,), output=path / "unused.h5", **options).boxes())


def test_columns_are_found_by_name(tmp_path):
    found = haloes()
    path = write_rockstar(tmp_path / "out_3.list", found)
    (catalogue,) = read(path)
    np.testing.assert_array_equal(catalogue.positions, found["position"].astype(float))
    np.testing.assert_array_equal(catalogue.velocities, found["velocity"].astype(float))
    np.testing.assert_array_equal(catalogue.columns["mass"], found["mass"].astype(float))
    assert catalogue.redshift == 1.0 and catalogue.box == (100.0,) * 3
    assert catalogue.cosmology == {"omega_m": 0.3, "h": 0.68}
    assert catalogue.provenance["finder"] == "rockstar"
    (catalogue,) = read(path, columns="x=X,y=y,z=z,vmax=vmax,particles=NP")
    assert set(catalogue.columns["vmax"]) == {100} and set(catalogue.columns["particles"]) == {50}
    with pytest.raises(InputError, match=r"out_3\.list: .*'m200c' for column 'mass', got \['desc"):
        read(path, columns="x=x,y=y,z=z,mass=M200c")


def test_haloes_inside_others_may_be_dropped(tmp_path):
    found = haloes(10)
    path = write_rockstar(tmp_path / "out_3.list", found, pid=[-1, 0, -1, 2, 2, -1, -1, -1, -1, -1])
    (catalogue,) = read(path, distinct=True)
    np.testing.assert_array_equal(
        catalogue.columns["mass"], found["mass"][[0, 2, 5, 6, 7, 8, 9]].astype(float)
    )
    path.write_text(path.read_text().replace(" PID", " spin"))
    with pytest.raises(InputError, match=r"a column pid for --distinct, got \['ID'"):
        read(path, distinct=True)


def test_an_empty_list_is_a_catalogue(tmp_path):
    (catalogue,) = read(write_rockstar(tmp_path / "out_0.list", haloes(0)))
    assert len(catalogue) == 0 and catalogue.redshift == 1.0


def test_damage_is_named(tmp_path):
    path = write_rockstar(tmp_path / "out_3.list", haloes())
    whole = path.read_text()
    for size in (3, 30, 100):
        path.write_text(whole[:-size])
        with pytest.raises(InputError, match=r"out_3\.list: .*15 columns .*truncated"):
            read(path)
    lines = whole.splitlines()
    path.write_text("\n".join([*lines[:20], lines[20].replace(" ", " x"), *lines[21:]]) + "\n")
    with pytest.raises(InputError, match=r"out_3\.list: expected numbers in every row, got 'x"):
        read(path)
    path.write_text("\n".join(line for line in lines if "Box" not in line) + "\n")
    with pytest.raises(InputError, match=r"'#Box size: \.\.\.' in the header"):
        read(path)
    assert read(path, box=(100.0,) * 3)[0].box == (100.0,) * 3
    path.write_text("1 2 3\n")
    with pytest.raises(InputError, match=r"a first line '#ID DescID Mvir \.\.\.', got none"):
        read(path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent.list")


def rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_whole_header_is_heard(tmp_path):
    found = haloes()
    path = write_rockstar(tmp_path / "out_3.list", found)
    rewrite(path, "h = 0.680000", "h = 0.680000; w0 = -0.9; wa = 0.1")
    rewrite(path, "Ol = 0.700000", "Ol = 0.600000")
    (catalogue,) = read(path)
    assert catalogue.cosmology == pytest.approx(
        {"omega_m": 0.3, "h": 0.68, "w0": -0.9, "wa": 0.1, "omega_k": 0.1}
    )
    rewrite(path, "#Units: Masses in Msun / h", "#Units: Masses in 1e10 Msun / h")
    (other,) = read(path, check_units=False)
    np.testing.assert_allclose(other.columns["mass"], 1e10 * catalogue.columns["mass"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("#a = 0.500000", "#a = -1", "scale factor above 0"),
        ("Om = 0.300000", "Om = -5", "Om between"),
        ("h = 0.680000", "h = 68000", "h between"),
        ("h = 0.680000", "h = 0.68; Omega_x = 1", "'Omega_x', an unknown one"),
        ("Box size: 100.000000", "Box size: 1e30", "the box above 0 and below"),
        ("#FOF linking", "#a = 0.7\n#FOF linking", "one a in the header"),
        ("#Particle mass", "#1 2 3 4 5 6 7 8 9 1 2 3 4 5 6\n#Particle mass", "a row of"),
    ],
)
def test_headers_that_cannot_be_true(tmp_path, old, new, said):
    path = rewrite(write_rockstar(tmp_path / "out_3.list", haloes()), old, new)
    names = len(path.read_text().splitlines()[0].split())
    if said == "a row of":
        path.write_text(path.read_text().replace("#1 2 3", "#" + "7 " * (names - 15) + "1 2 3", 1))
    with pytest.raises(InputError, match=rf"out_3\.list: .*{said}"):
        read(path)


def test_rows_are_whole_and_identifiers_exact(tmp_path):
    found = haloes(20)
    path = write_rockstar(tmp_path / "out_3.list", found)
    lines = path.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line[0] != "#")
    rows = [f"{2**62 + i} {line.split(' ', 1)[1]}" for i, line in enumerate(lines[first:])]
    path.write_text("\n".join(lines[:first] + rows) + "\n")
    (catalogue,) = read(path, columns="x=x,y=y,z=z,id=id")
    assert catalogue.columns["id"].tolist() == [2**62 + i for i in range(20)]
    for damaged in (f"#{rows[3]}", rows[3] + " 1", rows[3].replace(" ", "\0", 1)):
        path.write_text("\n".join(lines[:first] + rows[:3] + [damaged] + rows[4:]) + "\n")
        with pytest.raises(InputError, match=r"out_3\.list: .*(every row|NUL)"):
            read(path)


def test_units_that_are_confused(tmp_path):
    found = haloes(2000, 250.0, 260.0)
    path = write_rockstar(tmp_path / "a.list", found, side=250.0)
    assert len(read(path)[0]) == 2000
    for name, factor, message in (
        ("position", 1e3, r"a\.list: .*column 'x' in \[0, 250\) .*kpc/h"),
        ("mass", 1e10, r"a\.list: .*'mass' in Msun/h"),
        ("velocity", 1e3, r"a\.list: .*'vx', .* in m/s"),
    ):
        changed = {**found, name: found[name] * np.float32(factor)}
        with pytest.raises(InputError, match=message):
            read(write_rockstar(path, changed, side=250.0))


@pytest.mark.skipif(not REAL.is_file(), reason="needs ../shared/data, absent here")
def test_true_bytes_of_consistent_trees():
    (catalogue,) = read(REAL)
    rows = np.array([line.split() for line in REAL.read_text().splitlines() if line[0] != "#"])
    assert len(catalogue) == len(rows) == 436
    for axis, name in enumerate("xyz"):
        np.testing.assert_array_equal(catalogue.columns[name], rows[:, 17 + axis].astype(float))
        np.testing.assert_array_equal(
            catalogue.columns[f"v{name}"], rows[:, 20 + axis].astype(float)
        )
    np.testing.assert_array_equal(catalogue.columns["mass"], rows[:, 10].astype(float))
    assert catalogue.redshift == pytest.approx(1 / 0.07812 - 1) and catalogue.box == (250.0,) * 3
    assert catalogue.cosmology == {"omega_m": 0.307115, "h": 0.68}
    assert catalogue.provenance["finder"] == "consistent-trees"
    (other,) = read(REAL, columns="x=x,y=y,z=z,mass=m200c,ratio=T/|U|")
    np.testing.assert_array_equal(other.columns["ratio"], rows[:, 56].astype(float))
    np.testing.assert_array_equal(other.columns["mass"], rows[:, 40].astype(float))


@pytest.mark.skipif(not REAL.is_file(), reason="needs ../shared/data, absent here")
def test_a_whole_tree_is_not_one_snapshot(tmp_path):
    path = tmp_path / "tree_0.list"
    path.write_text(
        REAL.read_text() + REAL.read_text().splitlines()[-1].replace("0.07812", "0.5") + "\n"
    )
    with pytest.raises(InputError, match=r"one snapshot, got column 'scale' from 0\.07812 to 0\.5"):
        read(path)
