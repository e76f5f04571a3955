"""galgen simulate: a suite of halo catalogues."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from galgen.checked import Count, checked
from galgen.commands.command import Command
from galgen.data.suite import Suite
from galgen.data.suite_parts import SuiteParts
from galgen.places import HDF5, check_file
from galgen.printing import say
from galgen.serialization import to_json
from galgen.simulation.recipe import SuiteRecipe

PROCESSES = os.cpu_count() or 1
PART = 16
"""Catalogues that are written together: what a stopped job loses at most."""


@dataclasses.dataclass(frozen=True)
@checked
class Simulate(Command):
    """Make a suite of halo catalogues with the embedded simulator.

    What a stopped job has made is kept beside the suite, and the same command goes on.

    Example: galgen simulate --output suite.h5 --train 400 --omega-m 0.2 0.4 --sigma-8 0.7 0.9
    """

    recipe: Annotated[SuiteRecipe, tyro.conf.arg(name="")] = SuiteRecipe()
    """What to make."""
    output: Path = Path("suite.h5")
    """The HDF5 suite to write."""
    processes: Count = PROCESSES
    """Worker processes; the result is the same for any number."""

    def run(self) -> None:
        check_file(self.output, signature=HDF5)
        total = len(self.recipe.cosmologies()[0])
        self.recipe.check()
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with SuiteParts(self.output, -(-total // PART), {"recipe": to_json(self.recipe)}) as parts:
            self._simulate(parts, total)
            parts.finish()
        say(f"{total} catalogues written to {self.output}")

    def _simulate(self, parts: SuiteParts, total: int) -> None:
        """The parts that are missing."""
        missing = {n: range(n * PART, min((n + 1) * PART, total)) for n in parts.missing}
        numbers = [number for part in missing.values() for number in part]
        note = {"recipe": json.dumps(to_json(self.recipe))}
        with (
            contextlib.closing(self.recipe.simulate(self.processes, numbers)) as simulated,
            tqdm(
                total=total, initial=total - len(numbers), desc="simulate", unit="catalogue"
            ) as bar,
        ):
            for part, members in missing.items():
                catalogues, splits = [], []
                for catalogue, split in itertools.islice(simulated, len(members)):
                    provenance = {**catalogue.provenance, **note}
                    catalogues.append(catalogue.replace(provenance=provenance))
                    splits.append(split)
                    bar.update()
                parts.write(part, catalogues, splits)

    @property
    def cached(self) -> bool:
        """Whether ``output`` already holds this very suite."""
        if not self.output.exists():
            return False
        with Suite(self.output) as suite:
            made = [provenance.get("recipe") for provenance in suite.provenance(0, 1)]
        return made == [json.dumps(to_json(self.recipe))]
