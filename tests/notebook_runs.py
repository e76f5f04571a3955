"""Notebooks as a reader runs them: top to bottom, every figure drawn."""

import runpy
from pathlib import Path

from matplotlib.figure import Figure

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def run(name: str) -> dict:
    """What a notebook leaves behind, with its figures drawn."""
    names = runpy.run_path(str(NOTEBOOKS / f"{name}.py"))
    for value in names.values():
        if isinstance(value, Figure):
            value.canvas.draw()
    return names
