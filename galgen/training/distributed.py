"""One run on several processes, by JAX's own runtime.

Every process runs the same program on its own devices and its own rows of every batch; the first
one alone logs and writes the description of a run, and all write checkpoints.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from galgen.errors import InputError

Result = TypeVar("Result")
LETTERS = 2000
"""Bytes of a text that processes tell each other."""
TELLING = 60
"""Seconds in which a process that fails at once tries to meet the others."""
LAUNCHERS = {
    "OMPI_COMM_WORLD_SIZE": "mpi4py",
    "SLURM_STEP_NUM_TASKS": "slurm",
    "PMI_SIZE": "mpi4py",
}
"""Variables that count the processes that were started together, and JAX's name for who did."""


def join(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    heartbeat: int = 100,
) -> None:
    """Find the other processes; before anything is computed. Alone, does nothing.

    What ``srun`` or ``mpirun`` started finds itself, the latter by mpi4py, one process per
    accelerator; processes started by hand are told of each other.

    Args:
        coordinator: ``host:port`` of the first process; not needed under Slurm and MPI.
        processes: how many there are.
        process: which this one is, from 0.
        heartbeat: seconds after which a process that is silent counts as lost. The runtime then
            ends the others, and says which one it was.

    Raises:
        InputError: if only some of the three are given, or they contradict each other; under MPI
            if mpi4py is not installed.
    """
    # One that failed alone waits for the others to end before it ends: no longer than they wait for
    # one that is lost.
    initialize = functools.partial(
        jax.distributed.initialize,
        heartbeat_timeout_seconds=heartbeat,
        shutdown_timeout_seconds=heartbeat,
    )
    given = [value is not None for value in (coordinator, processes, process)]
    if any(given):
        if not all(given):
            raise InputError(
                "expected --coordinator, --processes and --process together, got some of them; "
                "give all, or none under Slurm and MPI"
            )
        assert coordinator is not None and processes is not None and process is not None
        _, _, port = coordinator.rpartition(":")
        if not port.isdigit() or not 0 <= process < processes:
            raise InputError(
                f"expected --coordinator host:port and a --process from 0 to below --processes, "
                f"got {coordinator}, process {process} of {processes}; count processes from 0"
            )
        initialize(coordinator, processes, process)
    elif (launcher := _launcher()) is not None:
        initialize(cluster_detection_method=launcher)


def _launcher() -> str | None:
    """What started several processes, by JAX's name for it."""
    # What mpirun starts under Slurm carries Slurm's variables too, of another count.
    for variable, name in LAUNCHERS.items():
        started = int(os.environ.get(variable, "1"))
        if started > 1:
            if name == "mpi4py" and importlib.util.find_spec(name) is None:
                raise InputError(
                    f"expected mpi4py, by which the {started} processes of mpirun find each other, "
                    "got none; pip install mpi4py, or give --coordinator, --processes and --process"
                )
            return name
    return None


def tell(reason: str, *where: Any) -> None:
    """Tell the other processes that this one fails before it has met them: they end too.

    In a process of its own, for the runtime aborts the one in which it finds nobody.

    Args:
        reason: one line.
        where: what :func:`join` would have been called with.
    """
    if where[0] is None and _launcher() is None:
        return
    print(f"telling the other processes, for at most {TELLING} s", file=sys.stderr, flush=True)
    told = json.dumps([reason, *where])
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", _TELLING, told], capture_output=True, timeout=TELLING)


_TELLING = """
import json, sys
from galgen.training.distributed import everyones, join
reason, *where = json.loads(sys.argv[1])
join(*where)
everyones(reason)
"""


def is_first() -> bool:
    """Whether this process logs."""
    return jax.process_index() == 0


def anyone(flag: bool) -> bool:
    """Whether the flag is up in any process: the same answer in all, which wait for each other."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def everyones(text: str) -> list[str]:
    """The text of every process, up to :data:`LETTERS` bytes, in all: they wait for each other."""
    if jax.process_count() == 1:
        return [text]
    padded = np.zeros(LETTERS, np.uint8)
    letters = np.frombuffer(text.encode()[:LETTERS], np.uint8)
    padded[: len(letters)] = letters
    rows = multihost_utils.process_allgather(padded)
    return [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in np.asarray(rows)]


def together(action: Callable[[], Result]) -> Result:
    """What ``action`` returns in this process, where it failed in none; they wait for each other.

    One that failed alone would leave the others waiting for it at the next thing they do together.

    Raises:
        InputError: in a process whose action succeeded, if that of another failed.
        Exception: in one that failed, its own.
    """
    try:
        result = action()
    except Exception as error:
        everyones(f"{type(error).__name__}: {error}")
        raise
    for number, failed in enumerate(everyones("")):
        if failed:
            raise InputError(
                f"expected all processes to get ready, got from process {number} '{failed}'; "
                "mend it there"
            )
    return result


def require_agreement(what: str, told: str) -> None:
    """Refuse, with an InputError in all processes, to go on if they were told different things."""
    digests = everyones(hashlib.sha256(told.encode()).hexdigest())
    other = [number for number, digest in enumerate(digests) if digest != digests[0]]
    if other:
        raise InputError(
            f"expected the same {what} in all processes, got others in process {other[0]} than in "
            "process 0; start all by the same command"
        )
