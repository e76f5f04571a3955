"""galgen train: a network, by a configuration file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import jax
import tyro

from galgen.commands.command import Command
from galgen.experiment import Experiment
from galgen.training.distributed import is_first, join
from galgen.training.sharding import MeshShape


@dataclasses.dataclass(frozen=True)
class Train(Command):
    """Train by a configuration file; any field of it can be overridden by name.

    Ctrl-C saves a checkpoint; --resume goes on from the newest with the same numbers.

    On several processes each runs this command: under Slurm as it is, elsewhere with --coordinator,
    --processes and --process. The batch is split over all devices of all processes.

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

    mesh: str = "model=1"
    """Devices along each axis, e.g. data=4,model=2: those of model share weights and optimiser."""
    profile: bool = False
    """Record a few steps by jax.profiler into the run folder."""
    compilation_cache: Path | None = None
    """A folder that keeps what was compiled, for the next start."""
    coordinator: str | None = None
    """host:port of the first process."""
    processes: int | None = None
    """How many processes there are."""
    process: int | None = None
    """Which of them this is, from 0."""

    def run(self) -> None:
        mesh = MeshShape.parse(self.mesh)
        if self.compilation_cache is not None:
            jax.config.update("jax_compilation_cache_dir", str(self.compilation_cache.resolve()))
        join(self.coordinator, self.processes, self.process)
        folder = self.run_folder or Path("runs") / self.config.stem
        try:
            self.experiment.train(folder, self.resume, mesh, self.profile)
        except KeyboardInterrupt:
            if is_first():
                print(f"stopped; galgen train {self.config} --run {folder} --resume goes on")
            raise
        if is_first():
            print(f"trained run in {folder}")
