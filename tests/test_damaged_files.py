"""Whatever is wrong with a file, it is refused in one line, or read with no silent wrong value."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from fuzzed_readers import COMMANDS, SUBJECTS
from fuzzing import Content, Mutation, Subject, attack, damage, verdict

from data_prep.command import main
from galgen.errors import InputError

NEEDED = {".asdf": "asdf", ".parquet": "pyarrow"}


def names(subject: Subject) -> str:
    return subject.name


def needs(name: str) -> None:
    module = NEEDED.get(Path(name).suffix)
    if module is not None and importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}")


def assert_sound(subject: Subject, folder: Path, number: int) -> None:
    needs(subject.name)
    wrong = [
        f"{place}: {mutation.name}, {kind}: {text}"
        for place, mutation, (kind, text) in attack(subject, folder, number)
        if kind not in ("refused", "read")
    ]
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("subject", SUBJECTS, ids=names)
def test_damage_is_refused_or_changes_nothing_else(subject: Subject, tmp_path: Path) -> None:
    assert_sound(subject, tmp_path, 30)


@pytest.mark.slow
@pytest.mark.parametrize("subject", SUBJECTS, ids=names)
def test_much_damage(subject: Subject, tmp_path: Path) -> None:
    assert_sound(subject, tmp_path, 2000)


@pytest.mark.parametrize("subject", SUBJECTS, ids=names)
def test_only_files_are_read(subject: Subject, tmp_path: Path) -> None:
    """A pipe would never end, and a file that is all hole nearly never."""
    needs(subject.name)
    path = tmp_path / subject.name
    with path.open("wb") as hollow:
        hollow.truncate(1 << 42)
    for said in ("copy it again", "a pipe or a device", "no such file|got none"):
        with pytest.raises(InputError, match=rf"{subject.name}.*({said})"):
            subject.read(path)
        path.unlink(missing_ok=True)
        if "copy" in said:
            os.mkfifo(path)


def run(subject: Subject, words: tuple[str, ...], folder: Path, number: int, capsys) -> None:
    """data_prep ends with status 0 or 2 and one line, and leaves its suite or nothing."""
    needs(subject.name)
    path, output = folder / "in" / subject.name, folder / "out" / "suite.h5"
    path.parent.mkdir()
    output.parent.mkdir()
    subject.write(path)
    sound = path.read_bytes()
    for place in range(number):
        path.write_bytes(sound)
        damage(path, subject, np.random.default_rng([1, place]))
        status = main([*words, str(path), "-o", str(output), "--splits", "a=1"])
        said = [line for line in capsys.readouterr().err.splitlines() if "warning: " not in line]
        left = [file.name for file in output.parent.iterdir()]
        assert (status, left, len(said)) in ((0, ["suite.h5"], 0), (2, [], 1)), said
        output.unlink(missing_ok=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_leaves_a_suite_or_nothing(name: str, tmp_path: Path, capsys) -> None:
    subject = next(subject for subject in SUBJECTS if subject.name == name)
    run(subject, COMMANDS[name], tmp_path, 4, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_again_and_again(name: str, tmp_path: Path, capsys) -> None:
    subject = next(subject for subject in SUBJECTS if subject.name == name)
    run(subject, COMMANDS[name], tmp_path, 200, capsys)


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    """A reader that takes whatever comes is caught, and so is each kind of wrong ending."""
    reference = Content({"x": np.arange(100.0)}, {"box": 1.0})
    path = tmp_path / "a.bin"
    path.write_bytes(reference.columns["x"].tobytes())

    def judged(read, touched: int = 1) -> str:
        mutation = Mutation("flip_bytes", touched)
        return verdict(Subject("a.bin", lambda path: None, read), path, reference, mutation)[0]

    def fail(error: Exception):
        def read(path: Path) -> Content:
            raise error

        return read

    def changed(number: int, **header):
        values = np.arange(100.0)
        values[:number] += 1
        return lambda path: Content({"x": values}, {"box": 1.0} | header)

    def litter(path: Path) -> Content:
        (path.parent / "draft").touch()
        return reference

    assert judged(lambda path: reference) == judged(changed(1)) == "read"
    assert judged(changed(2)) == judged(changed(2, box=2.0)) == "silent"
    assert judged(changed(1), 0) == "silent"
    assert judged(lambda path: Content({"x": np.arange(99.0)}, {})) == "silent"
    assert judged(lambda path: Content({"y": np.arange(100.0)}, {})) == "silent"
    assert judged(fail(ValueError("x"))) == "traceback"
    assert judged(fail(InputError("a.bin: expected a, got b; mend"))) == "refused"
    assert judged(fail(InputError("expected a, got b; mend"))) == "unnamed"
    assert judged(litter) == "left behind"


def test_damage_is_the_same_every_time(tmp_path: Path) -> None:
    subject = next(subject for subject in SUBJECTS if subject.name == "points.ff")
    first, second = (list(attack(subject, tmp_path, 20)) for _ in range(2))
    assert first == second
    assert len({mutation.name for _, mutation, _ in first}) > 4
