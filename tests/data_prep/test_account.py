"""What a run tells of its points: they add up, and what is lost or assumed is said."""

import re

import numpy as np
import pytest
from astropy.table import Table

from data_prep.account import Account, meaning_of
from data_prep.command import main, parse
from data_prep.options import joined
from galgen.data.suite import Suite
from galgen.errors import InputError

NUMBER = 2000


def box(path, side=100.0, number=NUMBER, **more):
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(0, side, number) for name in "xyz"}
    Table(columns | more).write(path)
    return path


def run(tmp_path, capsys, path, words):
    line = ["table", str(path), "-o", str(tmp_path / "o.h5"), "--splits", "train=1"]
    status = main([*line, *words.split()])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def tally(out):
    """Points read, kept and dropped, by what is printed."""
    read, kept = map(int, re.search(r"read: (\d+) points.*kept: (\d+)", out).groups())
    return read, kept, sum(map(int, re.findall(r"dropped: (\d+) points", out)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "kept: 2000 (100%)"),
        ("--cut 50", "2 x 2 x 2 cubes of 50 x 50 x 50 Mpc/h, 0% of the volume in none"),
        ("--cut 30", "3 x 3 x 3 cubes of 30 x 30 x 30 Mpc/h, 27.1% of the volume in none"),
        ("--mass-min 1e13 --columns x=x,y=y,z=z,mass=m", "points below 1e+13 Msun/h"),
        ("--cut 50 --n-max 100", "points beyond the 100 of a catalogue"),
        ("--cut 25 --n-min 30", "points in catalogues of fewer than 30"),
        ("--columns x=x,y=y,z=z,s=s --drop-missing", "dropped: 7 points without a value in s"),
        (
            "--columns x=x,y=y,z=z,mass=m,s=s --drop-missing --mass-min 1e13 --cut 30 --n-max 20",
            "without a value in s",
        ),
    ],
)
def test_points_add_up(tmp_path, capsys, words, said):
    masses = 10 ** np.random.default_rng(1).uniform(12, 14, NUMBER)
    sigma = np.where(np.arange(NUMBER) < 7, np.nan, 1.0)
    path = box(tmp_path / "a.fits", m=masses, s=sigma)
    status, out, _ = run(tmp_path, capsys, path, f"--box 100 {words}")
    assert status == 0 and said in out
    read, kept, dropped = tally(out)
    assert (read, kept + dropped) == (NUMBER, NUMBER)
    with Suite(tmp_path / "o.h5") as suite:
        assert kept == suite.counts.sum()


def test_a_box_of_nearly_whole_cubes_is_cut_whole(tmp_path, capsys):
    path = box(tmp_path / "a.fits", 999.9997)
    status, out, err = run(tmp_path, capsys, path, "--box 999.9997 --cut 250")
    assert (status, err, tally(out)) == (0, "", (NUMBER, NUMBER, 0))
    assert "4 x 4 x 4 cubes of 249.999925 x" in out


def test_what_a_cut_loses_is_a_warning(tmp_path, capsys):
    path = box(tmp_path / "a.fits", 99.0)
    _, out, err = run(tmp_path, capsys, path, "--box 99 --cut 25")
    lost = tally(out)[2]
    assert f"56.5% of the volume of a box of 99 Mpc/h, and {lost} points, in no cube" in err
    assert "--cut 24.75 divides 99" in err


def test_a_slab_is_no_periodic_box(tmp_path, capsys):
    path = tmp_path / "a.npz"
    positions = np.random.default_rng(0).uniform([0, 0, 125], [1000, 1000, 757], (NUMBER, 3))
    np.savez(path, pos=positions)
    _, _, err = run(tmp_path, capsys, path, "--box 1000")
    assert err.count("\n") == 1 and "no point has z above 760 or below 125; pass --open" in err
    _, _, err = run(tmp_path, capsys, path, "--box 1000 --open")
    assert not err
    with Suite(tmp_path / "o.h5") as suite:
        assert not suite[0].periodic


def test_columns_with_a_meaning_are_not_left_in_silence(tmp_path, capsys):
    more = {"WEIGHT": np.ones(NUMBER), "haloid": np.arange(NUMBER), "colour": np.ones(NUMBER)}
    path = box(tmp_path / "a.fits", **more)
    _, out, err = run(tmp_path, capsys, path, "--box 100")
    assert err.count("\n") == 1 and "WEIGHT (a weight), haloid (an identifier)" in err
    assert "left behind: WEIGHT (a weight), haloid (an identifier), colour" in out
    words = "--box 100 --columns x=x,y=y,z=z,weight=WEIGHT,id=haloid"
    assert not run(tmp_path, capsys, path, words)[2]


def test_meanings():
    named = {
        "a weight": "weight WEIGHT_FKP w wts W_COMP galaxy_weights Completeness",
        "a velocity": "vx VX v_z vel Velocity vpec velocities",
        "a mass": "mass M200c m_vir logM LOG10_MASS StellarMass mvir",
        "an identifier": "id TARGETID halo_id haloIDs",
        None: "x y z colour redness mag width Z_COSMO",
    }
    for meaning, names in named.items():
        assert {meaning_of(name) for name in names.split()} == {meaning}, names


@pytest.mark.parametrize(
    ("words", "sides", "shift"),
    [
        ("b.txt --box 100", (100, 100, 100), None),
        ("--box 100 80 120 b.txt", (100, 80, 120), None),
        ("--box 100 b.txt --shift -50", (100, 100, 100), (-50, -50, -50)),
        ("b.txt --box=100,80,120 --shift centre", (100, 80, 120), "centre"),
        ("b.txt --box 1e2, 80, 120 --shift -50 -40 -60", (100, 80, 120), (-50, -40, -60)),
        ("b.txt --shift center --box 100", (100, 100, 100), "centre"),
    ],
)
def test_one_side_or_three(words, sides, shift):
    source = parse(["table", *words.split(), "-o", "c.h5"])
    assert (source.box, source.shift) == (sides, shift)
    assert [path.name for path in source.inputs] == ["b.txt"]


@pytest.mark.parametrize("words", ["--box", "--box 1 2", "--box big", "--box 1 --shift corner"])
def test_sides_that_are_none(words):
    with pytest.raises(InputError, match="expected"):
        parse(["table", "b.txt", "-o", "c.h5", *words.split()])


def test_other_words_stay():
    words = ["table", "a b", "--cut", "5", "--box", "1", "2", "3", "4", "-o", "x"]
    assert joined(words) == ["table", "a b", "--cut", "5", "--box=1,2,3", "4", "-o", "x"]


def test_boxes_as_files_have_them(tmp_path, capsys):
    rng = np.random.default_rng(0)
    sides, origin = np.array([100, 80, 120]), np.array([5, -7, 1000])
    place = rng.uniform(0, sides, (NUMBER, 3))
    beyond = np.where(place < 1, place + sides, place)
    cases = {
        "beyond": (beyond, "--wrap"),
        "around 0": (place - sides / 2, "--shift centre"),
        "from a corner": (place + origin, "--shift 5 -7 1000"),
        "both": (beyond - 50, "--shift -50 --wrap"),
    }
    for name, (values, words) in cases.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, pos=values)
        status, _, err = run(tmp_path, capsys, path, "--box 100 80 120")
        assert status == 2 and err.count("\n") == 1 and "larger" not in err
        for option in ("--wrap", "--shift", "--box X Y Z"):
            assert option in err
        assert run(tmp_path, capsys, path, f"--box 100 80 120 {words}")[0] == 0
        with Suite(tmp_path / "o.h5") as suite:
            np.testing.assert_allclose(suite[0].positions, place, atol=1e-9)
            assert suite[0].box == (100.0, 80.0, 120.0)
    _, _, err = run(tmp_path, capsys, tmp_path / "from a corner.npz", "--box 100 80 120 --wrap")
    assert "at most one side, 120 Mpc/h, beyond the box" in err


def test_many_warnings_of_a_kind_are_one_line(capsys):
    account = Account()
    for number in range(5):
        account.warn("kind", f"file {number}")
    account.print_warnings()
    assert capsys.readouterr().err == "data_prep: warning: file 0 (and 4 more such)\n"


def test_a_text_that_stops_within_a_line_is_doubted(tmp_path, capsys):
    rows = np.random.default_rng(0).uniform(0, 100, (200, 3))
    path = tmp_path / "a.csv"
    np.savetxt(path, rows, delimiter=",")
    assert not run(tmp_path, capsys, path, "--box 100")[2]
    path.write_text(path.read_text()[:-8])
    _, _, err = run(tmp_path, capsys, path, "--box 100")
    assert err.count("\n") == 1 and "a.csv: the last line does not end; is the file whole?" in err


def test_columns_that_nobody_asked_for_refuse_nothing(tmp_path, capsys):
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 100, (NUMBER, 3))
    right = {"vel": rng.normal(0, 300, (NUMBER, 3)), "mass": 10 ** rng.uniform(12, 14, NUMBER)}
    for wrong, left in (
        ({}, []),
        ({"mass": rng.uniform(0, 1, NUMBER)}, ["mass"]),
        ({"vel": rng.normal(0, 1e-3, (NUMBER, 3))}, ["vx", "vy", "vz"]),
    ):
        path = tmp_path / "a.npz"
        np.savez(path, pos=place, **{**right, **wrong})
        status, _, err = run(tmp_path, capsys, path, "--box 100")
        assert status == 0 and err.count("\n") == bool(left)
        assert not left or f"warning: {' '.join(left)} left out: expected column" in err
        with Suite(tmp_path / "o.h5") as suite:
            names = {"x", "y", "z", "vx", "vy", "vz", "mass"} - set(left)
            assert set(suite[0].columns) == names
            assumed = suite[0].provenance["assumed"]
            assert [n in assumed for n in ("mass", "vx vy vz")] == [
                n in names for n in ("mass", "vx")
            ]
        asked = "--box 100 --columns x=pos[0],y=pos[1],z=pos[2],mass=mass,vx=vel[0],vy=vel[1]"
        status, _, err = run(tmp_path, capsys, path, f"{asked},vz=vel[2]")
        assert status == (2 if left else 0)
