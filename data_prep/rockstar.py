"""Halo lists of Rockstar (``out_*.list``) and consistent-trees (``hlist_*.list``), ASCII.

The first line names the columns, ``#ID DescID Mvir ...`` or ``#scale(0) id(1) ...``; further lines
with ``#`` give scale factor, cosmology and box (Behroozi et al. 2013,
arXiv:1110.4372 and 1110.4370)::

    #a = 0.500000                                   #Omega_M = 0.3; Omega_L = 0.7; h0 = 0.68
    #Om = 0.300000; Ol = 0.700000; h = 0.680000     #Full box size = 250.000000 Mpc/h
    #Box size: 250.000000 Mpc/h

Consistent-trees has the scale factor in the column ``scale``. Units are ours: comoving Mpc/h,
physical peculiar km/s, Msun/h. Columns are found by name, in any case.
"""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from data_prep.boxes import place_in_box
from data_prep.fields import parse_fields, require
from data_prep.files import existing, provenance_of
from data_prep.source import BoxSource
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

COLUMNS = "x=x,y=y,z=z,vx=vx,vy=vy,vz=vz,mass=mvir"
NUMBER = r"\s*[:=]\s*([-+.\deE]+)"
HOST = ("pid", "parent_id")
TAIL = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class RockstarSource(BoxSource):
    """Rockstar out_*.list and consistent-trees hlist_*.list."""

    columns: str = COLUMNS
    """galgen name=column of the list, in any case, e.g. mass=m200c."""
    distinct: bool = False
    """Drop haloes inside larger ones (those whose pid is not -1)."""
    box: float | None = None
    """Side [Mpc/h], if not the header's."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        header = ListHeader.read(path)
        fields = parse_fields(self.columns)
        present = {name.lower(): number for number, name in enumerate(header.names)}
        lowered = {c: dataclasses.replace(f, name=f.name.lower()) for c, f in fields.items()}
        require(lowered, present)
        wanted = {column: present[field.name] for column, field in lowered.items()}
        host = next((present[name] for name in HOST if name in present), None)
        if self.distinct and host is None:
            raise InputError(f"expected a column pid for --distinct, got {list(header.names)}")
        extra = {"": host} if self.distinct and host is not None else {}
        scale = {" ": present["scale"]} if header.scale is None and "scale" in present else {}
        table = read_rows(path, len(header.names), {**wanted, **extra, **scale})
        kept = table.pop("") == -1 if extra else slice(None)
        factor = header.scale if not scale else _one_scale(table.pop(" "))
        if factor is None or (self.box is None and header.box is None):
            raise InputError(
                f"expected lines '#a = ...' and '#Box size: ...' in the header, got {header}; is "
                "it a list of Rockstar or consistent-trees?"
            )
        yield place_in_box(
            {name: values[kept] for name, values in table.items()},
            self.box or header.box or 0.0,
            redshift=1 / factor - 1,
            cosmology=header.cosmology,
            provenance={**provenance_of([path]), "finder": header.finder},
        )


@dataclasses.dataclass(frozen=True)
class ListHeader:
    """What the lines with ``#`` say.

    Attributes:
        names: of the columns.
        scale: factor, if a line has it.
        box: side [Mpc/h], if a line has it.
        cosmology: omega_m and h.
        finder: rockstar or consistent-trees.
    """

    names: tuple[str, ...]
    scale: float | None
    box: float | None
    cosmology: Mapping[str, float]
    finder: str

    @classmethod
    def read(cls, path: Path) -> ListHeader:
        """The header of a list.

        Raises:
            InputError: if there is no list, or no header.
        """
        existing(path, "a halo list")
        lines = []
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.startswith("#"):
                    break
                lines.append(line[1:].rstrip("\n"))
        if not lines:
            raise InputError(
                "expected a first line '#ID DescID Mvir ...', got none with #; is it a list of "
                "Rockstar or consistent-trees?"
            )
        text = "\n".join(lines[1:])
        matter = _number(r"\bOm(?:ega_M)?", text)
        hubble = _number(r"\bh0?", text)
        found = {"omega_m": matter, "h": hubble}
        return cls(
            names=tuple(re.sub(r"\(\d+\)$", "", word) for word in lines[0].split()),
            scale=_number(r"(?m)^\s*a", text),
            box=_number(r"(?:Full b|B)ox size", text),
            cosmology={name: value for name, value in found.items() if value is not None},
            finder="consistent-trees" if "scale" in lines[0].lower().split("(")[0] else "rockstar",
        )


def _number(label: str, text: str) -> float | None:
    match = re.search(label + NUMBER, text)
    return float(match.group(1)) if match else None


def read_rows(path: Path, width: int, wanted: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Chosen columns of a list, as float64.

    Args:
        path: of the list.
        width: number of columns that the header names.
        wanted: name -> number of the column.

    Raises:
        InputError: if a row has more or fewer columns, or one that is no number.
    """
    _check_end(path, width)
    numbers = list(wanted.values())
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            table = np.loadtxt(path, usecols=numbers, ndmin=2)
    except ValueError as error:
        raise InputError(
            f"expected {width} numbers in every row, got {' '.join(str(error).split())}; copy the "
            "file again"
        ) from error
    if not len(table):
        table = np.zeros((0, len(numbers)))
    return {name: table[:, place] for place, name in enumerate(wanted)}


def _check_end(path: Path, width: int) -> None:
    """A truncated list ends within a row: too few columns, or no end of line."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        last = file.read().decode(errors="replace")
    row = last.rstrip("\n").rsplit("\n", 1)[-1]
    found: Sequence[str] = row.split()
    if not row.startswith("#") and (len(found) != width or not last.endswith("\n")):
        raise InputError(
            f"expected {width} columns and an end of line in the last row, got {len(found)}; it is "
            "truncated: copy the file again"
        )


def _one_scale(scales: np.ndarray) -> float | None:
    if len(scales) and np.ptp(scales) > 1e-6:
        raise InputError(
            f"expected one snapshot, got column 'scale' from {scales.min():g} to {scales.max():g}; "
            "take an hlist of one scale factor, not a whole tree"
        )
    return float(scales[0]) if len(scales) else None
