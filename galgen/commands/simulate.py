"""galgen simulate: a suite of halo catalogues."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from galgen.commands.command import Command
from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.serialization import to_json
from galgen.simulation.recipe import SuiteRecipe

PROCESSES = os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class Simulate(Command):
    """Make a suite of halo catalogues with the embedded simulator.

    Example: galgen simulate --output suite.h5 --train 400 --omega-m 0.2 0.4 --sigma-8 0.7 0.9
    """

    recipe: Annotated[SuiteRecipe, tyro.conf.arg(name="")] = SuiteRecipe()
    """What to make."""
    output: Path = Path("suite.h5")
    """The HDF5 suite to write."""
    processes: int = PROCESSES
    """Worker processes; the result is the same for any number."""

    def run(self) -> None:
        total = len(self.recipe.cosmologies()[0])
        catalogues: list[Catalogue] = []
        splits: list[str] = []
        with tqdm(total=total, desc="simulate", unit="catalogue") as bar:
            for catalogue, split in self.recipe.simulate(self.processes):
                note = {"recipe": json.dumps(to_json(self.recipe))}
                catalogues.append(catalogue.replace(provenance={**catalogue.provenance, **note}))
                splits.append(split)
                bar.update()
        self.output.parent.mkdir(parents=True, exist_ok=True)
        write_suite(self.output, catalogues, splits)
        print(f"{len(catalogues)} catalogues written to {self.output}")

    @property
    def cached(self) -> bool:
        """Whether ``output`` already holds this very suite."""
        if not self.output.exists():
            return False
        with Suite(self.output) as suite:
            made = suite[0].provenance.get("recipe")
        return made == json.dumps(to_json(self.recipe))
