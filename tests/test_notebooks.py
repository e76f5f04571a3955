"""Notebooks run top to bottom."""

import runpy
from pathlib import Path

import numpy as np
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(notebook: Path) -> None:
    names = runpy.run_path(str(notebook))
    assert len(names["high"]) > 2 * len(names["low"])
    assert np.all(np.isfinite(names["correlation"]["high"].xi))
    names["figure"].canvas.draw()
