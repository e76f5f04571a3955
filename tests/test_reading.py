"""What goes wrong with a file is one line that names it."""

import os
import zipfile
from pathlib import Path

import pytest

from galgen.errors import InputError
from galgen.reading import check_declared, reading, regular_file


@pytest.mark.parametrize(
    "error",
    [
        OSError("truncated file"),
        EOFError(),
        KeyError("x"),
        ValueError("two\nlines"),
        zipfile.BadZipFile("bad CRC"),
        MemoryError(),
        RecursionError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        InputError("expected a, got b; mend it"),
    ],
)
def test_errors_name_the_file(error: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"^halos\.h5: expected .*, got .*; \w+") as said,
        reading(Path("halos.h5"), "a whole catalogue"),
    ):
        raise error
    assert "\n" not in str(said.value)


def test_only_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    assert regular_file(file) == file
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "holes").open("wb") as holes:
        holes.truncate(1 << 40)
    said = {
        tmp_path / "none": "no such file",
        file / "below": "no such file",
        tmp_path: "a folder",
        tmp_path / "pipe": "a pipe",
        tmp_path / "holes": "not copied to the end",
    }
    for path, words in said.items():
        with pytest.raises(InputError, match=words):
            regular_file(path)


def test_declared_sizes_are_compared_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1" * 1000)
    check_declared(1 << 20, file, "field x")
    with pytest.raises(InputError, match="field x of a size that fits a file of 1000 bytes"):
        check_declared(8 << 30, file, "field x")
