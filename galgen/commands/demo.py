"""galgen demo: all of it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import tyro

import galgen
from galgen.checked import Count, checked
from galgen.commands.command import Command
from galgen.commands.simulate import WORKERS, Simulate
from galgen.commands.validate import Validate
from galgen.errors import InputError
from galgen.places import check_folder
from galgen.printing import say
from galgen.simulation.recipe import SuiteRecipe

RECIPE = SuiteRecipe(contrast=256)
"""Many held out at each corner: the truth has little noise where the response is judged."""
REPEATS = 128
"""Drawn at each corner: with 64 the closest bin of xi(r) is known to 7% only."""


@dataclasses.dataclass(frozen=True)
@checked
class Demo(Command):
    """The main job in minutes: simulate, train, sample, validate.

    Example: galgen demo --run runs/demo
    """

    folder: Annotated[Path, tyro.conf.arg(name="run")] = Path("runs/demo")
    """The run; its suite is kept beside it and used again."""
    config: Path = Path("demo")
    """The configuration: a file, or the name of one that comes with galgen."""
    workers: Count = WORKERS
    """Processes that simulate."""

    def run(self) -> None:
        from galgen.simulation.suite_file import is_made

        start = time.perf_counter()
        check_folder(self.folder)
        experiment = galgen.load_config(self.config)
        suite = experiment.data.held_out()
        if suite is None:
            raise InputError(
                f"expected a configuration of catalogues, got {self.config}; name another"
            )
        if is_made(suite, RECIPE):
            say(f"suite {suite} is there already")
        elif suite.exists():
            raise InputError(
                f"expected the suite that the demo makes at {suite}, got another; remove it, or "
                "name a configuration of another suite with --config"
            )
        else:
            Simulate(RECIPE, suite, self.workers).run()
        resume = (self.folder / "experiment.json").exists()
        experiment.train(self.folder, resume)
        Validate(self.folder, repeats=REPEATS).run()
        say(f"demo took {(time.perf_counter() - start) / 60:.1f} minutes")
