"""The error that a user can mend: one line, with what was expected, what came, and the remedy."""

import errno
import re

from galgen.printing import printable


class InputError(ValueError):
    """Input that galgen cannot use. The command line prints it without a traceback, status 2."""

    def __str__(self) -> str:
        """The message in one line, safe for a terminal whatever names a file gave it."""
        return printable(" ".join(super().__str__().split()))


def errno_of(error: BaseException | None) -> int | None:
    """The number of an error of the operating system, also where h5py and astropy hide it."""
    hidden = re.search(r"\berrno = (\d+)", str(error))
    if hidden and isinstance(error, OSError | RuntimeError):
        return int(hidden[1])
    if isinstance(error, OSError) and re.search(r"requested and \d+ written", str(error)):
        return errno.ENOSPC  # as NumPy tells it
    return error.errno if isinstance(error, OSError) else None
