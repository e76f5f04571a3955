"""How a command ends, whatever goes wrong: its exit status, and one line that says why."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_prep.command import main as prepare
from galgen import command_line
from galgen.cli import main
from galgen.errors import InputError


def ending(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The status and the line of a command that raises this."""

    def command(_) -> None:
        raise error

    capsys.readouterr()
    status = command_line.run("galgen", [], command)
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1, "one line"
    return status, printed.strip()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("expected a,\n  got b; c"), "expected a, got b; c"),
        (InputError("got \x1b[31mred\x07"), r"got \x1b[31mred"),
        (FloatingPointError("expected a finite loss"), "expected a finite loss"),
        (OSError(errno.ENOSPC, "full", "a.h5"), "a.h5 to be read or written, got 'No space left"),
        (OSError(errno.ENOSPC, "full"), "free some space"),
        (OSError("Can't write (file write failed: errno = 28, name = 'b.h5')"), "expected b.h5"),
        (PermissionError(errno.EACCES, "denied", "a"), "change its permissions"),
        (IsADirectoryError(errno.EISDIR, "is", "runs"), "name a file"),
        (FileNotFoundError(errno.ENOENT, "none", b"raw"), "expected raw"),
        (OSError("odd"), "got 'odd'"),
        (MemoryError(), "expected enough memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: out of 9 GiB\nof more"), "RESOURCE_EXHAUSTED: out of 9"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "expected text in UTF-8"),
        (RuntimeError("Unable to initialize backend 'tpu'"), "unset JAX_PLATFORMS"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_can_be_mended_is_status_2(error, words: str, capsys) -> None:
    status, line = ending(error, capsys)
    assert status == 2 and line.startswith("galgen: error: ")
    assert words in line and "None" not in line


def test_a_full_disk_of_hdf5_is_named(tmp_path: Path, capsys) -> None:
    """The error that h5py raises has neither number nor file."""

    def command(_) -> None:
        with h5py.File("/dev/full", "w") as file:
            file["x"] = np.zeros(10_000)

    assert command_line.run("galgen", [], command) == 2
    assert "expected" in capsys.readouterr().err


def test_other_endings(capsys, monkeypatch) -> None:
    assert ending(KeyboardInterrupt(), capsys) == (130, "galgen: stopped")
    status, line = ending(KeyError("lost"), capsys)
    assert status == 70 and "internal error: KeyError: 'lost'" in line and __file__ in line
    monkeypatch.setenv("GALGEN_TRACEBACK", "1")

    def command(_) -> None:
        raise InputError("expected more")

    assert command_line.run("galgen", [], command) == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed and printed.endswith("\ngalgen: error: expected more\n")


def process(command: str) -> tuple[int, str]:
    """The status of a bash command, of the first in a pipe, and what it printed on stderr."""
    where = {**os.environ, "P": f"{sys.executable} -m"}
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=where,
    )
    return done.returncode, done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    """As of ``| head -1``: silence, and the status of other tools that SIGPIPE ends."""
    for command in ("$P galgen --help", "$P galgen wander 2>&1", "PYTHONUNBUFFERED=1 $P galgen"):
        assert process(f"(sleep 0.3; {command}; exit $?) | true") in ((141, ""), (2, ""))
    assert process("(sleep 0.3; $P galgen --version; exit $?) | true") == (141, "")


def test_standard_output_that_takes_nothing() -> None:
    status, printed = process("$P galgen --help > /dev/full")
    assert status == 2 and "No space left" in printed and printed.count("\n") == 1
    assert process("$P galgen --help >&-") == (0, "")
    assert process("$P galgen wander 2>&-") == (2, "")
    assert process("PYTHONIOENCODING=ascii $P galgen wänder 2>&1") == (2, "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["simulat"], "got 'simulat'; perhaps you meant simulate"),
        (["wander"], "got 'wander'; galgen --help tells of them"),
        (["inspect", ""], "got an empty one"),
        (["simulate", "--sede", "3"], "got --sede, 3; perhaps you meant --seed"),
        (["simulate", "--mesh", "64"], "got --mesh, 64; perhaps you meant --simulator.mesh"),
        (["simulate", "--seed", "x"], "expected --seed INT, got 'x'"),
        (["simulate", "--seed=1=2"], "expected --seed INT, got '1=2'"),
        (["simulate", "--seed"], "expected a value after --seed, got nothing"),
        (["simulate", "--omega_m", "0.2"], "expected 2 values after --omega-m, got '0.2'"),
        (["simulate", "--omega-m", "-1", "a"], "expected --omega-m FLOAT FLOAT, got '-1 a'"),
        (["simulate", "--seed", "1", "2"], "got 2 after --seed"),
        (["simulate", "--omega-b", "0.1", "None"], "{FLOAT FLOAT}, got '0.1 None'"),
        (["simulate", "--seed", "9" * 5000], "999...'"),
        (["simulate", "--output", "a\0b"], "leave out the NUL"),
        (["simulate", "--simulator.mesh", "-4"], "expected a mesh that is a multiple of 4"),
        (["simulate", "--simulator.mesh", "/a long/" * 30], "/a long//a long/"),
        (["mock"], "expected PATH (The suite, or the samples.h5 of a run), got none"),
        (["mock", "s.h5", "--light-cone", "no"], "got no after --light-cone"),
        (["infer", "r", "s.h5", "--method", "nutz"], "got 'nutz'; perhaps you meant nuts"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_options_that_cannot_be_read(arguments, line, encoding, capsys, monkeypatch) -> None:
    """Whatever the frame that tyro draws; at any width of the terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(type(sys.stdout), "encoding", encoding)
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("galgen: error: expected ") and printed.count("\n") == 1
    assert line in printed and not {"│", "─", "╭"} & {*printed} and "---" not in printed


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "got 'nothing'; python -m data_prep --help"),
        (["tabel", "x"], "got 'tabel'; perhaps you meant table"),
        (["rockstar"], "expected -o PATH, --output PATH, got none"),
        (["rockstar", "x", "-o", "y", "--n_mim", "2"], "perhaps you meant --n-min"),
        (["rockstar", "x", "-o", "y", "--split-by", "boxs"], "got 'boxs'; perhaps you meant box"),
    ],
)
def test_options_of_data_prep(arguments, line, capsys) -> None:
    assert prepare(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("data_prep: error: expected ") and printed.count("\n") == 1
    assert line in printed
