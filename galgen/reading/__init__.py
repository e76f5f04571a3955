"""Files as they come: the door through which every reader opens one."""

from galgen.reading.files import (
    COMPRESSED,
    SMALL,
    check_declared,
    pieces_of,
    reading,
    regular_file,
    said,
    unreadable,
)

__all__ = [
    "COMPRESSED",
    "SMALL",
    "check_declared",
    "pieces_of",
    "reading",
    "regular_file",
    "said",
    "unreadable",
]
