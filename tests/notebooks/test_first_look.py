"""The first notebook, and that every notebook has a test."""

from pathlib import Path

import numpy as np
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
