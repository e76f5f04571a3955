"""Many catalogues: cosmologies that fill a range evenly, simulated by several processes.

A Latin hypercube of n points cuts each axis into n equal intervals and puts one point in every
interval of every axis (McKay, Beckman and Conover 1979); Quijote's latin_hypercube is one.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from galgen.cosmology import parameter_name
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.randomness import Role, random_generator
from galgen.simulation.cosmology import Cosmology, refuse_unfollowed
from galgen.simulation.engine import Simulator

_NAMES = tuple(Cosmology().as_mapping())


def latin_hypercube(
    ranges: Mapping[str, tuple[float, float]], number: int, seed: int
) -> list[Cosmology]:
    """``number`` cosmologies evenly filling ``ranges``; parameters not named stay fiducial.

    Raises:
        InputError: an unknown parameter, an empty range, or a number below one.
    """
    if number < 1:
        raise InputError(f"expected 1 or more cosmologies, got {number}; raise the number")
    if not ranges:
        raise InputError(f"expected ranges for some of {', '.join(_NAMES)}, got none; name one")
    for name, (low, high) in ranges.items():
        if name not in _NAMES:
            refuse_unfollowed({parameter_name(name): low})
            raise InputError(
                f"expected parameters among {', '.join(_NAMES)}, got {name!r}; check its spelling"
            )
        if not low < high:
            raise InputError(
                f"expected a range of {name} that rises, got ({low}, {high}); swap or widen it"
            )
    rng = random_generator(Role.COSMOLOGIES, seed)
    columns = {
        name: low + (high - low) * (rng.permutation(number) + rng.random(number)) / number
        for name, (low, high) in ranges.items()
    }
    rows = zip(*columns.values(), strict=True)
    return [Cosmology(**dict(zip(columns, map(float, row), strict=True))) for row in rows]


def simulate_suite(
    simulator: Simulator,
    cosmologies: Sequence[Cosmology],
    seeds: Sequence[int],
    processes: int = 1,
) -> Iterator[Catalogue]:
    """Catalogues in the order of ``cosmologies``, one seed each, the same for any ``processes``.

    Processes are spawned, not forked, so a running JAX does not matter; a script that asks for
    more than one needs the usual ``if __name__ == "__main__":``. More than one keep to the CPU.

    Raises:
        InputError: at once, if the lengths differ, ``processes`` is below one or haloes of one
            of the cosmologies would not be resolved; later, whatever else the simulator raises.
    """
    if len(cosmologies) != len(seeds):
        raise InputError(
            f"expected one seed per cosmology, got {len(cosmologies)} cosmologies and "
            f"{len(seeds)} seeds; use range(len(cosmologies))"
        )
    if processes < 1:
        raise InputError(f"expected 1 or more processes, got {processes}; use 1 for this process")
    tasks = [
        (simulator, cosmology, int(seed))
        for cosmology, seed in zip(cosmologies, seeds, strict=True)
    ]
    for cosmology in dict.fromkeys(cosmologies):
        simulator.check_resolution(cosmology)
    return _run(tasks, processes)


def _run(tasks: list[tuple[Simulator, Cosmology, int]], processes: int) -> Iterator[Catalogue]:
    processes = min(processes, len(tasks))
    if processes <= 1:
        yield from map(_simulate, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _keep_to_the_cpu) as pool:
        yield from pool.imap(_simulate, tasks)


def _keep_to_the_cpu() -> None:
    """Several processes would each take most of the memory of one accelerator."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    if "jax" in sys.modules:  # the user's script has imported it
        sys.modules["jax"].config.update("jax_platforms", "cpu")


def _simulate(task: tuple[Simulator, Cosmology, int]) -> Catalogue:
    simulator, cosmology, seed = task
    return simulator.simulate(cosmology, seed)
