"""galgen simulate: a suite of halo catalogues."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import tyro

import galgen
from galgen.checked import Count, checked
from galgen.commands.command import Command
from galgen.commands.options import Output
from galgen.printing import say
from galgen.simulation.recipe import SuiteRecipe

WORKERS = os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
@checked
class Simulate(Command):
    """Make a suite of halo catalogues with the embedded simulator.

    What a stopped job has made is kept beside the suite, and the same command goes on.

    Example: galgen simulate --output suite.h5 --train 400 --omega-m 0.2 0.4 --sigma-8 0.7 0.9
    """

    recipe: Annotated[SuiteRecipe, tyro.conf.arg(name="")] = SuiteRecipe()
    """What to make."""
    output: Output[Path] = Path("suite.h5")
    """The HDF5 suite to write."""
    workers: Count = WORKERS
    """Processes that simulate; the result is the same for any number."""

    def run(self) -> None:
        with galgen.simulate(self.output, self.recipe, self.workers, progress=True) as suite:
            say(f"{len(suite)} catalogues written to {self.output}")
