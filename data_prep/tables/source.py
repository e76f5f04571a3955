"""Tables: text (CSV, white space, ECSV), FITS, Parquet, ``.npy`` and ``.npz``, compressed or not.

Parquet is read by pyarrow (``pip install 'galgen[formats]'``). A three-dimensional array
``(catalogues, points, columns)`` in ``.npy`` or ``.npz`` is as many catalogues, and a second array
of an ``.npz`` may hold their cosmological parameters. Columns are found by their exact name
(:mod:`data_prep.tables.columns`), and units that a file states are converted
(:mod:`data_prep.tables.units`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from data_prep.checks import check_units, checked_redshift
from data_prep.files import assumptions, provenance_of
from data_prep.options import parse_numbers, parse_pairs
from data_prep.source import BoxSource
from data_prep.tables.binary import array_named
from data_prep.tables.columns import RawTable, obvious_columns, read_fields, rows_with_values
from data_prep.tables.files import Choice, open_tables
from data_prep.tables.parameters import together
from data_prep.tables.units import in_ours, parse_units
from galgen.arrays import as_array
from galgen.cosmology import canonical_parameters
from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.data.features import source_column
from galgen.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSource(BoxSource):
    """Text, FITS, Parquet, .npy or .npz tables of a box."""

    columns: str = ""
    """galgen name=column, its number from 0, or a component, e.g. x=pos[0],log_mass=logM, which is
    stored as mass; positions, velocities and mass where names leave no doubt, if not given."""
    units: str = ""
    """Units that files do not state, galgen name=unit, e.g. positions=kpc/h,mass=1e10 Msun/h."""
    redshift: float | None = None
    """Of the box; that of the parameters, or 0, if not given."""
    cosmology: str = ""
    """Parameters of every catalogue, e.g. omega_m=0.3,sigma_8=0.8."""
    names: tuple[str, ...] = ()
    """Names of all columns of text that has no line of names, or others."""
    header: bool = True
    """Whether text may have a line of names; without, its first line is of the data."""
    hdu: str | None = None
    """Number or name of the table in FITS; the first, if not given."""
    drop_missing: bool = False
    """Drop rows in which a column that is asked for is masked, blank, NaN or infinite."""
    array: str | None = None
    """Array of an .npz that holds (points, columns) or (catalogues, points, columns)."""
    parameters: str | None = None
    """Array of an .npz that holds one row of parameters per catalogue."""
    parameter_names: tuple[str, ...] = ()
    """Names of the columns of that array, or of the table of parameters."""

    def boxes(self) -> Iterator[Catalogue]:
        if self.box is None:
            raise InputError("expected the sides of the box [Mpc/h], got none; pass --box")
        return super().boxes()

    def read(self, path: Path) -> Iterator[Catalogue]:
        choice = Choice(self.names, self.header, self.hdu, self.array)
        tables, arrays = open_tables(path, choice)
        general = canonical_parameters(parse_numbers(self.cosmology), "--cosmology")
        rows = self._parameter_rows(path, arrays, len(tables))
        provenance = provenance_of([path])
        sources = ("--cosmology", f"the parameters of {path}")
        for number, (table, row) in enumerate(zip(tables, rows, strict=True)):
            cosmology = together(general, row, sources, "leave one out")
            known = {**cosmology, **self.row_of(path)}
            columns, units, assumed = self._columns(table, known.get("h"))
            redshift = known.get("redshift", 0.0) if self.redshift is None else self.redshift
            if abs(cosmology.pop("redshift", redshift) - redshift) > 1e-3:
                raise InputError(
                    f"expected redshift {known['redshift']:g} of the parameters, got --redshift "
                    f"{redshift:g}; leave one out"
                )
            if self.redshift is None and "redshift" not in known:
                assumed.append("redshift 0")
            yield self.place(
                columns,
                None,
                units=units,
                redshift=checked_redshift(redshift),
                cosmology=cosmology,
                provenance={**provenance, "number": str(number), **assumptions(assumed)},
            )

    def checked(self, box: Catalogue) -> Catalogue:
        """The box; columns taken by their names whose units cannot be right are left out."""
        if self.columns or not self.check_units:
            return super().checked(box)
        for names in (("mass",), VELOCITIES):
            others = {n: v for n, v in box.columns.items() if n not in names}
            alone = {n: v for n, v in box.columns.items() if n in (*POSITIONS, *names)}
            try:
                check_units(box.replace(columns=alone))
            except InputError as error:
                text = f"{' '.join(names)} left out: {error}; take them with --columns and --units"
                self.account.warn(names[0], text)
                box = box.replace(columns=others, provenance=_without(box.provenance, names))
        return box

    def _columns(
        self, table: RawTable, h: float | None
    ) -> tuple[dict[str, np.ndarray], dict[str, str], list[str]]:
        """The columns that are asked for, their units, and what was assumed of them."""
        wanted = parse_pairs(self.columns) or obvious_columns(table)
        if not self.columns:
            taken = ",".join(f"{name}={column}" for name, column in wanted.items())
            self.account.note(f"columns, as their names say: {taken}")
        table.tell(self.account)
        options = parse_units(self.units, wanted)
        raw, fields = read_fields(table, wanted)
        used = {column.name for column in raw.values()}
        self.account.leave(name for name in table.names if name and name not in used)
        stored = rows_with_values(raw, fields, self.drop_missing, self.account)
        columns: dict[str, np.ndarray] = {}
        units: dict[str, str] = {}
        assumed: dict[str, list[str]] = {}
        for name, values in stored.items():
            column = source_column(name)
            option = options.get(column, "")
            columns[column], units[column], guess = in_ours(name, values, raw[name].unit, option, h)
            if guess:
                assumed.setdefault(units[column], []).append(column)
        return columns, units, [f"{' '.join(names)} in {unit}" for unit, names in assumed.items()]

    def _parameter_rows(
        self, path: Path, arrays: Mapping[str, np.ndarray] | None, number: int
    ) -> list[dict[str, float]]:
        """The parameters of each catalogue, from an array of the file."""
        if self.parameters is None:
            return [{} for _ in range(number)]
        if arrays is None or len(arrays) < 2:
            raise InputError(f"expected an .npz with an array of parameters, got {path}; use one")
        labels = self.parameter_names
        values = as_array(array_named(arrays, self.parameters, path), "parameters")
        if values.shape != (number, len(labels)):
            raise InputError(
                f"expected parameters {self.parameters!r} of shape ({number}, {len(labels)}), got "
                f"{values.shape}; name every column of it, one row per catalogue"
            )
        if len(set(labels)) < len(labels):
            raise InputError(
                f"expected names that differ, got {list(labels)}; mend --parameter-names"
            )
        where = f"of {self.parameters!r} in {path}"
        named = [dict(zip(labels, map(float, row), strict=True)) for row in values]
        return [canonical_parameters(row, f"row {i} {where}") for i, row in enumerate(named)]


def _without(provenance: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Provenance without what was assumed of columns that are left out."""
    parts = provenance.get("assumed", "").split(", ")
    kept = [part for part in parts if not set(part.split(" in ")[0].split()) <= set(names)]
    rest = {name: text for name, text in provenance.items() if name != "assumed"}
    return {**rest, **assumptions(filter(None, kept))}
