"""AbacusSummit halo catalogues (CompaSO): ``halo_info_*.asdf`` in a folder ``halos/z*/halo_info``.

Files are ASDF (:mod:`galgen.reading.asdf`). Positions are in units of BoxSize, from -1/2 to 1/2,
velocities in units of VelZSpace_to_kms km/s, and N counts particles of ParticleMassHMsun Msun/h
(Maksimova et al. 2021, arXiv:2110.11398; Hadzhiyska et al. 2022, arXiv:2110.11408). The box begins
at its corner here: positions are shifted by half a side. Haloes are as the finder left them, before
cleaning.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.checks import checked_redshift, checked_side, cosmology_of
from data_prep.fields import Unit, parse_fields, read_columns, require
from data_prep.files import pieces, provenance_of
from data_prep.source import BoxSource
from galgen.arrays import as_array
from galgen.cosmology import CRITICAL_DENSITY
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.reading import check_declared
from galgen.reading.asdf import open_asdf

NAMES = r"halo_info_(?P<number>\d+)\.asdf"
COLUMNS = "x=x_L2com[0],y=x_L2com[1],z=x_L2com[2],vx=v_L2com[0],vy=v_L2com[1],vz=v_L2com[2],mass=N"
HEADER = ("BoxSizeHMpc", "VelZSpace_to_kms", "ParticleMassHMsun", "Redshift", "Omega_M", "H0")
SILENT = re.compile(r"OmegaNow_.*|Omega_Smooth|omega_ncdm", re.IGNORECASE)
"""Names that look like cosmology and change no distance: densities at the time of the snapshot, and
the part of Omega_M that does not cluster."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbacusSource(BoxSource):
    """AbacusSummit CompaSO haloes: folders halos/z*, or one halo_info_*.asdf of each."""

    columns: str = COLUMNS
    """galgen name=field of the file, [i] a component; x_com and v_com are of all particles."""
    id_pattern: str = r"/([^/]+)/halos/z"
    """Regular expression whose group is the simulation in an input's path."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        fields = parse_fields(self.columns)
        folder = path / "halo_info" if (path / "halo_info").is_dir() else path
        names = sorted({field.name for field in fields.values()})
        values, header, files = read_halo_info(folder, names)
        require(fields, values)
        side = checked_side(header["BoxSizeHMpc"], "header field 'BoxSizeHMpc'")
        cosmology = _cosmology(header)
        _check_particles(header, cosmology)
        units = {name: unit for name in names if (unit := _unit(name, header))}
        columns, labels = read_columns(fields, values.__getitem__, units)
        for name in ("x", "y", "z"):
            if name in columns:
                columns[name] = columns[name] + side / 2
        yield self.place(
            columns,
            side,
            units=labels,
            redshift=_redshift(header),
            cosmology=cosmology,
            provenance={**provenance_of(files), "simulation": str(header.get("SimName", ""))},
        )


def _check_particles(header: Mapping[str, Any], cosmology: Mapping[str, float]) -> None:
    """Refuse a header whose particles do not make up the matter that clusters in its box."""
    if "NP" not in header:
        return
    smooth = _number(header, "Omega_Smooth") if "Omega_Smooth" in header else 0.0
    clustering = cosmology["omega_m"] - smooth
    mass = CRITICAL_DENSITY * clustering * header["BoxSizeHMpc"] ** 3 / _number(header, "NP")
    if not abs(header["ParticleMassHMsun"] / mass - 1) < 0.02:
        raise InputError(
            f"expected header field 'ParticleMassHMsun' {mass:.4g}, by BoxSizeHMpc, NP and "
            f"Omega_M, got {header['ParticleMassHMsun']:.4g}; is the header damaged?"
        )


def _redshift(header: Mapping[str, Any]) -> float:
    redshift = checked_redshift(header["Redshift"], "header field 'Redshift'")
    scale = _number(header, "ScaleFactor") if "ScaleFactor" in header else 1 / (1 + redshift)
    if not abs(scale * (1 + redshift) - 1) <= 1e-3:
        raise InputError(
            f"expected header field 'ScaleFactor' {1 / (1 + redshift):.4g} at Redshift "
            f"{redshift:.4g}, got {scale:.4g}; the header is mislabelled"
        )
    return redshift


def _cosmology(header: Mapping[str, Any]) -> dict[str, float]:
    """The parameters of a header; omega_b and omega_cdm of AbacusSummit are physical densities."""
    physical = {"omega_b": "omega_b_h2", "omega_cdm": "omega_cdm_h2"}
    named = {physical.get(name, name): name for name in header}
    return cosmology_of(named, lambda name: _number(header, named[name]), SILENT)


def _number(header: Mapping[str, Any], name: str) -> float:
    value = header[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            f"expected a number in header field {name!r}, got {str(value)[:40]!r}; copy the file "
            "again"
        )
    return float(value)


def _unit(field: str, header: Mapping[str, Any]) -> Unit | None:
    if field.startswith("x_"):
        return Unit(header["BoxSizeHMpc"], "Mpc/h")
    if field.startswith(("v_", "sigmav3d", "vcirc")):
        return Unit(header["VelZSpace_to_kms"], "km/s")
    return Unit(header["ParticleMassHMsun"], "Msun/h") if field == "N" else None


def read_halo_info(
    path: Path, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], Mapping[str, Any], list[Path]]:
    """Fields of a snapshot's haloes, as stored, its header, and the files they are from.

    ``path`` is one of its files, which stands for all of them, or their folder.

    Raises:
        InputError: if asdf or blosc is not installed, or a file is missing, truncated, damaged or
            without a field.
    """
    files = pieces(path, NAMES, "a halo_info file")
    numbers = [int(place.stem.rsplit("_", 1)[1]) for place in files]
    if numbers != list(range(len(files))):
        raise InputError(
            f"expected halo_info files numbered from 0 in {files[0].parent}, got {numbers}; copy "
            "those missing"
        )
    parts, headers = [], []
    for place in files:
        with open_asdf(place, "a whole ASDF file of haloes") as file:
            fields, header = _contents(file, names, place)
        parts.append(fields)
        headers.append(header)
    for name in HEADER:
        different = sorted({header[name] for header in headers})
        if len(different) > 1:
            raise InputError(f"expected one snapshot in {path}, got {name} {different}; name one")
    return {n: np.concatenate([p[n] for p in parts]) for n in names}, headers[0], files


def _contents(
    file: Any, names: Sequence[str], path: Path
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    data, header = dict(file["data"]), dict(file["header"])
    missing = [name for name in HEADER if name not in header]
    if missing:
        raise InputError(
            f"expected header fields {list(HEADER)}, got none of {missing}; see Abacus"
        )
    absent = [name for name in names if name not in data]
    if absent:
        raise InputError(
            f"expected fields {list(names)}, got no {absent} among {sorted(data)}; choose others "
            "with --columns"
        )
    header |= {name: _number(header, name) for name in HEADER}
    return {name: _values(data[name], name, path) for name in names}, header


def _values(stored: Any, name: str, path: Path) -> np.ndarray:
    """The values of a field, after a look at the size that it declares."""
    if not all(isinstance(length, int) for length in stored.shape):
        raise InputError(
            f"expected field {name!r} of a shape of whole numbers, got {stored.shape}; the file is "
            "damaged: copy it again"
        )
    check_declared(math.prod(stored.shape) * stored.dtype.itemsize, path, f"field {name!r}")
    return as_array(np.array(stored), f"field {name!r}")
