"""AbacusSummit halo catalogues (CompaSO): ``halo_info_*.asdf`` in a folder ``halos/z*/halo_info``.

Files are ASDF, compressed by Blosc in pieces that begin with their length (four bytes, big-endian;
label ``blsc``). Positions are in units of BoxSize, from -1/2 to 1/2, velocities in units of
VelZSpace_to_kms km/s, and N counts particles of ParticleMassHMsun Msun/h (Maksimova et al. 2021,
arXiv:2110.11398; Hadzhiyska et al. 2022, arXiv:2110.11408). The box begins at its corner here:
positions are shifted by half a side. Haloes are as the finder left them, before cleaning.

asdf and blosc are not among what galgen needs otherwise: ``pip install 'galgen[formats]'``.
"""

from __future__ import annotations

import dataclasses
import importlib
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.boxes import place_in_box
from data_prep.fields import Unit, parse_fields, read_columns, require
from data_prep.files import naming, pieces, provenance_of
from data_prep.source import BoxSource
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

NAMES = r"halo_info_(?P<number>\d+)\.asdf"
COLUMNS = "x=x_L2com[0],y=x_L2com[1],z=x_L2com[2],vx=v_L2com[0],vy=v_L2com[1],vz=v_L2com[2],mass=N"
HEADER = ("BoxSizeHMpc", "VelZSpace_to_kms", "ParticleMassHMsun", "Redshift", "Omega_M", "H0")
LENGTH = struct.Struct("!I")


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
        side = float(header["BoxSizeHMpc"])
        units = {name: unit for name in names if (unit := _unit(name, header))}
        columns, labels = read_columns(fields, values.__getitem__, units)
        for name in ("x", "y", "z"):
            if name in columns:
                columns[name] = columns[name] + side / 2
        yield place_in_box(
            columns,
            side,
            units=labels,
            redshift=float(header["Redshift"]),
            cosmology={"omega_m": float(header["Omega_M"]), "h": float(header["H0"]) / 100},
            provenance={**provenance_of(files), "simulation": str(header.get("SimName", ""))},
        )


def _unit(field: str, header: Mapping[str, Any]) -> Unit | None:
    if field.startswith("x_"):
        return Unit(float(header["BoxSizeHMpc"]), "Mpc/h")
    if field.startswith(("v_", "sigmav3d", "vcirc")):
        return Unit(float(header["VelZSpace_to_kms"]), "km/s")
    return Unit(float(header["ParticleMassHMsun"]), "Msun/h") if field == "N" else None


def read_halo_info(
    path: Path, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], Mapping[str, Any], list[Path]]:
    """Fields of a snapshot's haloes, as stored, its header, and the files they are from.

    Args:
        path: one of its files, which stands for all of them, or their folder.
        names: of fields.

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
        with naming(place):
            fields, header = _read_file(place, names)
        parts.append(fields)
        headers.append(header)
    redshifts = {float(header["Redshift"]) for header in headers}
    if len(redshifts) > 1:
        raise InputError(f"expected one snapshot in {path}, got redshifts {sorted(redshifts)}")
    return {n: np.concatenate([p[n] for p in parts]) for n in names}, headers[0], files


def _read_file(path: Path, names: Sequence[str]) -> tuple[dict[str, np.ndarray], Mapping[str, Any]]:
    asdf = _asdf()
    try:
        with asdf.config_context() as config, warnings.catch_warnings():
            # Files name the extension that wrote them, which is another than ours.
            warnings.simplefilter("ignore", asdf.exceptions.AsdfPackageVersionWarning)
            config.add_extension(_blosc_extension())
            with asdf.open(path, memmap=False, lazy_load=True) as file:
                data, header = dict(file["data"]), dict(file["header"])
                missing = [name for name in HEADER if name not in header]
                absent = [name for name in names if name not in data]
                if not missing and not absent:
                    return {name: np.array(data[name]) for name in names}, header
    except Exception as error:
        raise InputError(
            f"expected a whole ASDF file of haloes, got one that asdf cannot read "
            f"({type(error).__name__}: {' '.join(str(error).split())}); copy it again"
        ) from error
    if missing:
        raise InputError(
            f"expected header fields {list(HEADER)}, got none of {missing}; see Abacus"
        )
    raise InputError(
        f"expected fields {list(names)}, got no {absent} among {sorted(data)}; choose others with "
        "--columns"
    )


def _asdf() -> Any:
    try:
        importlib.import_module("blosc")
        return importlib.import_module("asdf")
    except ImportError as error:
        raise InputError(
            f"expected asdf and blosc, got no {error.name}; pip install 'galgen[formats]'"
        ) from error


def _blosc_extension() -> Any:
    """An extension of asdf that knows blocks labelled ``blsc``."""
    extension = importlib.import_module("asdf.extension")
    blosc = importlib.import_module("blosc")

    class BloscCompressor(extension.Compressor):
        label = b"blsc"

        def decompress(self, data: Iterable[Any], out: Any, **options: Any) -> int:
            content = b"".join(bytes(block) for block in data)
            target, place, filled = memoryview(out).cast("B"), 0, 0
            while place < len(content):
                (size,) = LENGTH.unpack_from(content, place)
                place += LENGTH.size
                piece = blosc.decompress(content[place : place + size])
                target[filled : filled + len(piece)] = piece
                filled, place = filled + len(piece), place + size
            return filled

    class BloscExtension(extension.Extension):
        extension_uri = "asdf://galgen/extensions/blosc-1.0.0"
        compressors = (BloscCompressor(),)

    return BloscExtension()
