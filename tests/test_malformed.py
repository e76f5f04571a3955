"""Every command with malformed arguments and files: one line, status 0 or 2, nothing is left."""

import contextlib
import functools
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import malformed
import pytest
from privilege import ordinary_permissions

import galgen.inference.posteriors
from data_prep.command import main as prepare
from galgen.cli import main
from galgen.commands.mock import Mock
from galgen.run import Run
from galgen.simulation.recipe import SuiteRecipe
from galgen.training import Trainer


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a suite, a run and damaged files, in which all of this happens."""
    folder = tmp_path_factory.mktemp("malformed")
    malformed.make_home(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


class Begun(BaseException):
    """The work has begun: nothing was wrong with the line, or nothing that is known before."""


def begin(*_, **__) -> None:
    raise Begun


@pytest.fixture
def without_work(monkeypatch) -> None:
    """What takes its time is not done, or once."""
    load = functools.cache(Run.load)
    monkeypatch.setattr(Run, "load", staticmethod(load))
    for place, name in (
        (SuiteRecipe, "simulate"),
        (Trainer, "fit"),
        (Run, "draw"),
        (Run, "sample"),
        (galgen.inference.posteriors, "_field_level"),
        (Mock, "_observe"),
        (galgen, "compare"),
        (galgen.validation, "suite_figure"),
    ):
        monkeypatch.setattr(place, name, begin)


class Checker:
    """Runs command lines, and notes what was wrong with their endings."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys, self.number = folder, capsys, 0
        self.faults: list[str] = []
        self.before = malformed.listing(folder)

    def run(self, command: malformed.Main, words: list[str], refused: bool, said: str = "") -> None:
        """Run one line; where ``refused``, it must be, with what is ``said``."""
        self.number += 1
        self.capsys.readouterr()
        try:
            status = command(words)
        except SystemExit as stop:
            status = stop.code or 0
        except Begun:
            status = 0
        except BaseException as error:
            status = repr(error)
        printed = self.capsys.readouterr().err
        fault = self._fault(status, printed, refused)
        if said not in printed:
            fault = fault or f"not {said}"
        if fault:
            self.faults.append(f"{fault}: {shlex.join(words)}\n    {printed.strip()[-400:]}")

    def _fault(self, status: object, printed: str, refused: bool) -> str:
        fault = ""
        if status != 2 and (refused or status != 0):
            fault = f"status {status}"
        elif status == 2:
            # A bar of progress may come before the line.
            line = re.split(r"[\r\n]", printed.strip())[-1]
            if printed.count("error:") != 1 or "Traceback" in printed:
                fault = "not one line"
            elif not re.match(
                r"(galgen|data_prep): error: .*expected .+, (got|found) .+; \S", line
            ):
                fault = "not what was expected, what came and the remedy"
        left = self._left()
        return fault or (f"left {left}" if status != 0 and left else "")

    def _left(self) -> list[str]:
        """What is new or changed; it is removed for the next line."""
        after = malformed.listing(self.folder)
        if after == self.before:
            return []
        left = sorted(name for name in after if after[name] != self.before.get(name))
        left += [f"without {name}" for name in self.before if name not in after]
        for name in after.keys() - self.before.keys():
            path = self.folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self.before = malformed.listing(self.folder)
        return left

    def report(self) -> None:
        """Fail if anything was wrong."""
        assert not self.faults, f"{len(self.faults)} of {self.number}:\n" + "\n".join(self.faults)


@pytest.mark.parametrize("command", [*malformed.BASES, ""])
def test_malformed_lines_are_refused(command: str, home: Path, without_work, capsys) -> None:
    checker = Checker(home, capsys)
    for line in malformed.lines():
        first = line.split()[0]
        if first == command or (first not in malformed.BASES and not command):
            checker.run(main, shlex.split(line), refused=True)
    checker.report()
    assert checker.number > 1


def test_permissions_are_respected(home: Path, tmp_path: Path, without_work, capsys) -> None:
    """What may not be read or written is named, before the work."""
    folder = shutil.copytree(home, tmp_path / "home", symlinks=True)
    malformed.forbid(folder)
    lines = [(main, line) for line in malformed.FORBIDDEN.strip().splitlines()]
    for source, options in malformed.SOURCES.items():
        lines.append((prepare, f"{source} secret.dat {options} -o open/new.h5"))
    lines.append((prepare, "table grid.csv --box 1 -o new.h5"))
    try:
        with contextlib.chdir(folder), ordinary_permissions():
            checker = Checker(folder, capsys)
            for command, line in lines:
                checker.run(command, shlex.split(line), refused=True, said="ermission")
    finally:
        for place in (folder, folder / "run", folder / "secret"):
            place.chmod(0o755)
    checker.report()


@pytest.mark.parametrize("source", [*malformed.SOURCES, ""])
def test_malformed_lines_of_data_prep_are_refused(source: str, home: Path, capsys) -> None:
    checker = Checker(home, capsys)
    for line in malformed.source_lines():
        first = line.split()[0]
        if first == source or (first not in malformed.SOURCES and not source):
            checker.run(prepare, shlex.split(line), refused=True)
    checker.report()
    assert checker.number > 1


@pytest.mark.parametrize("command", [name for name in malformed.BASES if name != "train"])
def test_odd_options(command: str, home: Path, without_work, capsys) -> None:
    checker = Checker(home, capsys)
    for words in malformed.odd_lines(main, malformed.BASES[command], 10, seed=0):
        checker.run(main, words, refused=False)
    checker.report()


@pytest.mark.slow
@pytest.mark.parametrize("command", list(malformed.BASES))
def test_many_odd_options(command: str, home: Path, without_work, capsys) -> None:
    checker = Checker(home, capsys)
    number = 60 if command == "train" else 600
    for words in malformed.odd_lines(main, malformed.BASES[command], number, seed=1):
        checker.run(main, words, refused=False)
    checker.report()
