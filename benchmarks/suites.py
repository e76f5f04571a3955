"""Suites at scale: opening, reading at random, and writing, in time and memory.

    python benchmarks/suites.py

A suite of 100,000 catalogues of 5,000 points in seven float32 columns is 14 GB. Its header is
written in full and its columns are left sparse (holes that read as zeros), so that it takes a few
megabytes of disk; a suite of 2,000 such catalogues, 280 MB, is written for real. Memory after reads
has mapped pages in it, which the system takes back when it needs them. About a minute.
"""

import json
import resource
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, SuiteWriter

CATALOGUES, POINTS, REAL, READS = 100_000, 5_000, 2_000, 1_000
COLUMNS = ("x", "y", "z", "vx", "vy", "vz", "mass")


def catalogue(points: int, seed: int) -> Catalogue:
    """One of uniform points."""
    values = np.random.default_rng(seed).random((len(COLUMNS), points), dtype=np.float32)
    return Catalogue(
        dict(zip(COLUMNS, values, strict=True)),
        (1.0, 1.0, 1.0),
        cosmology={"omega_m": 0.3, "sigma_8": 0.8},
        provenance={"source": f"{seed}.hdf5", "source sha256": "0" * 64},
    )


def write_header(path: Path) -> None:
    """A suite of many catalogues whose points are all zero and take no space."""
    with SuiteWriter(path) as writer:
        for seed in range(CATALOGUES):
            writer.add(catalogue(0, seed), "train" if seed % 5 else "test")
    with h5py.File(path, "r+") as file:
        for name in COLUMNS:
            unit = file[f"columns/{name}"].attrs["unit"]
            del file[f"columns/{name}"]
            file.create_dataset(f"columns/{name}", (CATALOGUES * POINTS,), np.float32)
            # The last value allots the column.
            file[f"columns/{name}"][-1] = 0
            file[f"columns/{name}"].attrs["unit"] = unit
        file["offsets"][...] = np.arange(CATALOGUES + 1) * POINTS


def memory() -> float:
    """Resident memory of this process [MB], mapped pages included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure(path: Path) -> dict[str, float]:
    """Seconds to open and per random read, and memory that both took."""
    before, start = memory(), time.perf_counter()
    with Suite(path) as suite:
        opened = time.perf_counter()
        held = memory() - before
        for index in np.random.default_rng(0).integers(0, len(suite), READS):
            assert len(suite[int(index)]) == POINTS
        read = (time.perf_counter() - opened) / READS
        return {
            "catalogues": len(suite),
            "GB": path.stat().st_size / 1e9,
            "open [ms]": 1e3 * (opened - start),
            "random read [ms]": 1e3 * read,
            "memory after opening [MB]": held,
            f"memory after {READS} reads [MB]": memory() - before,
        }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "suite.h5"
        write_header(path)
        print(json.dumps(measure(path), indent=1))
        before, start = memory(), time.perf_counter()
        examples = [catalogue(POINTS, seed) for seed in range(8)]
        with SuiteWriter(path) as writer:
            for seed in range(REAL):
                writer.add(examples[seed % 8])
        seconds = time.perf_counter() - start
        size = path.stat().st_size / 1e6
        print(
            f"written {size:.0f} MB at {size / seconds:.0f} MB/s, memory {memory() - before:.0f} MB"
        )
        print(json.dumps(measure(path), indent=1))


if __name__ == "__main__":
    main()
