"""FITS: files whose headers and sizes agree, before rows are read."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from galgen.errors import InputError
from galgen.reading.files import check_declared, reading, regular_file

BLOCK = 2880
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
"""How files begin that gzip, bzip2 and xz compressed."""


@contextlib.contextmanager
def open_fits(path: Path, what: str, strict: bool = False, **options: Any) -> Iterator[Any]:
    """A FITS file as astropy's HDUList; what goes wrong while it is open is one line.

    Args:
        path: of the file, which may be compressed by gzip, bzip2 or xz.
        what: is expected in it, for errors.
        strict: whether what astropy only warns of is an error: for files that galgen wrote. In
            those of others unusual cards and units are common, and pass.
        options: of astropy.io.fits.open.

    Raises:
        InputError: if there is no such file, it is no FITS, its size is no number of blocks, or an
            extension declares more than the file holds.
    """
    with (
        reading(regular_file(path, what), what),
        warnings.catch_warnings(),
        path.open("rb") as raw,
    ):
        warnings.simplefilter("error" if strict else "ignore", AstropyWarning)
        warnings.filterwarnings("error", "(?s).*(corrupt|truncat)", AstropyWarning)
        packed = raw.read(max(map(len, PACKED))).startswith(PACKED)
        raw.seek(0)
        held = None if packed else os.fstat(raw.fileno()).st_size
        with fits.open(raw, memmap=False, **options) as file:
            for number, unit in enumerate(file):
                _check_size(unit, number, path, held)
            if held is not None and held % BLOCK:
                raise InputError(
                    f"expected a size of whole blocks of {BLOCK} bytes, as FITS has, got {held} "
                    "bytes; some are missing or too many: copy it again"
                )
            yield file


def _check_size(unit: Any, number: int, path: Path, held: int | None) -> None:
    """Refuse an extension that ends beyond the file."""
    declared, start = int(unit.size), int(unit.fileinfo()["datLoc"])
    if held is None:
        check_declared(declared, path, f"extension {number} (NAXIS, PCOUNT)")
    elif declared < 0 or start + declared > held:
        raise InputError(
            f"expected extension {number} (NAXIS, PCOUNT) to end within the file, got its end at "
            f"byte {start + declared} of {held}; it is truncated: copy it again"
        )
