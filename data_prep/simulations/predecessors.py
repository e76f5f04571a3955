"""The arrays that arXiv:2311.17141 trained on: ``train_halos.npy`` and ``train_cosmology.csv``.

``<split>_halos.npy`` is an array (simulations, 5000, 7) of Quijote's heaviest haloes, columns x, y,
z [Mpc/h], vx, vy, vz [km/s] and mass [Msun/h]; ``<split>_cosmology.csv`` beside it has a row of
parameters per simulation. Simulations are read through a memory map, one at a time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from data_prep.checks import checked_redshift
from data_prep.fields import without_logarithms
from data_prep.files import assumptions, provenance_of
from data_prep.options import Sides
from data_prep.source import PUBLISHED, BoxSource, split_in
from data_prep.tables.parameters import ParameterTable
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.reading.numpy_files import read_npy

HALOS = "_halos"
COSMOLOGY = "_cosmology"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredecessorsSource(BoxSource):
    """Arrays <split>_halos.npy with <split>_cosmology.csv beside them."""

    columns: tuple[str, ...] = ("x", "y", "z", "vx", "vy", "vz", "mass")
    """Names of the columns of the array; log_mass is stored as mass."""
    box: Sides = (1000.0, 1000.0, 1000.0)
    """Sides of the box [Mpc/h], one number for a cube."""
    redshift: float = 0.0
    """Of the catalogues."""
    splits: str = PUBLISHED
    """Fractions at random by seed; or published, those of the file names."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        stack = read_npy(path, "a whole NumPy array of haloes", mapped=True)
        if stack.ndim != 3 or stack.shape[2] != len(self.columns):
            raise InputError(
                f"expected an array (simulations, haloes, {len(self.columns)}), got shape "
                f"{stack.shape}; name each of its columns with --columns"
            )
        rows = _cosmologies(path, len(stack))
        assumed = assumptions(["Mpc/h, km/s, Msun/h"])
        provenance = {**provenance_of([path]), **split_in(path), **assumed}
        for number, values in enumerate(stack):
            yield self.place(
                without_logarithms(dict(zip(self.columns, values.T, strict=True))),
                None,
                redshift=checked_redshift(self.redshift),
                cosmology=rows[number],
                provenance={**provenance, "number": str(number)},
            )


def _cosmologies(path: Path, number: int) -> list[dict[str, float]]:
    """The rows of the table beside an array; none for an array that is not named *_halos."""
    beside = path.with_name(path.stem.replace(HALOS, COSMOLOGY) + ".csv")
    if HALOS not in path.stem or not beside.exists():
        return [{} for _ in range(number)]
    table = ParameterTable.read(beside)
    if len(table.rows) != number:
        raise InputError(
            f"expected a row of {beside} for each of {number} simulations, got {len(table.rows)}; "
            "do both come from one split?"
        )
    return [dict(row) for row in table.rows.values()]
