"""galgen inspect: what a suite or a run holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from galgen.commands.command import Command
from galgen.commands.validate import run_details
from galgen.data.encoding import Encoding
from galgen.data.suite import Suite
from galgen.experiment import Experiment
from galgen.serialization import read_json


@dataclasses.dataclass(frozen=True)
class Inspect(Command):
    """Print what a suite of catalogues, or a run, holds.

    Example: galgen inspect suite.h5
    """

    path: tyro.conf.Positional[Path]
    """A suite (HDF5 file) or a run (folder)."""

    def run(self) -> None:
        if self.path.is_dir():
            run = read_json(self.path / "experiment.json")
            encoding: Encoding[Any] = read_json(self.path / "encoding.json")
            print(f"run {self.path}")
            for name, text in run_details(self.path).items():
                print(f"  {name}: {text}")
            for name, (low, high) in encoding.condition_ranges.items():
                print(f"  condition {name}: trained from {low:.4g} to {high:.4g}")
            assert isinstance(run, Experiment)
            return
        with Suite(self.path) as suite:
            print(suite_summary(suite))


def suite_summary(suite: Suite) -> str:
    """Splits, columns, counts and parameter ranges of a suite, and its first catalogue."""
    names, numbers = np.unique(suite.splits, return_counts=True)
    counts = suite.counts
    lines = [
        f"{len(suite)} catalogues, {counts.sum()} points "
        f"({counts.min()} to {counts.max()} each, mean {counts.mean():.1f})",
        "splits: " + ", ".join(f"{n} {k}" for n, k in zip(names, numbers, strict=True)),
        "columns: " + ", ".join(f"{c} [{suite.units[c]}]" for c in suite.column_names),
    ]
    for name in suite.parameter_names:
        values = suite.parameter_table([name])[:, 0]
        lines.append(f"{name}: {values.min():.5g} to {values.max():.5g}")
    lines.append(f"first: {suite[0]!r}")
    return "\n".join(lines)
