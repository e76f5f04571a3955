"""Bytes of HDF5 files that the library does not check: where a file ends, and its heaps of text.

Heaps, where text of variable length is kept, have no checksum, and HDF5 2.0 never comes back from
one with an object of no size, as a block of zeros makes it. Layout: HDF5 File Format Specification
3.0, sections II.A and III.E::

    "GCOL"  version 1  3 bytes of 0  size of all (8)
    objects: index (2)  references (2)  4 bytes  size (8)  content, padded to 8 bytes
    the last has index 0 and is free space; its size includes its 16 bytes of header
"""

from __future__ import annotations

import functools
import mmap
import struct
from pathlib import Path

from galgen.errors import InputError

SIGNATURE = b"GCOL\x01\0\0\0"
COLLECTION = struct.Struct("<8sQ")
OBJECT = struct.Struct("<HH4xQ")
HDF5 = b"\x89HDF\r\n\x1a\n"
SIZES = {0: (13, 14), 1: (13, 14), 2: (9, 10), 3: (9, 10)}
"""By version of the first block of a file: where it says how many bytes sizes have."""
END = {0: (24, 40), 1: (28, 44), 2: (12, 28), 3: (12, 28)}
"""By that version: where it says where the file begins and ends."""
START = 64
"""Bytes that hold all of that."""
LOOKED = 1 << 30
"""Files larger than this are not looked through."""


def check_end(path: Path) -> None:
    """Refuse a file that goes on after its end: something was inserted, and what follows moved.

    Raises:
        InputError: if there are more bytes than the file says.
    """
    with path.open("rb") as raw:
        start = raw.read(START)
    if not _has_long_sizes(start):
        return
    base, end = (int.from_bytes(start[place : place + 8], "little") for place in END[start[8]])
    size = path.stat().st_size
    if size > base + end:
        raise InputError(
            f"expected {base + end} bytes in {path}, as it says, got {size}; it is damaged: copy "
            "it again"
        )


def check_heaps(path: Path) -> None:
    """Refuse a file with a heap that HDF5 would not come back from.

    Raises:
        InputError: if objects of a heap do not fill it one after another.
    """
    found = path.stat()
    if 0 < found.st_size <= LOOKED:
        _check(path, found.st_ino, found.st_mtime_ns, found.st_size)


@functools.lru_cache(64)
def _check(path: Path, inode: int, changed: int, size: int) -> None:
    """Look through a file, once as long as it stays as it is."""
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as file:
        if not _has_long_sizes(file):
            return
        place = file.find(SIGNATURE)
        while place >= 0:
            if not _is_whole(file, place, size):
                raise InputError(
                    f"expected whole text in {path}, got a damaged heap of it at byte {place}; "
                    "copy the file again"
                )
            place = file.find(SIGNATURE, place + 8)


def _has_long_sizes(start: bytes | mmap.mmap) -> bool:
    """Whether a file begins as most do, with sizes of eight bytes."""
    known = len(start) >= START and start[: len(HDF5)] == HDF5 and start[8] in SIZES
    return known and all(start[place] == 8 for place in SIZES[start[8]])


def _is_whole(file: mmap.mmap, place: int, held: int) -> bool:
    """Whether the objects of a heap fill it."""
    if place + COLLECTION.size > held:
        return False
    _, size = COLLECTION.unpack_from(file, place)
    end, place = place + size, place + COLLECTION.size
    if end > held:
        return False
    while end - place >= OBJECT.size:
        index, _, length = OBJECT.unpack_from(file, place)
        taken = length if index == 0 else OBJECT.size + -(-length // 8) * 8
        if taken < OBJECT.size or taken > end - place:
            return False
        place += taken
    return True
