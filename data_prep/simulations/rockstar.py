"""Halo lists of Rockstar (``out_*.list``) and consistent-trees (``hlist_*.list``), ASCII.

The first line names the columns, ``#ID DescID Mvir ...`` or ``#scale(0) id(1) ...``; further lines
with ``#`` give scale factor, cosmology and box (Behroozi et al. 2013,
arXiv:1110.4372 and 1110.4370)::

    #a = 0.500000                                   #Omega_M = 0.3; Omega_L = 0.7; h0 = 0.68
    #Om = 0.300000; Ol = 0.700000; h = 0.680000     #Full box size = 250.000000 Mpc/h
    #Box size: 250.000000 Mpc/h

Consistent-trees has the scale factor in the column ``scale``. Units are those that the header
states, and where it states none comoving Mpc/h, physical peculiar km/s and Msun/h. Columns are
found by name, in any case; identifiers stay integers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from data_prep.checks import redshift_at
from data_prep.fields import parse_fields, require
from data_prep.files import assumptions, provenance_of
from data_prep.simulations.halo_lists import ListHeader, read_rows
from data_prep.source import BoxSource
from galgen.data.catalogue import POSITIONS, STANDARD_UNITS, VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.reading import reading, regular_file
from galgen.units import conversion_factor

COLUMNS = "x=x,y=y,z=z,vx=vx,vy=vy,vz=vz,mass=mvir"
HOST = ("pid", "parent_id")
WHOLE = re.compile(r".*id|np|num_p|num_prog|phantom|mmp\?|snap_(num|idx)", re.IGNORECASE)
"""Columns of whole numbers, which keep every bit."""
KINDS = {**dict.fromkeys(POSITIONS, "lengths"), **dict.fromkeys(VELOCITIES, "velocities")}
KINDS |= {"mass": "masses"}
"""What the standard columns measure, as :class:`ListHeader` calls it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RockstarSource(BoxSource):
    """Rockstar out_*.list and consistent-trees hlist_*.list."""

    columns: str = COLUMNS
    """galgen name=column of the list, in any case, e.g. mass=m200c."""
    distinct: bool = False
    """Drop haloes inside larger ones (those whose pid is not -1)."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        what = "a halo list of Rockstar or consistent-trees"
        with reading(regular_file(path, what), what):
            header = ListHeader.read(path)
            table, factor = self._rows(path, header)
        if factor is None or (header.box is None and self.box is None):
            raise InputError(
                f"expected lines '#a = ...' and '#Box size: ...' in the header, got {header}; is "
                "it a list of Rockstar or consistent-trees?"
            )
        columns, assumed = _in_ours(table, header)
        yield self.place(
            columns,
            header.box,
            redshift=redshift_at(factor),
            cosmology=header.cosmology,
            provenance={**provenance_of([path]), "finder": header.finder, **assumptions(assumed)},
        )

    def _rows(self, path: Path, header: ListHeader) -> tuple[dict[str, np.ndarray], float | None]:
        """The columns that are wanted, of the haloes that are, and the scale factor."""
        fields = parse_fields(self.columns)
        present = {name.lower(): number for number, name in enumerate(header.names)}
        lowered = {c: dataclasses.replace(f, name=f.name.lower()) for c, f in fields.items()}
        require(lowered, present)
        wanted = {column: present[field.name] for column, field in lowered.items()}
        host = next((present[name] for name in HOST if name in present), None)
        if self.distinct and host is None:
            raise InputError(
                f"expected a column pid for --distinct, got {list(header.names)}; leave it out"
            )
        extra = {"": host} if self.distinct and host is not None else {}
        scale = {" ": present["scale"]} if header.scale is None and "scale" in present else {}
        whole = [c for c in wanted if c not in KINDS and WHOLE.fullmatch(lowered[c].name)]
        table = read_rows(path, len(header.names), {**wanted, **extra, **scale}, whole)
        factor = header.scale if not scale else _one_scale(table.pop(" "))
        if extra:
            kept = table.pop("") == -1
            self.account.read(int(np.sum(~kept)))
            self.account.drop("inside larger haloes", int(np.sum(~kept)))
            table = {name: values[kept] for name, values in table.items()}
        return table, factor


def _in_ours(
    table: Mapping[str, np.ndarray], header: ListHeader
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns in galgen's units, and what was assumed."""
    columns, assumed = dict(table), []
    for name, kind in KINDS.items():
        if name not in columns:
            continue
        wanted, stated = STANDARD_UNITS[name], header.units.get(kind)
        if stated is None:
            assumed.append(f"{kind} in {wanted}")
            continue
        factor = conversion_factor(stated, wanted, f"column {name!r}", header.cosmology.get("h"))
        columns[name] = columns[name] if factor == 1 else columns[name] * factor
    return columns, assumed


def _one_scale(scales: np.ndarray) -> float | None:
    if len(scales) and np.ptp(scales) > 1e-6:
        raise InputError(
            f"expected one snapshot, got column 'scale' from {scales.min():g} to {scales.max():g}; "
            "take an hlist of one scale factor, not a whole tree"
        )
    return float(scales[0]) if len(scales) else None
