"""From raw boxes to a suite: hashes, splits, bounded memory, and writers that are killed."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from raw_layouts import haloes, write_group_tab, write_subfind

from data_prep.command import main
from galgen.data.suite import Suite

ROOT = Path(__file__).parents[2]


def npz(path, points=3000, side=100.0, seed=0):
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, side, points) for name in "xyz"}
    np.savez(path, **columns, mass=10 ** rng.uniform(12, 14, points))
    return path


def table(inputs, output, *options):
    words = ["table", *map(str, inputs), "-o", str(output), "--box", "100"]
    return [*words, "--columns", "x=x,y=y,z=z,mass=mass", *options]


def test_catalogues_keep_the_hash_of_their_file(tmp_path):
    paths = [npz(tmp_path / f"{i}.npz", seed=i) for i in range(2)]
    output = tmp_path / "suite.h5"
    assert main(table(paths, output, "--cut", "50")) == 0
    with Suite(output) as suite:
        found = {c.provenance["source"]: c.provenance["source sha256"] for c in suite}
    assert found == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    folder = write_group_tab(tmp_path, haloes(400, 1000.0, 300.0), 0.0, files=2)
    assert main(["quijote", str(folder), "-o", str(output), "--splits", "train=1"]) == 0
    with Suite(output) as suite:
        together = b"".join(p.read_bytes() for p in sorted(folder.iterdir()))
        assert suite[0].provenance["source"] == "group_tab_004.0 and 1 more"
        assert suite[0].provenance["source sha256"] == hashlib.sha256(together).hexdigest()


def test_cubes_of_a_box_may_be_kept_together(tmp_path):
    paths = [npz(tmp_path / f"{i}.npz", seed=i) for i in range(5)]
    output = tmp_path / "suite.h5"
    cut = ["--cut", "50", "--splits", "train=0.6,test=0.4"]
    assert main(table(paths, output, *cut, "--split-by", "box")) == 0
    with Suite(output) as suite:
        of_box = {}
        for catalogue, split in zip(suite, suite.splits, strict=True):
            of_box.setdefault(catalogue.provenance["source"], set()).add(split)
        assert sorted(map(sorted, of_box.values())) == [["test"]] * 2 + [["train"]] * 3
    assert main(table(paths, output, *cut)) == 0
    with Suite(output) as suite:
        assert np.sum(suite.splits == "train") == 24
        assert len({c.provenance["source"] for c in suite.catalogues("test")}) > 2


@pytest.mark.parametrize("splits", ["", "train=0.8", "train=1,test=0", "train=nan"])
def test_fractions_are_checked_before_anything_is_read(tmp_path, capsys, splits):
    output = tmp_path / "suite.h5"
    assert main(table([tmp_path / "absent.npz"], output, f"--splits={splits}")) == 2
    assert "positive split fractions that add up to 1, got {" in capsys.readouterr().err
    assert not output.exists()


def test_sparse_catalogues_are_dropped_or_kept(tmp_path, capsys):
    path, output = npz(tmp_path / "a.npz", 20), tmp_path / "suite.h5"
    assert main(table([path], output, "--cut", "25")) == 0
    assert "dropped: " in capsys.readouterr().out
    with Suite(output) as suite:
        assert suite.counts.min() == 1
    assert main(table([path], output, "--cut", "25", "--n-min", "0")) == 0
    with Suite(output) as suite:
        assert len(suite) == 64 and suite.counts.min() == 0 and suite.counts.sum() == 20
    assert main(table([path], output, "--mass-min", "1e15")) == 2
    assert "catalogues of 1 points or more, got 1 with fewer" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [b"", b"text", None])
def test_a_bad_file_among_good_ones_leaves_nothing(tmp_path, capsys, bad):
    folders = [write_subfind(tmp_path / f"LH_{i}", haloes(seed=i)) for i in range(3)]
    folders[2].write_bytes(folders[2].read_bytes()[:-500] if bad is None else bad)
    output = tmp_path / "out" / "suite.h5"
    output.parent.mkdir()
    assert main(["subfind", *map(str, folders), "-o", str(output)]) == 2
    error = capsys.readouterr().err
    assert "LH_2/groups_090.hdf5" in error and error.count("\n") == 1
    assert not list(output.parent.iterdir())


def run(*arguments, **options):
    return subprocess.Popen([sys.executable, "-m", "data_prep", *arguments], cwd=ROOT, **options)


@pytest.mark.slow
def test_memory_is_bounded_by_one_file(tmp_path):
    """Twelve files of 24 MB take no more than two of them do."""
    paths = []
    for number in range(12):
        paths.append(tmp_path / f"{number}.npy")
        np.save(paths[-1], np.random.default_rng(number).uniform(0, 100, (1_000_000, 3)))
    code = "import resource, sys; from data_prep.command import main; main(sys.argv[1:])"
    code += "; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    peaks = []
    for chosen in (paths[:2], paths):
        words = ["table", *map(str, chosen), "-o", str(tmp_path / "suite.h5"), "--box", "100"]
        words += ["--columns", "x=0,y=1,z=2", "--splits", "train=1"]
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] < peaks[0] + 30_000


def test_a_killed_run_leaves_the_old_suite(tmp_path):
    old, new, output = npz(tmp_path / "old.npz"), tmp_path / "new.npz", tmp_path / "suite.h5"
    npz(new, 300_000)
    assert main(table([old], output, "--cut", "50")) == 0
    before = output.read_bytes()
    rng = np.random.default_rng(0)
    arguments = table([new], output, "--cut", "10")
    for _ in range(3):
        process = run(*arguments, stdout=subprocess.DEVNULL)
        # Wait until it has begun to write, then a random moment more.
        while process.poll() is None and not list(tmp_path.glob(".suite.h5.*.writing")):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL and output.read_bytes() == before:
            with Suite(output) as suite:
                assert len(suite) == 8
    assert main(arguments) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.npz", "old.npz", "suite.h5"]
    with Suite(output) as suite:
        assert suite.counts.sum() == 300_000
