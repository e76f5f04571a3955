"""``make quick`` asks every room something, and leaves out only tests that there are."""

import ast
from pathlib import Path

import longer
import pytest

TESTS = Path(__file__).parent
GALGEN = TESTS.parent / "galgen"
ROOMS = sorted(folder.name for folder in GALGEN.iterdir() if (folder / "__init__.py").exists())


def is_slow(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(mark) == "pytest.mark.slow" for mark in node.decorator_list)


def found_in(path: Path) -> dict[str, bool]:
    """Names of the tests of a file, and whether they are slow."""
    functions = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
    file = path.relative_to(TESTS.parent).as_posix()
    return {f"{file}::{n.name}": is_slow(n) for n in functions if n.name.startswith("test_")}


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_quick_tests(room: str) -> None:
    """In its folder, or where there is none in the files that import from it."""
    files = sorted((TESTS / room).glob("test_*.py")) or [
        path for path in TESTS.glob("test_*.py") if f"galgen.{room}" in path.read_text()
    ]
    tests = {name: slow for file in files for name, slow in found_in(file).items()}
    quick = [name for name, slow in tests.items() if not slow and name not in longer.listed()]
    assert len(quick) >= 2


def test_what_is_listed_as_longer_is_there_and_not_slow() -> None:
    """But for a few that got other names or marks since ``make record``."""
    files = TESTS.glob("**/test_*.py")
    tests = {name: slow for path in files for name, slow in found_in(path).items()}
    stale = [name for name in sorted(longer.listed()) if tests.get(name, True)]
    assert len(stale) < len(longer.listed()) / 20, f"run make record: {stale}"
