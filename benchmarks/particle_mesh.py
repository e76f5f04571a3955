"""The particle-mesh simulator against N-body runs of the same phases, and peak patches against it.

    python benchmarks/particle_mesh.py ../shared/data --boxes 45 --large

The folder holds ``nbody/nbody_train.npz``, ``nbody_test.npz`` and ``nbody_large.npz`` (boxes of
500 and 1,000 Mpc/h with their phases) and ``halos/nbody_fof_fiducial.npz``. Their phases are white
noise of ``jax.random.key(seed)``. A box of 500 takes 16 CPU-seconds on one core, one of 1,000 some
160 and 6 GB: run it with ``taskset -c 0`` for the cost of one core.
"""

import argparse
import resource
import time
from pathlib import Path

import jax
import numpy as np
from scipy.spatial import cKDTree

from galgen.data.catalogue import Catalogue
from galgen.simulation import Cosmology, HaloSimulator, LinearPower, ParticleMeshSimulator
from galgen.simulation.initial_field import LinearField, field_of_noise
from galgen.statistics import cross_power_spectrum, power_spectrum, two_point_correlation

PARTICLE_EDGES = np.array([20, 25, 30, 40, 60, 100, 200, np.inf])
K_EDGES = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
MESH = 256
R_EDGES = np.array([3.0, 5.0, 8.0, 12.0, 18.0, 25.0, 40.0])


def phases(cosmology: Cosmology, seed: int, points: int, box: float) -> LinearField:
    """The linear field of a box of the suite."""
    noise = np.asarray(jax.random.normal(jax.random.key(int(seed)), (points,) * 3, np.float32))
    return field_of_noise(LinearPower(cosmology), box, noise)


def boxes(path: Path) -> list[tuple[Cosmology, int, int, Catalogue]]:
    """Cosmology, seed, particles per side and haloes of every box of a file."""
    with np.load(path) as data:
        single = "offsets" not in data
        offsets = [0, len(data["pos"])] if single else data["offsets"]
        box = 1000.0 if single else float(data["box"])
        particles = 256 if single else int(data["particles"])
        seeds = [0] if single else data["seeds"]
        table = np.atleast_2d(data["th"])
        found = []
        for i, (row, seed) in enumerate(zip(table, seeds, strict=True)):
            rows = slice(*offsets[i : i + 2])
            columns = dict(zip("xyz", data["pos"][rows].astype(float).T % box, strict=True))
            columns |= dict(zip(("vx", "vy", "vz"), data["vel"][rows].astype(float).T, strict=True))
            columns["mass"] = data["mass"][rows].astype(float)
            haloes = Catalogue(columns, (box,) * 3)
            found.append((Cosmology(*map(float, row)), int(seed), particles, haloes))
    return found


def compare(theirs: Catalogue, ours: Catalogue, particle_mass: float) -> dict[str, np.ndarray]:
    """Halo by halo: what of theirs is near one of ours, and how alike the two are."""
    tree = cKDTree(ours.positions, boxsize=ours.box[0])
    distance, nearest = tree.query(theirs.positions)
    near = distance < 1.0
    ratio = ours.columns["mass"][nearest[near]] / theirs.columns["mass"][near]
    difference = ours.velocities[nearest[near]] - theirs.velocities[near]
    counts = [
        np.histogram(np.rint(c.columns["mass"] / particle_mass), PARTICLE_EDGES)[0]
        for c in (ours, theirs)
    ]
    return {
        "haloes": np.array([len(ours), len(theirs)]),
        "near": np.array(near.mean()),
        "distance": np.array(np.median(distance)),
        "mass": np.array([np.median(ratio), np.log(ratio).std()]),
        "velocity": np.array([difference.std(), theirs.velocities.std()]),
        "counts": np.array(counts),
    }


def clustering(first: Catalogue, second: Catalogue) -> dict[str, np.ndarray]:
    """P and xi of the first over the second, r(k) between them, rms of velocities."""
    x = [c.positions[None].astype(np.float32) for c in (first, second)]
    box = first.box
    power = [np.asarray(power_spectrum(p, None, box, MESH, K_EDGES, (0,)).power[0, 0]) for p in x]
    cross = cross_power_spectrum(x[0], None, x[1], None, box, MESH, K_EDGES, (0,)).power[0, 0]
    noise = [box[0] ** 3 / len(c) for c in (first, second)]
    raw = [p + n for p, n in zip(power, noise, strict=True)]
    xi = [np.asarray(two_point_correlation(p, None, R_EDGES, box).xi[0]) for p in x]
    return {
        "power": power[0] / power[1],
        "r": np.asarray(cross) / np.sqrt(raw[0] * raw[1]),
        "xi": xi[0] / xi[1],
        "velocities": np.array([c.velocities.std() for c in (first, second)]),
    }


def show(name: str, rows: list[dict[str, np.ndarray]]) -> None:
    """Means over boxes, and their scatter."""
    print(name, f"({len(rows)} boxes)", flush=True)
    for key in rows[0]:
        values = np.array([row[key] for row in rows], float)
        if key == "counts":
            sums = values.sum(axis=0)
            print("  counts, ours / theirs", np.round(sums[0] / sums[1], 4), sums[1])
            continue
        spread = f", box to box {np.round(values.std(axis=0), 4)}" if len(rows) > 1 else ""
        print(f"  {key:10s} {np.round(values.mean(axis=0), 4)}{spread}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--boxes", type=int, default=4, help="of each file of small boxes")
    parser.add_argument("--large", action="store_true", help="the boxes of 1 Gpc/h too")
    arguments = parser.parse_args()
    nbody = arguments.data / "nbody"
    files = [nbody / "nbody_test.npz", nbody / "nbody_train.npz"]
    if arguments.large:
        files += [nbody / "nbody_large.npz", arguments.data / "halos" / "nbody_fof_fiducial.npz"]
    for path in files:
        matched, measured, patches = [], [], []
        for cosmology, seed, particles, theirs in boxes(path)[: arguments.boxes]:
            box = theirs.box[0]
            simulator = ParticleMeshSimulator(box, particles)
            field = phases(cosmology, seed, particles, box)
            start = time.process_time()
            ours = simulator.haloes_of(field, cosmology)
            cost = time.process_time() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            row = compare(theirs, ours, simulator.particle_mass(cosmology))
            matched.append(row)
            print(
                f"{path.name} {seed}: {cost:.1f} CPU-s, {peak:.2f} GiB at most, "
                f"{len(ours)} / {len(theirs)} haloes, {row['near']:.4f} of theirs near ours",
                flush=True,
            )
            measured.append(clustering(ours, theirs))
            mesh = particles * 5 // 4
            peaks = HaloSimulator(box, mesh, number_max=len(ours))
            generator = np.random.default_rng(0)
            other = peaks.haloes_of(field.resampled(mesh), cosmology, generator)
            patches.append(clustering(other, ours))
        show(f"{path.name}, halo by halo", matched)
        show(f"{path.name}, ours over theirs", measured)
        show(f"{path.name}, peak patches over ours", patches)


if __name__ == "__main__":
    main()
