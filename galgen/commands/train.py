"""galgen train: a network, by a configuration file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from galgen.commands.command import Command
from galgen.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class Train(Command):
    """Train by a configuration file; any field of it can be overridden by name.

    Ctrl-C saves a checkpoint; --resume goes on from the newest with the same numbers.

    Example: galgen train configs/demo.py --run runs/mine --trainer.steps 2000 --network.width 96
    """

    config: tyro.conf.Positional[Path]
    """The configuration file."""
    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    """The experiment it builds."""
    run_folder: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Where to keep the run; runs/<name of the configuration> if not given."""
    resume: bool = False
    """Go on with the run in that folder."""

    def run(self) -> None:
        folder = self.run_folder or Path("runs") / self.config.stem
        try:
            self.experiment.train(folder, self.resume)
        except KeyboardInterrupt:
            print(f"stopped; galgen train {self.config} --run {folder} --resume goes on")
            raise
        print(f"trained run in {folder}")
