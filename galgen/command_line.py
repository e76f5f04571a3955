"""How a command of galgen or of data_prep ends: errors are one line on standard error.

=======  ========================================================================================
status   ending
=======  ========================================================================================
0        done
1        a requirement of ``galgen validate`` is not met
2        an error that the user can mend: the line says how
70       an error of galgen itself (``EX_SOFTWARE``)
130      stopped by Ctrl-C
141      the reader of standard output went away, as of ``| head -1``
=======  ========================================================================================

With ``GALGEN_TRACEBACK=1`` in the environment, the traceback of an error comes before its line.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence

from galgen.errors import InputError, errno_of
from galgen.printing import printable

MENDABLE, INTERNAL, STOPPED, READER_GONE = 2, 70, 130, 141
TRACEBACK = "GALGEN_TRACEBACK"
REMEDIES = {
    errno.ENOENT: "check the path",
    errno.EACCES: "change its permissions or name another place",
    errno.EPERM: "change its permissions or name another place",
    errno.EROFS: "name a place on another file system",
    errno.ENOTDIR: "a part of the path is a file; check it",
    errno.EISDIR: "it is a folder; name a file",
    errno.EEXIST: "it is there already; name another place",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ELOOP: "links lead in a circle; name the file itself",
    errno.ENOSPC: "free some space and run it again",
    errno.EDQUOT: "free some of your quota and run it again",
    errno.EMFILE: "raise the limit with ulimit -n",
}
"""What helps against errors of the operating system."""


def run(program: str, arguments: Sequence[str], command: Callable[[Sequence[str]], None]) -> int:
    """Run a command line to its end, and return the exit status.

    Args:
        program: its name, with which lines on standard error begin.
        arguments: that it was called with.
        command: reads the arguments and does what they ask for.

    Raises:
        SystemExit: where the command ends so, after help or a requirement that is not met.
    """
    _prepare_streams()
    try:
        try:
            _check(arguments)
            command(arguments)
        finally:
            sys.stdout.flush()
        return 0
    except BrokenPipeError:
        _discard_output()
        return READER_GONE
    except KeyboardInterrupt:
        return _end(f"{program}: stopped", STOPPED)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        line = explanation(error)
        if line is not None:
            return _end(f"{program}: error: {line}", MENDABLE)
        what = f"{type(error).__name__}: {error} ({_place(error)})"
        advice = f"please report it with the traceback, which {TRACEBACK}=1 shows"
        return _end(f"{program}: internal error: {what}; {advice}", INTERNAL)


def explanation(error: Exception) -> str | None:
    """What to tell a user of an error; None if it is not one that a user can mend."""
    text = str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    if isinstance(error, InputError | FloatingPointError):
        return text
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return (
            f"expected enough memory, got {first!r}; lower --batch or --trainer.batch-size, ask "
            "for fewer points or a coarser mesh, or use a larger machine"
        )
    if isinstance(error, UnicodeError):
        return f"expected text in UTF-8, got {first!r}; convert the file"
    if isinstance(error, RuntimeError) and first.startswith("Unable to initialize backend"):
        return f"expected a device that JAX can use, got {first!r}; unset JAX_PLATFORMS"
    return None


def _of_system(error: OSError) -> str:
    """What to tell of an error of the operating system."""
    text = str(error)
    number = errno_of(error)
    named = re.search(r"name = '([^']+)'", text)
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
    place = " and ".join(names or ([named[1]] if named else [])) or "all files"
    reason = text if number is None else os.strerror(number)
    remedy = REMEDIES.get(number or 0, "check the path and the disk")
    return f"expected {place} to be read or written, got {reason!r}; {remedy}"


def _place(error: BaseException) -> str:
    """Where an error was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"


def _check(arguments: Sequence[str]) -> None:
    for argument in arguments:
        if not argument:
            raise InputError(
                "expected arguments of text, got an empty one; is a variable of the shell unset?"
            )
        if "\0" in argument:
            raise InputError(f"expected arguments of text, got {argument!r}; leave out the NUL")


def _prepare_streams() -> None:
    """Have streams to print to, which escape what their encoding lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, as by >&-
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _end(line: str, status: int) -> int:
    """Print one line on standard error; nobody may be there to read it."""
    plain = printable(" ".join(line.split()))
    with contextlib.suppress(OSError):
        print(plain, file=sys.stderr, flush=True)
    _discard_output()
    return status


def _discard_output() -> None:
    """Drop what a stream cannot write: Python would complain of it when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
