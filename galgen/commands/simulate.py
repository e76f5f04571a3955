"""galgen simulate: a suite of halo catalogues."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

import galgen
from galgen.checked import Count, checked
from galgen.commands.command import Command
from galgen.commands.options import Output
from galgen.errors import InputError
from galgen.printing import say
from galgen.simulation.engine import Simulator
from galgen.simulation.particle_mesh_simulator import ParticleMeshSimulator
from galgen.simulation.recipe import SuiteRecipe

WORKERS = os.cpu_count() or 1
Engine = Literal["peak-patch", "particle-mesh"]
ENGINES: Mapping[Engine, Simulator] = {
    "peak-patch": SuiteRecipe().simulator,
    "particle-mesh": ParticleMeshSimulator(box=128.0, particles=64, mass_min=3e13),
}
"""The simulator of each engine; its fields are the options ``--simulator``."""


@dataclasses.dataclass(frozen=True)
@checked
class Simulate(Command):
    """Make a suite of halo catalogues.

    The engine peak-patch takes haloes from peaks of the linear field, particle-mesh from particles
    that fall in their own gravity: closer to the truth, and slower. --engine particle-mesh --help
    lists the options of that one.

    What a stopped job has made is kept beside the suite, and the same command goes on.

    Example: galgen simulate --output suite.h5 --train 400 --omega-m 0.2 0.4 --sigma-8 0.7 0.9
    """

    recipe: Annotated[SuiteRecipe, tyro.conf.arg(name="")] = SuiteRecipe()
    """What to make."""
    output: Output[Path] = Path("suite.h5")
    """The HDF5 suite to write."""
    workers: Count = WORKERS
    """Processes that simulate; the result is the same for any number."""
    engine: Engine = "peak-patch"
    """What makes the haloes."""

    def __post_init__(self) -> None:
        kind = type(ENGINES[self.engine])
        if not isinstance(self.recipe.simulator, kind):
            raise InputError(
                f"expected a {kind.__name__} for the engine {self.engine}, got "
                f"{type(self.recipe.simulator).__name__}; change one of them"
            )

    @classmethod
    def of_engine(cls, words: Sequence[str]) -> Simulate:
        """The command of the engine that ``words`` name, all else by default.

        Raises:
            InputError: if they have an option that the other engine alone knows.
        """
        options = [word.partition("=") for word in words]
        named = [
            value or after
            for (option, _, value), after in zip(options, [*words[1:], ""], strict=False)
            if option == "--engine"
        ]
        engine: Engine = next((known for known in ENGINES if known in named[-1:]), "peak-patch")
        simulator = ENGINES[engine]
        for option, _, _ in options:
            name = option.removeprefix("--simulator.").replace("-", "_")
            fit = [known for known, theirs in ENGINES.items() if hasattr(theirs, name)]
            if option.startswith("--simulator.") and fit and engine not in fit:
                raise InputError(
                    f"expected options of the engine {engine}, got {option} of {fit[0]}; add "
                    f"--engine {fit[0]}, or leave it out"
                )
        return cls(SuiteRecipe(simulator), engine=engine)

    def run(self) -> None:
        with galgen.simulate(self.output, self.recipe, self.workers, progress=True) as suite:
            say(f"{len(suite)} catalogues written to {self.output}")
