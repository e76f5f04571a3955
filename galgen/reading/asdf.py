"""ASDF: files whose blocks are whole, as others write them and as AbacusSummit does.

AbacusSummit compresses by Blosc in pieces that begin with their length. The length has four bytes,
big-endian, and the label of the compression is ``blsc``. Each block has the MD5 of its bytes, as
they are stored (asdf) or as they become (AbacusSummit), or zeros for none; what is read is compared
with it.

asdf and blosc are not among what galgen needs otherwise: ``pip install 'galgen[formats]'``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from galgen.errors import InputError
from galgen.reading.files import check_declared, reading, regular_file

LENGTH = struct.Struct("!I")
BLOSC = struct.Struct("<4xI")
"""The beginning of what Blosc compressed: flags, and the number of bytes that it becomes."""
MAGIC = b"\xd3BLK"
BLOCK = struct.Struct(">I4sQQQ16s")
"""Flags, compression, bytes allocated, used and unpacked, and the checksum of a block."""
OUR_LABEL = b"blsc"


@contextlib.contextmanager
def open_asdf(path: Path, what: str) -> Iterator[Any]:
    """An ASDF file as asdf's AsdfFile; ``what`` is expected in it, for errors.

    Raises:
        InputError: if asdf or blosc is not installed, there is no such file, or it is no ASDF,
            truncated or damaged.
    """
    asdf = import_asdf("blosc")
    with (
        reading(regular_file(path, what), what),
        asdf.config_context() as config,
        warnings.catch_warnings(),
    ):
        # Files name the extension that wrote them, which is another than ours.
        warnings.simplefilter("ignore", asdf.exceptions.AsdfWarning)
        config.add_extension(_blosc_extension(_checksums(path)))
        with asdf.open(path, memmap=False, lazy_load=True) as file:
            yield file


def write_asdf(path: Path, tree: Mapping[str, Any]) -> None:
    """Write a tree of texts, numbers and arrays; a file that is there is replaced.

    Raises:
        InputError: if asdf is not installed.
    """
    import_asdf().AsdfFile(dict(tree)).write_to(path)


def import_asdf(*others: str) -> Any:
    """The module asdf, where it and ``others`` are installed.

    Raises:
        InputError: if one is not.
    """
    try:
        for name in others:
            importlib.import_module(name)
        return importlib.import_module("asdf")
    except ImportError as error:
        wanted = " and ".join(("asdf", *others))
        raise InputError(
            f"expected {wanted}, got no {error.name}; pip install 'galgen[formats]'"
        ) from error


def _checksums(path: Path) -> set[bytes]:
    """The checksums of all blocks; those of others than ours are verified.

    Raises:
        InputError: if a block ends beyond the file, or is not what its checksum says.
    """
    found: set[bytes] = set()
    size = path.stat().st_size
    with path.open("rb") as file:
        while line := file.readline():
            if line.rstrip() == b"...":
                break
        place = file.tell()
        while file.read(len(MAGIC)) == MAGIC:
            (length,) = struct.unpack(">H", file.read(2))
            _, label, allocated, used, unpacked, checksum = BLOCK.unpack_from(file.read(length))
            start = place + len(MAGIC) + 2 + length
            if used > allocated or start + allocated > size:
                raise InputError(
                    f"expected a block within {size} bytes, got one from byte {start} to "
                    f"{start + allocated}; the file is truncated: copy it again"
                )
            check_declared(unpacked, path, f"the block at byte {start}")
            if label != OUR_LABEL and any(checksum):
                file.seek(start)
                _verify([file.read(used)], {checksum})
            found.add(checksum)
            place = start + allocated
            file.seek(place)
    return found


def _verify(forms: Iterable[bytes], checksums: set[bytes]) -> None:
    """Raise unless one form of a block has a checksum of the file, or some blocks have none."""
    known = {hashlib.md5(form, usedforsecurity=False).digest() for form in forms}
    if checksums and bytes(16) not in checksums and not known & checksums:
        raise InputError("expected a block with its checksum, got another; copy the file again")


def _blosc_extension(checksums: set[bytes]) -> Any:
    """An extension of asdf that knows blocks labelled ``blsc``."""
    extension = importlib.import_module("asdf.extension")
    blosc = importlib.import_module("blosc")

    class BloscCompressor(extension.Compressor):
        label = OUR_LABEL

        def decompress(self, data: Iterable[Any], out: Any, **options: Any) -> int:
            content = b"".join(bytes(block) for block in data)
            target, place, filled = memoryview(out).cast("B"), 0, 0
            while place < len(content):
                (size,) = LENGTH.unpack_from(content, place)
                place += LENGTH.size
                packed = content[place : place + size]
                (unpacked,) = BLOSC.unpack_from(packed)
                if len(packed) < size or unpacked > len(target) - filled:
                    raise ValueError(f"a piece of {unpacked} bytes that does not fit its block")
                piece = blosc.decompress(packed)
                target[filled : filled + len(piece)] = piece
                filled, place = filled + len(piece), place + size
            _verify((content, bytes(target)), checksums)
            return filled

    class BloscExtension(extension.Extension):
        extension_uri = "asdf://galgen/extensions/blosc-1.0.0"
        compressors = (BloscCompressor(),)

    return BloscExtension()
