r"""Haloes drawn from linear fields, against N-body haloes and simulations of the same phases.

    python benchmarks/field.py prepare ../shared/data/nbody runs
    galgen train haloes_field --run runs/haloes_nbody --data.path runs/nbody_train.h5 \
        --data.minimum-masses 0 1.5e14
    python benchmarks/field.py judge runs/haloes_nbody runs/nbody_test.h5 --draws 4
    python benchmarks/field.py judge runs/haloes_nbody runs/nbody_test.h5 --minimum-mass 1.5e14
    python benchmarks/field.py judge runs/haloes_nbody runs/nbody_large.h5 --draws 4

``prepare`` writes suites with fields from ``nbody_train.npz``, ``nbody_test.npz`` and
``nbody_large.npz``, whose phases are white noise of ``jax.random.key(seed)``. ``judge`` draws on
the field of every catalogue of a suite and prints generated over true, with its error: truth on a
field is one more draw on it, so the error of a box is the scatter of the draws, pooled over boxes,
times sqrt(1 + 1 / draws). A suite without a split ``test`` is judged whole.
"""

import argparse
import dataclasses
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from galgen import Catalogue, Run, Suite, sample, write_suite
from galgen.simulation import Cosmology, HaloSimulator, linear_field
from galgen.statistics import (
    counts_in_cells,
    cross_power_spectrum,
    pairwise_velocity,
    power_spectrum,
    redshift_space_positions,
    two_point_correlation,
)

K = np.array([0.02, 0.03, 0.045, 0.06, 0.08, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25, 0.3, 0.35, 0.4])
R = np.array([1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 26, 33, 41, 60, 80, 95, 105, 115, 130.0])
CELLS = (8, 16, 32, 64)
MASSES = np.array([1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0])
"""In units of the least."""


def prepare(source: Path, folder: Path) -> None:
    """Suites with fields."""
    for name in ("nbody_train", "nbody_test", "nbody_large"):
        catalogues, fields = [], []
        with np.load(source / f"{name}.npz") as data:
            box, points = float(data["box"]), int(data["particles"])
            for i, (row, seed) in enumerate(zip(data["th"], data["seeds"], strict=True)):
                rows = slice(*data["offsets"][i : i + 2])
                cosmology = Cosmology(*map(float, row))
                key = jax.random.key(int(seed))
                noise = np.asarray(jax.random.normal(key, (points,) * 3, np.float32))
                positions = np.mod(data["pos"][rows].astype(float), box)
                columns = dict(zip("xyz", (positions % box).T, strict=True))
                columns |= dict(zip(("vx", "vy", "vz"), data["vel"][rows].T, strict=True))
                columns["mass"] = data["mass"][rows]
                known = cosmology.as_mapping()
                catalogues.append(Catalogue(columns, (box,) * 3, cosmology=known))
                fields.append(linear_field(cosmology, noise, box, points))
        count = len(catalogues)
        splits = ["train"] * 34 + ["validation"] * 6 if name == "nbody_train" else ["test"] * count
        write_suite(folder / f"{name}.h5", catalogues, splits, fields)
        print(f"{name}: {count} boxes, {sum(map(len, catalogues))} haloes", flush=True)


def measured(catalogue: Catalogue, minimum_mass: float) -> dict[str, np.ndarray]:
    """The statistics of one catalogue."""
    box, x = catalogue.box, catalogue.positions[None].astype(float)
    v = catalogue.velocities[None].astype(float)
    mesh = 2 * round(box[0] * 0.256)
    reach = R[box[0] / 2.01 > R]
    real = power_spectrum(x, None, box, mesh, K, multipoles=(0,))
    xi = two_point_correlation(x, None, reach, box)
    pairs = pairwise_velocity(x, v, None, reach, box)
    counts = [counts_in_cells(x, None, box, round(box[0] / side)) for side in CELLS]
    spread = [float(c.variance[0, 0] / c.average[0, 0]) for c in counts]
    poles = []
    for axis in range(3):
        omega_m = catalogue.cosmology["omega_m"]
        s = redshift_space_positions(x, v, box, omega_m, catalogue.redshift, axis)
        one = power_spectrum(s, None, box, mesh, K, multipoles=(0, 2), line_of_sight=axis)
        poles.append(np.asarray(one.power)[0])
    monopole, quadrupole = np.mean(poles, axis=0)
    ratio = catalogue.columns["mass"] / minimum_mass
    return {
        "N": np.array([float(x.shape[1])]),
        "P0": np.asarray(real.power)[0, 0],
        "xi": np.asarray(xi.xi)[0],
        "var/mean": np.array(spread),
        "P0(s)": monopole,
        "P2(s)": quadrupole,
        "v12": np.asarray(pairs.velocity)[0],
        "sigma12": np.asarray(pairs.dispersion)[0],
        "masses": np.histogram(ratio, MASSES)[0].astype(float),
        "v rms": np.array([np.sqrt(np.mean(v**2))]),
    }


def correlation(one: Catalogue, other: Catalogue) -> np.ndarray:
    """r(k) of two catalogues, shot noise in both."""
    a, b = (c.positions[None].astype(float) for c in (one, other))
    box, mesh = one.box, 2 * round(one.box[0] * 0.256)
    between = cross_power_spectrum(a, None, b, None, box, mesh, K, multipoles=(0,))
    own = [power_spectrum(p, None, box, mesh, K, multipoles=(0,)).raw_power[0, 0] for p in (a, b)]
    return np.asarray(between.raw_power[0, 0]) / np.sqrt(np.asarray(own[0]) * np.asarray(own[1]))


def cut(catalogue: Catalogue, minimum_mass: float) -> Catalogue:
    return catalogue.select(catalogue.columns["mass"] >= minimum_mass)


@dataclasses.dataclass
class Tally:
    """Of one statistic: truth, mean of the draws and their variance, for each box."""

    truth: list[np.ndarray] = dataclasses.field(default_factory=list)
    mean: list[np.ndarray] = dataclasses.field(default_factory=list)
    variance: list[np.ndarray] = dataclasses.field(default_factory=list)

    def ratio(self, draws: int) -> tuple[np.ndarray, np.ndarray]:
        total = np.sum(self.truth, axis=0)
        error = np.sqrt(np.sum(self.variance, axis=0) * (1 + 1 / draws))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sum(self.mean, axis=0) / total, error / np.abs(total)


def told(values: np.ndarray) -> str:
    return " ".join(f"{value:6.3f}" for value in np.ravel(values))


def judge(args: argparse.Namespace) -> None:
    run, suite = Run.load(args.run), Suite(args.suite)
    usual = "test" if "test" in suite.splits else None
    split = args.split or usual
    chosen = suite.indices(split) if split else np.arange(len(suite))
    tallies: dict[str, Tally] = {}
    with_truth, with_other, seconds = [], [], []
    for index in chosen[: args.boxes].tolist():
        truth, field = suite[index], suite.field(index)
        least = args.minimum_mass or float(truth.columns["mass"].min())
        truth = cut(truth, least)
        condition = Cosmology.of(truth.cosmology).as_mapping() | {"minimum_mass": least}
        start = time.process_time()
        drawn = sample(run, [condition] * args.draws, fields=[field] * args.draws, seed=args.seed)
        seconds.append((time.process_time() - start) / args.draws)
        found = [measured(one, least) for one in drawn]
        for name, value in measured(truth, least).items():
            tally = tallies.setdefault(name, Tally())
            each = np.array([one[name] for one in found])
            tally.truth.append(value)
            tally.mean.append(each.mean(axis=0))
            tally.variance.append(each.var(axis=0, ddof=1))
        with_truth.append(np.mean([correlation(one, truth) for one in drawn], axis=0))
        with_other.append(correlation(drawn[0], drawn[1]))
        numbers = " ".join(str(len(one)) for one in drawn)
        print(f"box {index}: {len(truth)} haloes, drawn {numbers}", flush=True)
    print("k       ", told((K[1:] + K[:-1]) / 2))
    print("r       ", told((R[1:] + R[:-1]) / 2))
    result: dict[str, object] = {}
    for name, tally in tallies.items():
        ratio, error = tally.ratio(args.draws)
        print(f"{name:8}", told(ratio), "\n     +- ", told(error))
        result[name] = {"ratio": ratio.tolist(), "error": error.tolist()}
    print("r(k) with truth ", told(np.mean(with_truth, axis=0)))
    print("r(k) of two     ", told(np.mean(with_other, axis=0)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print("CPU-seconds a draw, the first with compilation:", told(np.array(seconds)))
    print(f"memory at most {peak:.1f} GiB")
    if args.output:
        result["r(k)"] = [np.mean(each, axis=0).tolist() for each in (with_truth, with_other)]
        args.output.write_text(json.dumps(result, indent=1))


def spectra(file: Path, number: int, made: Callable[[int], Catalogue]) -> np.ndarray:
    """P0 of catalogues, kept in a file, so that a stopped call goes on."""
    known = list(np.load(file)) if file.exists() else []
    for seed in range(len(known), number):
        one = made(seed)
        x, mesh = one.positions[None].astype(float), 2 * round(one.box[0] * 0.256)
        known.append(
            np.asarray(power_spectrum(x, None, one.box, mesh, K, multipoles=(0,)).power)[0, 0]
        )
        np.save(file, np.array(known))
    return np.array(known[:number])


def covariance(args: argparse.Namespace) -> None:
    """Of P0, of draws on fresh fields and of simulations."""
    run, cosmology = Run.load(args.run), Cosmology()
    simulator = HaloSimulator(args.box, 2 * round(args.box / 4), mass_min=3e13)
    condition = cosmology.as_mapping() | {"minimum_mass": simulator.mass_min}
    start = time.process_time()
    args.folder.mkdir(parents=True, exist_ok=True)
    true = spectra(
        args.folder / "simulated.npy", args.number, lambda seed: simulator.simulate(cosmology, seed)
    )
    print(f"simulated, {time.process_time() - start:.0f} CPU-s", flush=True)
    start = time.process_time()
    drawn = spectra(
        args.folder / "drawn.npy",
        args.number,
        lambda seed: sample(run, [condition], box=args.box, seed=seed)[0],
    )
    print(f"drawn, {time.process_time() - start:.0f} CPU-s")
    print("k       ", told((K[1:] + K[:-1]) / 2))
    n = args.number
    error = np.sqrt(sum(p.var(axis=0, ddof=1) / n for p in (true, drawn))) / true.mean(axis=0)
    print("mean    ", told(drawn.mean(axis=0) / true.mean(axis=0)), "\n     +- ", told(error))
    print("variance", told(drawn.var(axis=0) / true.var(axis=0)))
    print(f"     +-  {np.sqrt(4 / (n - 1)):.3f}")
    upper = np.triu_indices(true.shape[1], 1)
    found = [np.corrcoef(p.T)[upper] for p in (true, drawn)]
    difference = found[1] - found[0]
    noise = np.sqrt(np.mean(sum((1 - r**2) ** 2 for r in found)) / (n - 1))
    print(f"correlation coefficients: rms difference {difference.std():.3f}, of noise {noise:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    first = commands.add_parser("prepare")
    first.add_argument("source", type=Path)
    first.add_argument("folder", type=Path)
    first.set_defaults(run_command=lambda args: prepare(args.source, args.folder))
    second = commands.add_parser("judge")
    second.add_argument("run", type=Path)
    second.add_argument("suite", type=Path)
    second.add_argument("--minimum-mass", type=float, default=0.0)
    second.add_argument("--draws", type=int, default=4)
    second.add_argument("--split")
    second.add_argument("--boxes", type=int)
    second.add_argument("--seed", type=int, default=0)
    second.add_argument("--output", type=Path)
    second.set_defaults(run_command=judge)
    third = commands.add_parser("covariance")
    third.add_argument("run", type=Path)
    third.add_argument("folder", type=Path)
    third.add_argument("--number", type=int, default=200)
    third.add_argument("--box", type=float, default=512.0)
    third.set_defaults(run_command=covariance)
    args = parser.parse_args()
    args.run_command(args)


if __name__ == "__main__":
    main()
