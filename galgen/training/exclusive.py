"""One training in a folder at a time: two would mix their checkpoints and their logs.

The first process of a run holds a lock (flock) on the file ``lock`` in the folder; the system lets
go of it when that process dies, however it dies.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from galgen.errors import InputError
from galgen.publishing import Lock, acquire, release
from galgen.training.distributed import is_first, together


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder, which is made if it is not there.

    One that was made, and in which nothing was written, is removed again.

    Raises:
        InputError: in all processes, if another training is in it.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = together(lambda: _locked(folder) if is_first() else None)
    try:
        yield
    finally:
        if lock is not None:
            (folder / "lock").unlink(missing_ok=True)
            release(lock)
            for path in made:
                with suppress(OSError):
                    path.rmdir()


def _locked(folder: Path) -> Lock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(
            f"expected a folder for a run at {folder}, got a file; choose another --run"
        ) from error
    lock = acquire(folder / "lock", wait=False)
    if lock is None:
        raise InputError(
            f"expected {folder} to be free, got another training in it{_holder(folder / 'lock')}; "
            "wait for its end, or choose another --run"
        )
    if not lock.exclusive:
        warnings.warn(
            f"the file system of {folder} knows no locks: a second training in this folder would "
            "not be noticed",
            stacklevel=6,
        )
    os.ftruncate(lock.descriptor, 0)
    os.pwrite(lock.descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
    return lock


def _holder(lock: Path) -> str:
    """Who holds a lock, as far as it says so."""
    with suppress(OSError, ValueError):
        number, host = lock.read_text()[:300].split()
        return f" (process {int(number)} on {host})"
    return ""
