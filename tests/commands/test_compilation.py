"""What JAX compiles is kept from one command to the next."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from galgen.commands.compilation import FOLDER, SETTINGS, keep_compiled

PROGRAM = """
from galgen.commands.compilation import compilations_told, keep_compiled
keep_compiled()
with compilations_told():
    import jax, numpy
    print(jax.jit(lambda x: x * 3.0)(numpy.float32(2.0)))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (FOLDER, *SETTINGS):
        # Set first, so that what is set by the test goes after it.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    return tmp_path


def start(home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out


def test_a_second_process_reads_what_the_first_compiled(home: Path) -> None:
    """The first two at once, as two commands of a user."""
    for process in [start(home), start(home)]:
        assert "6.0" in ended(process)
    assert "0 programs compiled and 1 read" in ended(start(home))
    (folder,) = (home / "galgen/compiled").iterdir()
    assert list(folder.glob("*-cache"))


def test_programs_that_were_not_written_to_their_end_go(home: Path) -> None:
    keep_compiled()
    folder = Path(os.environ.pop(FOLDER))
    old, new, whole = (folder / f"{name}-cache" for name in ("old", "new", "whole"))
    for program in (old, new, whole):
        program.write_bytes(b"half")
    (folder / "whole-atime").write_bytes(bytes(8))
    for program in (old, whole):
        os.utime(program, (time.time() - 999,) * 2)
    keep_compiled()
    assert [program.exists() for program in (old, new, whole)] == [False, True, True]


@pytest.mark.parametrize("setting", [FOLDER, "XDG_CACHE_HOME"])
def test_another_folder_or_none_is_no_error(
    home: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").write_text("in the way")
    monkeypatch.setenv(setting, str(home / "file"))
    before = dict(os.environ)
    keep_compiled()
    assert dict(os.environ) == before
