"""Raw files written by hand to their published layouts, for the tests of ``data_prep``."""

import struct
from pathlib import Path

import h5py
import numpy as np

SHARED = Path(__file__).parents[2] / "shared" / "data"


def haloes(number=400, side=100.0, speed=250.0, seed=0):
    """Positions [Mpc/h], velocities [km/s] and masses [Msun/h] of uniform haloes."""
    rng = np.random.default_rng(seed)
    return {
        "position": rng.uniform(0, side, (number, 3)).astype(np.float32),
        "velocity": rng.normal(0, speed, (number, 3)).astype(np.float32),
        "mass": (10 ** rng.uniform(12, 14.5, number)).astype(np.float32),
    }


def write_group_tab(folder, found, redshift, files=1, order="<", width=0, snapshot=4, header=None):
    """Friends-of-friends groups in the layout of readfof: one file or more.

    Args:
        folder: made, and named groups_<snapshot>.
        found: haloes.
        redshift: of the snapshot.
        files: number of files.
        order: byte order of groups.
        width: bytes more per group (star formation and types).
        snapshot: its number.
        header: byte order of the header, if not that of groups.
    """
    place = folder / f"groups_{snapshot:03d}"
    place.mkdir(parents=True)
    total = len(found["mass"])
    for number, rows in enumerate(np.array_split(np.arange(total), files)):
        lengths = np.full(len(rows), 50)
        head = np.zeros(1, [(n, (header or order) + c) for n, c in zip("abcde", HEAD, strict=True)])
        head[0] = (len(rows), total, lengths.sum(), 50 * total, files)
        types = np.zeros((len(rows), 6))
        types[:, 1] = lengths
        blocks = [
            (lengths, "i4"),
            (np.cumsum(lengths) - lengths, "i4"),
            (found["mass"][rows] / 1e10, "f4"),
            (found["position"][rows] * 1e3, "f4"),
            (found["velocity"][rows] / (1 + redshift), "f4"),
            (types, "i4"),
            (types * 2, "f4"),
            (np.zeros(len(rows) * width // 4), "f4"),
        ]
        content = head.tobytes() + b"".join(v.astype(order + c).tobytes() for v, c in blocks)
        (place / f"group_tab_{snapshot:03d}.{number}").write_bytes(content)
    return place


HEAD = ("i4", "i4", "i4", "u8", "u4")


def write_subfind(folder, found, redshift=0.0, side=100.0, files=1, length=1e3, name="groups_090"):
    """A group catalogue in the layout of AREPO, with field names of CAMELS; as many subhaloes."""
    folder.mkdir(parents=True, exist_ok=True)
    a, total = 1 / (1 + redshift), len(found["mass"])
    for number, rows in enumerate(np.array_split(np.arange(total), files)):
        suffix = f".{number}.hdf5" if files > 1 else ".hdf5"
        with h5py.File(folder / (name + suffix), "w") as file:
            header = file.create_group("Header").attrs
            header["BoxSize"], header["Redshift"], header["Time"] = side * length, redshift, a
            header["Omega0"], header["OmegaLambda"], header["HubbleParam"] = 0.3, 0.7, 0.6711
            header["NumFiles"] = np.int32(files)
            for kind in ("Ngroups", "Nsubgroups"):
                header[f"{kind}_ThisFile"] = np.int32(len(rows))
                header[f"{kind}_Total"] = np.int32(total)
            x, v = found["position"][rows] * np.float32(length), found["velocity"][rows]
            file["Group/GroupPos"], file["Group/GroupVel"] = x, v * np.float32(a)
            file["Group/GroupMass"] = found["mass"][rows] / np.float32(1e10)
            file["Group/Group_M_Crit200"] = found["mass"][rows] / np.float32(2e10)
            file["Subhalo/SubhaloPos"], file["Subhalo/SubhaloVel"] = x, v
            file["Subhalo/SubhaloMass"] = found["mass"][rows] / np.float32(1e10)
            types = np.outer(found["mass"][rows] / np.float32(1e10), [0, 0.8, 0, 0, 0.2, 0])
            file["Subhalo/SubhaloMassType"] = types.astype(np.float32)
    return folder / (name + (".0.hdf5" if files > 1 else ".hdf5"))


def write_rockstar(path, found, a=0.5, side=100.0, pid=None):
    """``out_*.list`` of Rockstar."""
    lines = [
        "#ID DescID Mvir Vmax Vrms Rvir Rs Np X Y Z VX VY VZ PID",
        f"#a = {a:.6f}",
        "#Om = 0.300000; Ol = 0.700000; h = 0.680000",
        "#FOF linking length: 0.280000",
        "#Particle mass: 1.35e+08 Msun/h",
        f"#Box size: {side:.6f} Mpc/h",
        "#Units: Masses in Msun / h",
    ]
    for i, mass in enumerate(found["mass"]):
        x, v = found["position"][i], found["velocity"][i]
        parent = -1 if pid is None else pid[i]
        numbers = [i, -1, mass, 100, 90, 300, 20, 50, *x, *v, parent]
        lines.append(" ".join(repr(float(n)) if n % 1 else str(int(n)) for n in numbers))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_gadget_header(path, side, redshift, second=False, order="<"):
    """The beginning of a binary snapshot, format 1 or 2."""
    fields = [("npart", "i4", 6), ("mass", "f8", 6), ("time", "f8"), ("redshift", "f8")]
    fields += [("flags", "i4", 2), ("total", "u4", 6), ("cooling", "i4"), ("files", "i4")]
    fields += [("box", "f8"), ("omega_m", "f8"), ("omega_l", "f8"), ("h", "f8"), ("rest", "u1", 96)]
    kind = np.dtype([(name, order + code, *shape) for name, code, *shape in fields])
    assert kind.itemsize == 256
    head = np.zeros(1, kind)
    head["time"], head["redshift"], head["box"] = 1 / (1 + redshift), redshift, side
    head["omega_m"], head["omega_l"], head["h"] = 0.3175, 0.6825, 0.6711

    def length(number):
        return np.array(number, order + "u4").tobytes()

    label = length(8) + b"HEAD" + length(264) + length(8) if second else b""
    path.write_bytes(label + length(256) + head.tobytes() + length(256) + bytes(300))
    return path


def write_cosmobench(path, clouds, suite, parameters):
    """Clouds in the layout that the benchmark's loaders read."""
    with h5py.File(path, "w") as file:
        for number, found in enumerate(clouds):
            group = file.create_group(f"{suite}/{suite}_{number}")
            for axis, name in enumerate("XYZ"):
                group[name] = found["position"][:, axis]
                group[f"V{name}"] = found["velocity"][:, axis]
        for name, values in parameters.items():
            file[f"params/{name}"] = values
    return path


def write_fastfood(path, columns, side, redshift=0.5, dtype=np.float32):
    """A catalogue in Corrfunc's layout."""
    points = len(columns["x"])
    records = [
        np.array([0, points, 0, 0, 0], np.int32),
        np.array([side, *[0] * 8], np.float32),
        np.array([redshift], np.float32),
        *[columns[name].astype(dtype) for name in "xyz"],
    ]
    content = b""
    for record in records:
        length = np.int32(record.nbytes).tobytes()
        content += length + record.tobytes() + length
    path.write_bytes(content)


ABACUS = {
    "BoxSize": 100.0,
    "BoxSizeHMpc": 100.0,
    "VelZSpace_to_kms": 5000.0,
    "ParticleMassHMsun": 1e10,
    "Redshift": 0.5,
    "Omega_M": 0.315,
    "H0": 67.36,
    "SimName": "Mini",
}


def write_halo_info(path, found, header=ABACUS):
    """Haloes of CompaSO, blocks in several pieces of Blosc; needs asdf and blosc."""
    import asdf
    import blosc

    class Writer(asdf.extension.Compressor):
        label = b"blsc"

        def compress(self, data, **options):
            content = bytes(data)
            for start in range(0, len(content), 4096):
                piece = blosc.compress(content[start : start + 4096], typesize=4, cname="zstd")
                yield struct.pack("!I", len(piece)) + piece

    class WriterExtension(asdf.extension.Extension):
        extension_uri = "asdf://galgen/tests/blosc-1.0.0"
        compressors = (Writer(),)

    side, speed = header["BoxSizeHMpc"], header["VelZSpace_to_kms"]
    data = {
        "x_L2com": found["position"] / np.float32(side) - np.float32(0.5),
        "v_L2com": found["velocity"] / np.float32(speed),
        "N": np.rint(found["mass"] / header["ParticleMassHMsun"]).astype(np.uint32),
    }
    data |= {name: found[name] for name in ("id",) if name in found}
    path.parent.mkdir(parents=True, exist_ok=True)
    with asdf.config_context() as config:
        config.add_extension(WriterExtension())
        asdf.AsdfFile({"data": data, "header": header}).write_to(path, all_array_compression="blsc")
    return path
