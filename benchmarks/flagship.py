r"""The 5,000 heaviest haloes of 1 Gpc/h, drawn from fields over the Quijote prior, and simulated.

    python benchmarks/flagship.py measure runs/haloes_5000 runs/flagship --sets fiducial --number 40
    python benchmarks/flagship.py table runs/flagship

``measure`` simulates boxes of the embedded simulator, draws haloes on the same phases, and keeps
the statistics of both; what a stopped call has measured is kept, and the next goes on. ``table``
prints the means of the draws over those of the truth, with errors by jackknife over boxes: as
phases are shared, sample variance is in neither. The sets: ``fiducial``; ``low`` and ``high``, far
from it on two sides; ``prior``, one box at each of as many cosmologies. Compared as means,
variances of single boxes, covariances, and responses from ``low`` to ``high``.
"""

from __future__ import annotations

import dataclasses
import functools
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tyro

from galgen import Catalogue, Run, sample
from galgen.simulation import Cosmology, HaloSimulator, latin_hypercube, linear_field
from galgen.statistics import (
    bispectrum,
    counts_in_cells,
    equilateral,
    pairwise_velocity,
    power_spectrum,
    redshift_space_positions,
    squeezed,
    two_point_correlation,
)

BOX, MESH, NUMBER = 1000.0, 216, 5000
PRIOR = {
    "omega_m": (0.1, 0.5),
    "omega_b": (0.03, 0.07),
    "h": (0.5, 0.9),
    "n_s": (0.8, 1.2),
    "sigma_8": (0.6, 1.0),
}
FIXED = {
    "fiducial": Cosmology(),
    "low": Cosmology(0.15, 0.04, 0.8, 1.1, 0.68),
    "high": Cosmology(0.45, 0.06, 0.6, 0.9, 0.95),
}
SEEDS = {"fiducial": 100_000, "low": 200_000, "high": 300_000, "prior": 400_000}
K = np.array(
    [0.006, 0.0125, 0.02, 0.03, 0.045, 0.065, 0.08, 0.1, 0.125, 0.16, 0.2, 0.26, 0.32, 0.4, 0.5]
)
R = np.array([5, 7, 9, 11, 13.5, 17, 22, 28, 36, 46, 60, 80, 100, 120, 150.0])
B = np.array([0.01, 0.03, 0.05, 0.07, 0.09, 0.11, 0.13])
CELLS = (16, 32, 64, 125)
MASSES = np.array([1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 100.0])
"""In units of the least of the truth."""


def measured(catalogue: Catalogue, least: float) -> dict[str, np.ndarray]:
    """The statistics of one catalogue."""
    box, x = catalogue.box, catalogue.positions[None].astype(float)
    v = catalogue.velocities[None].astype(float)
    real = power_spectrum(x, None, box, 270, K, multipoles=(0,))
    triangles = [*equilateral(len(B) - 1), *squeezed(len(B) - 1)]
    pairs = pairwise_velocity(x, v, None, R, box)
    counts = [counts_in_cells(x, None, box, round(box[0] / side)) for side in CELLS]
    poles = []
    for axis in range(3):
        omega_m = catalogue.cosmology["omega_m"]
        s = redshift_space_positions(x, v, box, omega_m, catalogue.redshift, axis)
        one = power_spectrum(s, None, box, 270, K, multipoles=(0, 2, 4), line_of_sight=axis)
        poles.append(np.asarray(one.power)[0])
    redshifted = np.mean(poles, axis=0)
    ratio = catalogue.columns["mass"] / least
    return {
        "P0": np.asarray(real.power)[0, 0],
        "xi": np.asarray(two_point_correlation(x, None, R, box).xi)[0],
        "P0(s)": redshifted[0],
        "P2(s)": redshifted[1],
        "P4(s)": redshifted[2],
        "B": np.asarray(bispectrum(x, None, box, 128, B, triangles).bispectrum)[0],
        "variance of counts": np.array([float(c.variance[0, 0]) for c in counts]),
        "v12": np.asarray(pairs.velocity)[0],
        "sigma12": np.asarray(pairs.dispersion)[0],
        "velocity rms": np.array([np.sqrt(np.mean(v**2))]),
        "masses": np.histogram(ratio, MASSES)[0].astype(float),
    }


@dataclasses.dataclass(frozen=True)
class Measure:
    """Simulate, draw and measure.

    Attributes:
        run: folder or name of a trained model.
        folder: where statistics are kept.
        sets: which.
        number: boxes of each set.
    """

    run: tyro.conf.Positional[str]
    folder: tyro.conf.Positional[Path]
    sets: tuple[str, ...] = ("fiducial", "low", "high", "prior")
    number: int = 100

    def __call__(self) -> None:
        run = Run.load(self.run)
        simulator = HaloSimulator(BOX, MESH, mass_min=None, number_max=NUMBER)
        over_prior = latin_hypercube(PRIOR, 100, 77)
        seconds = {"simulated": 0.0, "drawn": 0.0, "measured": 0.0}
        done = 0
        for name in self.sets:
            for i in range(self.number):
                path = self.folder / name / f"{i:04d}.pickle"
                if path.exists():
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                cosmology = FIXED[name] if name in FIXED else over_prior[i]
                seed = SEEDS[name] + i
                if done == 1:  # what the first compiles is left out
                    seconds = dict.fromkeys(seconds, 0.0)
                start = time.process_time()
                truth = simulator.simulate(cosmology, seed)
                seconds["simulated"] += time.process_time() - start
                start = time.process_time()
                field = linear_field(cosmology, seed, BOX, MESH, simulator.field_points)
                condition = cosmology.as_mapping()
                (drawn,) = sample(run, [condition], fields=[field], seed=seed, points=NUMBER)
                seconds["drawn"] += time.process_time() - start
                start = time.process_time()
                least = float(truth.columns["mass"].min())
                both = {"truth": measured(truth, least), "draw": measured(drawn, least)}
                seconds["measured"] += time.process_time() - start
                draft = path.with_suffix(".draft")
                draft.write_bytes(pickle.dumps(both))
                draft.replace(path)
                done += 1
        costs = (f"{key} {value / max(done - 1, 1):.2f}" for key, value in seconds.items())
        print(f"{done} boxes; CPU-seconds each, without the first:", ", ".join(costs))


def gathered(folder: Path) -> dict[str, np.ndarray]:
    """Every statistic ``(boxes, 2, values)``, truth and draw."""
    boxes = [pickle.loads(path.read_bytes()) for path in sorted(folder.glob("*.pickle"))]
    return {
        name: np.array([[box[side][name] for side in ("truth", "draw")] for box in boxes])
        for name in boxes[0]["truth"]
    }


def jackknife(
    estimate: Callable[[np.ndarray], np.ndarray], number: int
) -> tuple[np.ndarray, np.ndarray]:
    """An estimate of all boxes and its error, from leaving out each."""
    every = np.arange(number)
    left_out = np.array([estimate(np.delete(every, i)) for i in every])
    error = np.sqrt((number - 1) * left_out.var(axis=0))
    return estimate(every), error


def ratio(values: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The mean of draws over that of truth."""
    truth, drawn = values[boxes].mean(axis=0)
    return drawn / truth


def response(low: np.ndarray, high: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """ln(high / low) of the truth, and that of draws less it."""
    truth, drawn = np.log(np.abs(high[boxes].mean(axis=0) / low[boxes].mean(axis=0)))
    return np.array([truth, drawn - truth])


def told(name: str, values: np.ndarray, errors: np.ndarray | None = None) -> None:
    print(f"  {name:20}", " ".join(f"{value:6.3f}" for value in np.ravel(values)))
    if errors is not None:
        print(f"  {'+-':>20}", " ".join(f"{value:6.3f}" for value in np.ravel(errors)))


@dataclasses.dataclass(frozen=True)
class Table:
    """Print what was measured.

    Attributes:
        folder: of ``measure``.
    """

    folder: tyro.conf.Positional[Path]

    def __call__(self) -> None:
        measured_in = sorted({path.parent for path in self.folder.glob("*/*.pickle")})
        sets = {folder.name: gathered(folder) for folder in measured_in}
        print("k", *(f"{k:.3f}" for k in (K[1:] + K[:-1]) / 2))
        print("r", *(f"{r:.1f}" for r in (R[1:] + R[:-1]) / 2))
        for title, found in sets.items():
            number = len(found["P0"])
            print(f"\n{title}, {number} boxes: draw over truth")
            for name, values in found.items():
                each = values.sum(axis=2, keepdims=True) if name == "B" else values
                told(name, *jackknife(functools.partial(ratio, each), number))
                if name == "P0(s)":
                    total = values + BOX**3 / NUMBER
                    told("  with shot noise", total[:, 1].mean(0) / total[:, 0].mean(0))
            p = found["P0"]
            spread = p.std(axis=0, ddof=1)
            told("spread of P0", spread[1] ** 2 / spread[0] ** 2)
            print(f"  {'median':>20} {np.median(spread[1] ** 2 / spread[0] ** 2):.3f}")
            wide = np.concatenate([found["P0(s)"][..., :11], found["P2(s)"][..., :11]], axis=2)
            upper = np.triu_indices(wide.shape[2], 1)
            each = [np.corrcoef(wide[:, side].T)[upper] for side in range(2)]
            noise = np.sqrt(np.mean([(1 - e**2) ** 2 for e in each]) * 2 / (number - 1))
            print(
                f"  correlation coefficients of P0 and P2: rms difference "
                f"{np.std(each[1] - each[0]):.3f}, of noise of two sets apart {noise:.3f}"
            )
        if {"low", "high"} <= set(sets):
            print("\nresponse ln(high / low): truth, draw less truth, its error")
            for name in ("P0", "xi", "v12", "velocity rms"):
                low, high = sets["low"][name], sets["high"][name]
                number = min(len(low), len(high))
                value, error = jackknife(functools.partial(response, low, high), number)
                told(name, value[0])
                told("difference", value[1], error[1])


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"measure": Measure, "table": Table})()
