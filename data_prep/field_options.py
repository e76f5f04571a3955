"""Options for the fields that catalogues come from, and a field as they ask for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from data_prep.account import Account
from data_prep.field_files import WHAT, read_contrast
from data_prep.field_phases import Arrangement, Verdict, Waves
from data_prep.files import assumptions, provenance_of
from data_prep.options import Cells
from galgen.data.catalogue import Catalogue
from galgen.data.field import Field, check_field_mesh
from galgen.errors import InputError
from galgen.reading import reading

ID = "{id}"
"""Stands for the simulation in a pattern of paths."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FieldOptions:
    """Options of sources whose catalogues may come with the field that they come from."""

    field: tuple[Path, ...] = ()
    """Linear density contrast of each input, in their order: .npy, .npz, HDF5 or FITS; or one
    path for all in which {id} stands for the simulation."""
    field_dataset: str | None = None
    """Name of the array in HDF5 or .npz, name or number of the image in FITS; the only cube, if
    not given."""
    field_density: bool = False
    """The fields are densities or numbers of particles: they are divided by their mean, less 1."""
    field_redshift: float | None = None
    """Redshift that the amplitude of the fields is of; 0 if not given."""
    field_smoothing: float = 0.0
    """Standard deviation of the Gaussian by which the fields are smoothed [Mpc/h]."""
    field_mesh: int | None = None
    """Low-pass the fields in Fourier space to so many points per side."""
    field_axes: Literal["xyz", "xzy", "yxz", "yzx", "zxy", "zyx"] = "xyz"
    """Axes of the box along which the first, second and third index of a field run."""
    field_mirror: Literal["x", "y", "z", "xy", "xz", "yz", "xyz"] | None = None
    """Axes of the box along which a field runs backwards."""
    field_shift: Cells = (0.0, 0.0, 0.0)
    """Cells from the corner of the box to the first point of a field; 0.5 if values are at the
    centres of cells."""
    check_field: bool = True
    """Refuse a field whose large waves are not those of the points."""

    def fields_of(self, simulations: Sequence[str | None]) -> tuple[Path, ...]:
        """The file of the field of each input, given their simulations; none without ``--field``.

        Raises:
            InputError: if fields and inputs differ in number, a pattern has no simulation to fill
                in, or there are other options of fields but no field.
        """
        if not self.field:
            given = [f.name for f in dataclasses.fields(FieldOptions) if f.name != "field"]
            given = [name for name in given if getattr(self, name) != getattr(FieldOptions, name)]
            if given:
                raise InputError(
                    f"expected --field with --{given[0].replace('_', '-')}, got none; pass it"
                )
            return ()
        pattern = str(self.field[0])
        if len(self.field) == 1 and ID in pattern:
            if None in simulations:
                raise InputError(
                    f"expected a simulation in every input for {pattern}, got none in number "
                    f"{simulations.index(None)} (from 0); mend --id-pattern"
                )
            return tuple(Path(pattern.replace(ID, str(name))) for name in simulations)
        if len(self.field) != len(simulations):
            raise InputError(
                f"expected a field for each of {len(simulations)} inputs, got {len(self.field)}; "
                f"name them after --field in the order of the inputs, or one path with {ID}"
            )
        return self.field

    def with_field(self, box: Catalogue, path: Path) -> Catalogue:
        """The catalogue, its field in its provenance."""
        source = {name.replace("source", "field"): v for name, v in provenance_of([path]).items()}
        silent = [] if self.field_redshift is not None else ["its field at redshift 0"]
        assumed = assumptions(filter(None, [box.provenance.get("assumed"), *silent]))
        return box.replace(provenance={**box.provenance, **source, **assumed})

    def read_field(self, path: Path, box: Catalogue, account: Account) -> Field:
        """The field of a periodic box, compared with its points.

        Raises:
            InputError: as :func:`~data_prep.field_files.read_contrast`, if the box is no periodic
                cube, or the waves of the field are not those of the points.
        """
        side, *others = box.box
        if not box.periodic or set(others) != {side}:
            raise InputError(
                f"expected a periodic cube for the field {path}, got a box of {box.box} Mpc/h, "
                f"{'periodic' if box.periodic else 'open'}; leave out --field"
            )
        values = read_contrast(path, self.field_dataset, self.field_density)
        given = Arrangement(self.field_axes, self.field_mirror or "", self.field_shift)
        with reading(path, WHAT):
            if self.field_mesh is not None:
                check_field_mesh(self.field_mesh, len(values), "--field-mesh")
            try:
                verdict = Waves(values, box.positions / side, side).verdict(given)
                for wavenumbers, r in verdict.correlation.items():
                    account.measure(f"r at {wavenumbers}", r)
                account.measure(
                    f"agreement of phases (chance: {verdict.chance:.2f})", verdict.agreement
                )
                _check(verdict, given, len(box))
            except InputError as error:
                if self.check_field:
                    raise
                account.warn("field", f"{path} is kept, as --no-check-field says: {error}")
            return Field(
                given.applied(values, self.field_mesh),
                side,
                redshift=self.field_redshift or 0.0,
                smoothing=self.field_smoothing,
            )


def _check(verdict: Verdict, given: Arrangement, points: int) -> None:
    """Refuse a field whose phases are not those of the points, or only if it lies otherwise."""
    found = f"phases agree by {verdict.agreement:.2f}"
    if verdict.better is not None:
        raise InputError(
            f"expected axes {given}, got a field whose axes are {verdict.better} ({found}, so by "
            f"{verdict.best:.2f}); {verdict.better.remedy()}"
        )
    if verdict.agreement < -verdict.chance:
        raise InputError(f"expected the density contrast, got its negative ({found}); negate it")
    if verdict.agreement <= verdict.chance:
        raise InputError(
            f"expected a field of the phases of its catalogue, got one of another box: {found} of "
            f"{points} points, by chance up to {verdict.chance:.2f}; put fields in the order of "
            "inputs, or pass --no-check-field if points are too few to tell"
        )
