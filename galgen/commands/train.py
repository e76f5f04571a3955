"""galgen train: a network, by a configuration."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from galgen.checked import Count, Whole, checked
from galgen.commands.command import Command
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.places import check_folder
from galgen.printing import say
from galgen.serialization import to_json
from galgen.training.distributed import is_first, join, tell, together
from galgen.training.sharding import ALL_ON_DATA, MeshShape
from galgen.training.tracking import TensorBoard, Tracker, WeightsAndBiases


@dataclasses.dataclass(frozen=True)
@checked
class Train(Command):
    """Train by a configuration; any field of it can be overridden by name.

    Ctrl-C saves a checkpoint; --resume goes on from the newest with the same numbers, and with
    --trainer.steps for more of them than at the start. Data that moved are named by --data.path;
    --seed is --trainer.seed.

    On several processes each runs this command: under Slurm and MPI as it is, elsewhere with
    --coordinator, --processes and --process. The batch is split over all devices of all processes.

    Example: galgen train demo --run runs/mine --trainer.steps 2000 --network.width 96
    """

    config: tyro.conf.Positional[Path]
    """The configuration: a file, or the name of one that comes with galgen."""
    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    """The experiment it builds."""
    run_folder: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Where to keep the run; runs/<name of the configuration> if not given."""
    resume: bool = False
    """Go on with the run in that folder."""
    trust: bool = False
    """Import classes of other packages that the encoding of that run names."""

    mesh: str = str(ALL_ON_DATA)
    """Devices along each axis, e.g. data=4,model=2,points=2: those of model share weights and
    optimiser, those of points the points of each cloud."""
    profile: bool = False
    """Record a few steps by jax.profiler into the run folder."""
    tensorboard: bool = False
    """Write events for TensorBoard into the run folder."""
    wandb: str | None = None
    """The project of Weights & Biases that the run is sent to."""
    coordinator: str | None = None
    """host:port of the first process."""
    processes: Count | None = None
    """How many processes there are."""
    process: Whole | None = None
    """Which of them this is, from 0."""
    heartbeat: Count = 100
    """Seconds after which a process that is silent counts as lost, and the others end."""

    def run(self) -> None:
        join(self.coordinator, self.processes, self.process, self.heartbeat)
        folder = self.run_folder or Path("runs") / self.config.stem
        together(lambda: check_folder(folder))
        mesh = together(lambda: MeshShape.parse(self.mesh))
        followers = together(lambda: self._trackers(folder))
        try:
            with contextlib.ExitStack() as following:
                trackers = [following.enter_context(follower) for follower in followers]
                self.experiment.train(folder, self.resume, mesh, self.profile, trackers, self.trust)
        except KeyboardInterrupt:
            if is_first() and (folder / "experiment.json").exists():
                say(f"stopped; the same command with --resume goes on with the run in {folder}")
            raise
        if is_first():
            say(f"trained run in {folder}")

    def _trackers(self, folder: Path) -> list[contextlib.closing[Tracker]]:
        """What follows the run, in its first process."""
        found: list[Tracker] = []
        if is_first() and self.tensorboard:
            found.append(TensorBoard(folder / "tensorboard"))
        if is_first() and self.wandb is not None:
            found.append(WeightsAndBiases(self.wandb, folder, to_json(self.experiment)))
        return [contextlib.closing(tracker) for tracker in found]


@contextlib.contextmanager
def telling_others(arguments: Sequence[str]) -> Iterator[None]:
    """Where an error ends all processes of a run, before they have met.

    Args:
        arguments: of the command, whose options may be wrong.
    """
    try:
        yield
    except Exception as error:
        known = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        known.add_argument("--coordinator")
        for name, default in (("processes", None), ("process", None), ("heartbeat", 100)):
            known.add_argument(f"--{name}", type=int, default=default)
        with contextlib.suppress(argparse.ArgumentError, InputError):
            where, _ = known.parse_known_args(arguments)
            tell(f"{type(error).__name__}: {error}", *vars(where).values())
        raise
