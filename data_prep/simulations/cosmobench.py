"""CosmoBench point clouds (Huang et al. 2025, arXiv:2507.03707): Quijote, CAMELS-SAM and CAMELS.

The layout is that of the benchmark's own loaders (github nhuang37/cosmology_benchmark)::

    /BSQ/BSQ_<i>/{X, Y, Z, VX, VY, VZ, ...}   cloud i; LH or fiducial for other suites
    /params/{Omega_m, sigma_8, ...}           a value per cloud

in comoving Mpc/h and km/s. Files know no box: 1000 Mpc/h for Quijote, 100 for CAMELS-SAM and 25 for
CAMELS, by the file's name. ``_train``, ``_val`` and ``_test`` in it are the published splits, which
are kept. All are at redshift 0.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from data_prep.fields import Field, Unit, parse_fields, read_columns, require
from data_prep.files import assumptions, provenance_of
from data_prep.options import Sides
from data_prep.simulations.hdf5_units import WANTED, Kind, Stated, of_field
from data_prep.source import PUBLISHED, BoxSource, split_in
from galgen.cosmology import canonical_parameters
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.reading.hdf5 import find_group, members, open_hdf5, read_numbers

SIDES = {"camels-sam": 100.0, "camels": 25.0, "quijote": 1000.0}
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("X", "Y", "Z"), "length"),
    **dict.fromkeys(("VX", "VY", "VZ"), "velocity"),
}
ASSUMED = {"length": "lengths in Mpc/h", "velocity": "peculiar velocities in km/s"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CosmoBenchSource(BoxSource):
    """CosmoBench HDF5 point clouds."""

    columns: str = "x=X,y=Y,z=Z,vx=VX,vy=VY,vz=VZ"
    """galgen name=dataset of a cloud."""
    box: Sides | None = None
    """Sides [Mpc/h]; those of the suite in the path, if not given."""
    splits: str = PUBLISHED
    """Fractions at random by seed; or published, those of the file names."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        side = _side(path)
        if side is None and self.box is None:
            raise InputError(f"expected {', '.join(SIDES)} in the path, got {path}; pass --box")
        fields = parse_fields(self.columns)
        general = {**provenance_of([path]), **split_in(path)}
        with open_hdf5(path, "CosmoBench clouds") as file:
            suite, parameters, number = _contents(file)
            for i in range(number):
                cloud = find_group(find_group(file, suite), f"{suite}_{i}")
                cosmology = canonical_parameters(
                    {name: float(values[i]) for name, values in parameters.items()}, "params"
                )
                columns, names, assumed = _columns(cloud, fields, cosmology.get("h"))
                assumed += ["redshift 0"] + ([f"a box of {side:g} Mpc/h"] if not self.box else [])
                yield self.place(
                    columns,
                    side,
                    units=names,
                    cosmology=cosmology,
                    provenance={**general, "number": str(i), **assumptions(assumed)},
                )


def _columns(
    cloud: h5py.Group, fields: Mapping[str, Field], h: float | None
) -> tuple[dict[str, np.ndarray], dict[str, str], list[str]]:
    """Columns in galgen's units, the units, and what was assumed of them."""
    require(fields, dict.fromkeys(members(cloud)))
    values = {field.name: read_numbers(cloud, field.name) for field in fields.values()}
    units, assumed = {}, []
    for name in values:
        kind = KINDS.get(name)
        if kind is not None:
            stated = of_field(cloud[name], kind, h)
            units[name] = Unit((stated or Stated(1.0)).of(0.0), WANTED[kind])
            assumed += [ASSUMED[kind]] if stated is None else []
    return *read_columns(fields, values.__getitem__, units), assumed


def _contents(file: h5py.File) -> tuple[str, dict[str, np.ndarray], int]:
    """The suite's name, parameters by the file's names, and the number of clouds."""
    suites = [name for name in file if name != "params" and isinstance(file[name], h5py.Group)]
    if len(suites) != 1 or "params" not in file:
        raise InputError(
            f"expected a group of clouds and one of 'params', got {list(file)}; is it a point "
            "cloud file of CosmoBench?"
        )
    (suite,) = suites
    number, params = len(file[suite]), find_group(file, "params")
    parameters = {name: read_numbers(params, name) for name in params}
    for name, values in parameters.items():
        if values.shape != (number,):
            raise InputError(
                f"expected params/{name} of {number} clouds, got shape {values.shape}; copy the "
                "file again"
            )
    missing = [i for i in range(number) if f"{suite}_{i}" not in file[suite]]
    if missing:
        raise InputError(
            f"expected clouds {suite}_0 to {suite}_{number - 1}, got no {missing[0]}; copy it again"
        )
    return suite, parameters, number


def _side(path: Path) -> float | None:
    """The side of the suite that a path names, if it names one."""
    text = path.resolve().as_posix().lower()
    found = (s for name, s in SIDES.items() if re.search(rf"(?<![a-z]){name}(?![a-z])", text))
    return next(found, None)
