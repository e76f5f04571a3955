"""The first notebook, and that every notebook has a test."""

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest
from notebook_runs import NOTEBOOKS, run


def test_first_look() -> None:
    names = run("00_first_look")
    assert len(names["high"]) > 2 * len(names["low"])
    assert np.all(np.isfinite(names["correlation"]["high"].xi))


def test_every_notebook_is_tested() -> None:
    for path in NOTEBOOKS.glob("*.py"):
        test = Path(__file__).with_name(f"test_{path.stem[3:]}.py")
        assert test.exists(), f"{path.name} has no test {test.name}"
        assert path.name in test.read_text() or f'"{path.stem}"' in test.read_text()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_what_a_notebook_imports_is_there(path: Path) -> None:
    """Most of them run in the slow tests only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "galgen":
            room = importlib.import_module(node.module)
            assert [one.name for one in node.names if not hasattr(room, one.name)] == []
