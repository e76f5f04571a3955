"""Suites appear whole or not at all: writers that fail, and writers that are killed (SIGKILL)."""

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, SuiteWriter, write_suite
from galgen.data.suite_parts import SuiteParts
from galgen.errors import InputError


def make(points=4, seed=0, names=("x", "y", "z"), side=10.0, dtype=np.float64, **fields):
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, side / 2, points).astype(dtype) for name in names}
    fields = {"cosmology": {"omega_m": 0.1 * (seed + 1)}} | fields
    return Catalogue(columns, (side, side, side), **fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "suite.h5"


def names(folder):
    return sorted(place.name for place in folder.iterdir())


def test_streaming_gives_what_writing_at_once_gives(path):
    catalogues = [make(points, i) for i, points in enumerate([3, 0, 5, 1])]
    write_suite(path, catalogues, list("abab"))
    at_once = path.read_bytes()
    with SuiteWriter(path) as writer:
        for number, (catalogue, split) in enumerate(zip(catalogues, "abab", strict=True)):
            assert len(writer) == number
            writer.add(catalogue, split)
    assert path.read_bytes() == at_once


def test_memory_does_not_grow_with_the_catalogues(path):
    """64 MB of points are written within 32 MB more than it took to write the first."""
    code = f"""
import resource
import numpy as np
from galgen.data.suite import Suite, SuiteWriter, Catalogue
catalogue = Catalogue({{"x": np.zeros(100_000)}}, (1.0, 1.0, 1.0))
with SuiteWriter({str(path)!r}) as writer:
    writer.add(catalogue)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with SuiteWriter({str(path)!r}) as writer:
    for _ in range(80):
        writer.add(catalogue)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 32_000
    assert path.stat().st_size > 64_000_000


def test_a_failure_leaves_what_was_there(path, monkeypatch):
    write_suite(path, [make()])
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="disk on fire"), SuiteWriter(path) as writer:
        writer.add(make(9))
        assert len(names(path.parent)) == 2
        raise RuntimeError("disk on fire")

    def fail(*arguments):
        raise RuntimeError("no rename")

    monkeypatch.setattr("galgen.publishing.os.replace", fail)
    with pytest.raises(RuntimeError, match="no rename"):
        write_suite(path, [make(9)])
    assert names(path.parent) == ["suite.h5"] and path.read_bytes() == before


@pytest.mark.parametrize(
    ("catalogues", "splits", "message"),
    [
        ([], "train", "at least one catalogue to write, got none"),
        ([make(), make(names=("x",))], "train", r"columns and units of catalogue 0.* catalogue 1"),
        ([make(), make(dtype=np.float32)], "train", r"data types of catalogue 0.*'x': 'float32'"),
        ([make(), make(cosmology={})], "train", r"cosmology names of catalogue 0"),
        ([make(), make()], ["train"], "one split per catalogue, got 1 for 2"),
    ],
)
def test_what_cannot_be_written(path, catalogues, splits, message):
    with pytest.raises(InputError, match=message):
        write_suite(path, catalogues, splits)
    assert not names(path.parent)


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"expected a folder .* create it first"):
        write_suite(tmp_path / "absent" / "suite.h5", [make()])
    with pytest.raises(InputError, match=r"expected a folder .* create it first"):
        SuiteParts(tmp_path / "absent" / "suite.h5", 1, {})


def test_splits_may_be_given_at_the_end(path):
    with SuiteWriter(path) as writer:
        for i in range(3):
            writer.add(make(seed=i))
        with pytest.raises(InputError, match="a split for each of 3 catalogues, got 1"):
            writer.resplit(["a"])
        writer.resplit(["b", "a", "b"])
    with Suite(path) as suite:
        assert suite.splits.tolist() == ["b", "a", "b"]


def test_parts_are_merged_in_order_and_a_job_goes_on(path):
    catalogues = [make(i, i) for i in range(6)]
    job = {"seed": 3, "range": (0.1, 0.5)}
    with SuiteParts(path, 3, job) as parts:
        assert parts.missing == [0, 1, 2]
        parts.write(2, catalogues[4:], "test")
        parts.write(0, catalogues[:2])
    with SuiteParts(path, 3, job) as parts:
        assert parts.missing == [1]
        assert parts.read(2).catalogues("test") == catalogues[4:]
        with pytest.raises(InputError, match=r"all 3 parts .*, got 1 missing \(1 first\)"):
            parts.finish()
        with pytest.raises(InputError, match="a part below 3, got 3"):
            parts.write(3, catalogues[:1])
        parts.write(1, catalogues[2:4])
        parts.finish()
    with Suite(path) as suite:
        assert list(suite) == catalogues
        assert suite.splits.tolist() == ["train"] * 4 + ["test"] * 2
    assert names(path.parent) == ["suite.h5"]


def test_parts_of_another_job_are_refused(path):
    with SuiteParts(path, 2, {"seed": 1, "box": {"side": 100}}) as parts:
        parts.write(0, [make()])
        with pytest.raises(InputError, match=r"alone at work .* another process"):
            SuiteParts(path, 2, {"seed": 1, "box": {"side": 100}})
    for number, job, difference in (
        (2, {"seed": 2, "box": {"side": 100}}, "job.seed 1, not 2"),
        (2, {"seed": 1, "box": {"side": 50}}, "job.box.side 100, not 50"),
        (3, {"seed": 1, "box": {"side": 100}}, "parts 2, not 3"),
    ):
        with pytest.raises(InputError, match=rf"those of another \({difference}\); .* remove"):
            SuiteParts(path, number, job)
    with SuiteParts(path, 2, {"seed": 1, "box": {"side": 100}}) as parts:
        assert parts.missing == [1]
    with pytest.raises(InputError, match="one part or more, got 0"):
        SuiteParts(path, 0, {})


def test_without_locks_jobs_run_and_nothing_is_taken_for_stale(path, monkeypatch):
    def unknown(descriptor, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    stale = path.with_name(f".{path.name}.left.writing")
    stale.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("galgen.publishing.fcntl.flock", unknown)
        with SuiteParts(path, 2, {"seed": 1}) as parts:
            for part in parts.missing:
                parts.write(part, [make(3, part)])
            parts.finish()
        with Suite(path) as suite:
            assert list(suite) == [make(3, 0), make(3, 1)]
        write_suite(path, [make(5)])
        assert names(path.parent) == [stale.name, "suite.h5"]
    write_suite(path, [make(5)])
    assert names(path.parent) == ["suite.h5"]


def test_a_lock_that_cannot_be_opened_is_not_one_that_is_held(path):
    """Nor does it stop the writers of the suite, who only look whether it is stale."""
    (path.parent / "suite.h5.parts" / "lock").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        SuiteParts(path, 1, {})
    strange = path.with_name(f".{path.name}.file.writing")
    strange.touch()
    write_suite(path, [make()])
    assert strange.exists() and path.exists()


HEADER = """
import sys
import numpy as np
from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.data.suite_parts import SuiteParts
path = sys.argv[1]
def make(value, points=20_000):
    return Catalogue({"x": np.full(points, float(value))}, (99.0, 1.0, 1.0))
"""

OVERWRITE = (
    HEADER
    + """
write_suite(path, [make(1)])
print("ready", flush=True)
while True:
    write_suite(path, [make(2), make(2)])
    write_suite(path, [make(1)])
"""
)

JOB = (
    HEADER
    + """
with SuiteParts(path, 16, {"seed": 1}) as parts:
    print("ready", flush=True)
    for part in parts.missing:
        parts.write(part, [make(part, part), make(part, 20_000)])
    parts.finish()
"""
)


def killed_at_random(code, path, rng, longest):
    """Whether a process that runs ``code`` was killed before its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(rng.uniform(0, longest))
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    return process.wait() == -signal.SIGKILL


def leftovers(folder: Path):
    return [name for name in names(folder) if name.startswith(".")]


def test_a_killed_writer_leaves_the_old_or_the_new(path):
    rng = np.random.default_rng(0)
    for _ in range(6):
        assert killed_at_random(OVERWRITE, path, rng, 0.05)
        assert len(leftovers(path.parent)) <= 1
        with Suite(path) as suite:
            values = [set(c.columns["x"]) for c in suite]
        assert values in ([{1.0}], [{2.0}, {2.0}])
    write_suite(path, [make()])
    assert names(path.parent) == ["suite.h5"]


def test_what_a_living_writer_has_begun_stays(path):
    with SuiteWriter(path) as slow:
        slow.add(make(3))
        write_suite(path, [make(5)])
        assert len(leftovers(path.parent)) == 1
    with Suite(path) as suite:
        assert suite.counts.tolist() == [3]


def test_a_killed_job_goes_on_to_the_same_suite(path):
    rng = np.random.default_rng(1)
    rounds = 0
    while killed_at_random(JOB, path, rng, 0.05 + 0.1 * rounds):
        rounds += 1
        for part in path.parent.glob("suite.h5.parts/part-*.h5"):
            with Suite(part) as suite:
                number = int(part.stem.removeprefix("part-"))
                assert suite.counts.tolist() == [number, 20_000]
                assert set(suite[1].columns["x"]) == {float(number)}
    with Suite(path) as suite:
        assert suite.counts.tolist() == [n for part in range(16) for n in (part, 20_000)]
        assert [c.columns["x"][0] for c in list(suite)[1::2]] == list(range(16))
    write_suite(path.with_name("other.h5"), [make()])
    assert names(path.parent) == ["other.h5", "suite.h5"]
