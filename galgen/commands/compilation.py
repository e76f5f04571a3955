"""What JAX compiles for a command: kept for the next one, and counted.

Programs are kept in the user's cache, in a folder for each kind of processor, for a program may use
instructions that another has not; JAX's own key of a program names its version. The settings of JAX
come first: ``JAX_COMPILATION_CACHE_DIR`` names another folder, and
``JAX_ENABLE_COMPILATION_CACHE=false`` keeps nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from galgen.printing import say

FOLDER = "JAX_COMPILATION_CACHE_DIR"
SETTINGS = {
    "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
}
"""Bytes that are kept, of which the least recently used go first; and for which programs."""
UNFINISHED = 60.0
"""Seconds after which a program that was not written to its end goes."""


def keep_compiled() -> None:
    """Let JAX, which is not imported yet, keep what it compiles."""
    if os.environ.get(FOLDER):
        return
    from platformdirs import user_cache_path

    folder = user_cache_path("galgen") / "compiled" / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(folder)
    except OSError:
        return  # a home that cannot be written to
    if os.access(folder, os.W_OK):
        for name, value in {FOLDER: str(folder), **SETTINGS}.items():
            os.environ.setdefault(name, value)


def _processor() -> str:
    """A short name for what a processor can do."""
    found = [platform.machine()]
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        found += [next((line for line in lines if line.startswith(("flags", "Features"))), "")]
    return hashlib.sha256(" ".join(found).encode()).hexdigest()[:12]


def _remove_unfinished(folder: Path) -> None:
    """A process that was stopped while it wrote leaves a program without its time of use."""
    for program in folder.glob("*-cache"):
        used = program.with_name(program.name.removesuffix("-cache") + "-atime")
        with contextlib.suppress(FileNotFoundError):
            if not used.exists() and time.time() - program.stat().st_mtime > UNFINISHED:
                program.unlink()


@contextlib.contextmanager
def compilations_told() -> Iterator[None]:
    """Say at the end how many programs were compiled, and how many were read."""
    import jax

    seconds: list[float] = []
    read: list[str] = []

    def compiled(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seconds.append(duration_secs)

    def found(event: str, **_: str | int) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            read.append(event)

    jax.monitoring.register_event_duration_secs_listener(compiled)
    jax.monitoring.register_event_listener(found)
    try:
        yield
    finally:
        jax.monitoring.unregister_event_duration_listener(compiled)
        jax.monitoring.unregister_event_listener(found)
        number = len(seconds) - len(read)
        say(f"{number} programs compiled and {len(read)} read, in {sum(seconds):.1f} s")
