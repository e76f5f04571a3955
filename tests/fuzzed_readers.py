"""Every reader, with a small file that it reads (:mod:`fuzzing`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import healpy
import numpy as np
from astropy.table import Table
from fuzzing import HDF5_CHANGES, Content, Subject, odd_number
from raw_layouts import (
    ABACUS,
    haloes,
    write_cosmobench,
    write_fastfood,
    write_gadget_header,
    write_group_tab,
    write_halo_info,
    write_rockstar,
    write_subfind,
)

from data_prep.simulations.abacus import AbacusSource, read_halo_info
from data_prep.simulations.cosmobench import CosmoBenchSource
from data_prep.simulations.fastfood import FastFoodSource
from data_prep.simulations.predecessors import PredecessorsSource
from data_prep.simulations.quijote import QuijoteSource
from data_prep.simulations.rockstar import RockstarSource
from data_prep.simulations.snapshot import SnapshotHeader, read_snapshot_header
from data_prep.simulations.subfind import SubfindSource
from data_prep.surveys.columns import read_sky
from data_prep.tables.parameters import ParameterTable
from data_prep.tables.source import TableSource
from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_io import read_catalogue, write_catalogue
from galgen.data.field import Field
from galgen.data.suite import Suite, write_suite
from galgen.mocks.sky_catalogue import SkyCatalogue
from galgen.mocks.sky_catalogue_files import read_sky_catalogue, write_sky_catalogue
from galgen.mocks.sky_mask import read_mask

ROWS = 50
SIDE = 100.0
IDS = np.arange(ROWS, dtype=np.int64) * 7919 + 2**62 + 1
COSMOLOGY = {"omega_m": 0.3, "h": 0.7}


def content_of(catalogues: Iterable[Catalogue]) -> Content:
    """All catalogues side by side; hashes are of the bytes, and differ by nature."""
    every = list(catalogues)
    columns = {n: np.concatenate([c.columns[n] for c in every]) for n in every[0].columns}
    header: dict[str, Any] = {"rows": [len(c) for c in every]}
    for number, one in enumerate(every):
        header[f"{number}"] = (one.box, one.redshift, one.cosmology, one.periodic, one.units)
        header[f"assumed {number}"] = one.provenance.get("assumed")
    return Content(columns, header)


def source(kind: Callable[..., Any], **options: Any) -> Callable[[Path], Content]:
    """The reader of a raw format."""

    def read(path: Path) -> Content:
        return content_of(kind(inputs=(path,), output=Path("unused"), **options).boxes())

    return read


def abacus(path: Path) -> Content:
    """The header too, for every velocity and mass hangs on it."""
    content = source(AbacusSource)(path)
    _, header, _ = read_halo_info(path, [])
    return Content(content.columns, {**content.header, "raw": header})


def found() -> dict[str, np.ndarray]:
    """Haloes with identifiers beyond what a float64 holds."""
    return {**haloes(ROWS, SIDE), "id": IDS}


def subfind(path: Path) -> None:
    first = write_subfind(path.parent, found(), 0.5)
    with h5py.File(first, "r+") as file:
        file["Group/GroupID"] = IDS
        file["Group/GroupPos"].attrs["unit"] = "ckpc/h"
        file["Group/GroupVel"].attrs.update(to_cgs=1e5, a_scaling=-1.0, h_scaling=0.0)
        file["Header"].attrs.update(UnitLength_in_cm=3.085678e21, UnitVelocity_in_cm_per_s=1e5)


def group_tab(path: Path) -> None:
    folder = write_group_tab(path.parent / "unused", haloes(ROWS, SIDE), 0.5)
    (folder / path.name).rename(path)
    folder.rmdir()
    folder.parent.rmdir()


def halo_info(path: Path) -> None:
    particles = {"NP": 2.7754e11 * ABACUS["Omega_M"] * SIDE**3 / ABACUS["ParticleMassHMsun"]}
    write_halo_info(path, found(), ABACUS | particles)


def cosmobench(path: Path) -> None:
    clouds = [haloes(ROWS // 2, SIDE, seed=seed) for seed in (0, 1)]
    write_cosmobench(path, clouds, "LH", {"Omega_m": np.array([0.3, 0.4])})
    with h5py.File(path, "r+") as file:
        file["LH/LH_0/X"].attrs["unit"] = "Mpc/h"


def npy(path: Path) -> None:
    one = haloes(ROWS, SIDE)
    np.save(path, np.column_stack([one["position"], one["velocity"], one["mass"]])[None])


def table(path: Path) -> None:
    """Positions, masses and identifiers in the format of the suffix."""
    one = haloes(ROWS, SIDE)
    columns = {n: one["position"][:, i].astype(float) for i, n in enumerate("xyz")}
    columns |= {"mass": one["mass"], "id": IDS}
    if path.suffix == ".npz":
        np.savez_compressed(path, **columns)
    elif path.suffix == ".npy":
        np.save(path, np.rec.fromarrays(list(columns.values()), names=list(columns)))
    else:
        written = Table(columns)
        written["x"].unit = "Mpc"
        written.write(path, overwrite=True)


def parameters(path: Path) -> None:
    rows = np.random.default_rng(0).uniform(0.2, 0.4, (ROWS, 2))
    np.savetxt(path, rows, header="Omega_m h", fmt="%.8f")


def survey(path: Path) -> None:
    generator = np.random.default_rng(0)
    columns = {"RA": generator.uniform(0, 300, ROWS), "DEC": generator.uniform(-60, 60, ROWS)}
    columns |= {"Z": generator.uniform(0.1, 0.5, ROWS), "WEIGHT": generator.random(ROWS)}
    Table(columns).write(path, overwrite=True)


def read_survey_file(path: Path) -> Content:
    sky = read_sky(path)
    columns = {f"n{i}": sky.directions[:, i] for i in range(3)}
    return Content({**columns, "z": sky.redshift, **sky.columns}, {})


def read_table_of_parameters(path: Path) -> Content:
    rows = list(ParameterTable.read(path).rows.values())
    return Content({n: np.array([row[n] for row in rows]) for n in rows[0]}, {})


def catalogue(seed: int = 0, number: int = ROWS) -> Catalogue:
    one = haloes(number, SIDE, seed=seed)
    columns = {n: one["position"][:, i] for i, n in enumerate("xyz")}
    columns |= {"vx": one["velocity"][:, 0], "id": IDS[:number], "u": IDS[:number].astype("u8")}
    columns |= {"central": one["mass"] > 1e13}
    return Catalogue(columns, (SIDE,) * 3, 0.5, COSMOLOGY, provenance={"source": "a", "ü": "Ω"})


def suite(path: Path) -> None:
    write_suite(path, [catalogue(0), catalogue(1, 30), catalogue(2, 0)], ["train", "test", "train"])


def read_suite(path: Path) -> Content:
    with Suite(path) as opened:
        every = content_of(opened)
        provenance = [dict(one.provenance) for one in opened]
        return Content(every.columns, {**every.header, "p": provenance, "s": list(opened.splits)})


def suite_with_fields(path: Path) -> None:
    fields = [one_field(seed) for seed in range(2)]
    write_suite(path, [catalogue(0), catalogue(1, 30)], ["train", "test"], fields)


def one_field(seed: int) -> Field:
    values = np.random.default_rng(seed).standard_normal((4, 4, 4), np.float32)
    return Field(values - values.mean(), SIDE, smoothing=2.0)


def read_suite_with_fields(path: Path) -> Content:
    content = read_suite(path)
    with Suite(path) as opened:
        fields = [opened.field(number) for number in range(len(opened))]
    values = np.concatenate([field.values.ravel() for field in fields])
    said = [(field.box, *field.attributes.values()) for field in fields]
    return Content({**content.columns, "field": values}, {**content.header, "fields": said})


def packed_suite(path: Path) -> None:
    """As another tool repacks it."""
    suite(path)
    with h5py.File(path, "r+") as file:
        for name, values in list(file["columns"].items()):
            content, attributes = values[()], dict(values.attrs)
            del file[f"columns/{name}"]
            file.create_dataset(f"columns/{name}", data=content, chunks=(16,), compression="gzip")
            file[f"columns/{name}"].attrs.update(attributes)


def sky(path: Path) -> None:
    generator = np.random.default_rng(0)
    names = ("RA", "DEC", "Z", "WEIGHT", "WEIGHT_FKP", "NZ")
    columns = {name: generator.random(ROWS) for name in names} | {"ID": IDS}
    write_sky_catalogue(path, SkyCatalogue(columns, COSMOLOGY, {}, {"recipe": "{}"}))


def read_sky_file(path: Path) -> Content:
    one = read_sky_catalogue(path)
    return Content(one.columns, {"c": one.cosmology, "u": one.units, "p": one.provenance})


def mask(path: Path) -> None:
    healpy.write_map(path, np.arange(48) / 47, dtype=np.float64, overwrite=True, coord="C")


def read_mask_file(path: Path) -> Content:
    return Content({"completeness": read_mask(path).completeness}, {})


def read_header_file(path: Path) -> Content:
    header = read_snapshot_header(path)
    assert isinstance(header, SnapshotHeader)
    return Content({}, {"all": header})


def hdf5_snapshot(path: Path) -> None:
    with h5py.File(path, "w") as file:
        names = {
            "BoxSize": 1e5,
            "Redshift": 0.5,
            "Time": 1 / 1.5,
            "Omega0": 0.3,
            "HubbleParam": 0.7,
        }
        file.create_group("Header").attrs.update(names)
        file.create_group("Parameters").attrs.update(UnitLength_in_cm=3.085678e21, w0=-0.9, wa=0.1)


def write_one(path: Path) -> None:
    write_catalogue(path, catalogue())


def read_one(path: Path) -> Content:
    return content_of([read_catalogue(path)])


def fastfood(path: Path) -> None:
    x, y, z = haloes(ROWS, SIDE)["position"].T
    write_fastfood(path, {"x": x, "y": y, "z": z}, SIDE)


BOX = (SIDE,) * 3
TABLE = source(TableSource, box=BOX, columns="x=x,y=y,z=z,mass=mass,id=id", cosmology="h=0.9")
LIST = source(RockstarSource, columns="x=x,y=y,z=z,vx=vx,vy=vy,vz=vz,mass=mvir,id=id")
NUMBERS = (odd_number,)
SUBJECTS = (
    Subject(
        "groups_090.hdf5",
        subfind,
        source(SubfindSource, columns="id=GroupID"),
        changes=HDF5_CHANGES,
        scaled=True,
    ),
    Subject("group_tab_004.0", group_tab, source(QuijoteSource, box=BOX, redshift=0.5)),
    Subject("out_1.list", lambda p: write_rockstar(p, found(), side=SIDE), LIST, True, NUMBERS),
    Subject("halo_info_000.asdf", halo_info, abacus, scaled=True),
    Subject(
        "CAMELS_train.hdf5", cosmobench, source(CosmoBenchSource, box=BOX), False, HDF5_CHANGES
    ),
    Subject("train_halos.npy", npy, source(PredecessorsSource, box=BOX)),
    Subject("points.ff", fastfood, source(FastFoodSource)),
    Subject("snap_004", lambda p: write_gadget_header(p, 1e5, 0.5), read_header_file),
    Subject("snap_004.hdf5", hdf5_snapshot, read_header_file, False, HDF5_CHANGES),
    Subject("table.csv", table, TABLE, True, NUMBERS),
    Subject("table.ecsv", table, TABLE, True, NUMBERS),
    Subject("table.fits", table, TABLE, scaled=True),
    Subject("table.parquet", table, TABLE, spread=ROWS),
    Subject("table.npy", table, TABLE),
    Subject("table.npz", table, TABLE, sealed=True),
    Subject("latin.txt", parameters, read_table_of_parameters, True, NUMBERS, renamed=True),
    Subject("survey.fits", survey, read_survey_file, spread=3, renamed=True),
    Subject("suite.h5", suite, read_suite, False, HDF5_CHANGES),
    Subject("fields.h5", suite_with_fields, read_suite_with_fields, False, HDF5_CHANGES),
    Subject("packed.h5", packed_suite, read_suite, False, HDF5_CHANGES, spread=16),
    Subject("one.h5", write_one, read_one, False, HDF5_CHANGES),
    Subject("one.fits", write_one, read_one, sealed=True),
    Subject("one.parquet", write_one, read_one),
    Subject("one.asdf", write_one, read_one, sealed=True),
    Subject("sky.fits", sky, read_sky_file, sealed=True),
    Subject("sky.h5", sky, read_sky_file, False, HDF5_CHANGES),
    Subject("sky.parquet", sky, read_sky_file),
    Subject("mask.fits", mask, read_mask_file),
)
"""All readers."""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "groups_090.hdf5": ("subfind",),
    "group_tab_004.0": ("quijote", "--box", "100", "--redshift", "0.5"),
    "out_1.list": ("rockstar",),
    "halo_info_000.asdf": ("abacus",),
    "CAMELS_train.hdf5": ("cosmobench", "--box", "100"),
    "train_halos.npy": ("npy", "--box", "100"),
    "points.ff": ("fastfood",),
    "table.csv": ("table", "--box", "100"),
    "table.fits": ("table", "--box", "100", "--cosmology", "h=0.9"),
    "table.parquet": ("table", "--box", "100"),
    "table.npz": ("table", "--box", "100"),
}
"""The command for the file of a subject, without input and output."""
