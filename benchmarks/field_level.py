"""Posteriors of a Thomas process by the whole field, by xi(r) alone, and by brute force.

Clouds with about 32 points have two parameters: members per cluster (2 to 8) and the clusters'
width (0.02 to 0.08 sides of the box); parents are such that the mean number stays. A small
diffusion is trained on them, and its evidence lower bound gives the posterior of held-out clouds on
a grid. Beside it, from simulations alone: those of the nearest summaries among many draws of the
prior (approximate Bayesian computation with summaries that predict the parameters, Fearnhead and
Prangle 2012, arXiv:1004.1112), by N and xi(r), and by N, xi(r) and distances to the nearest
neighbours, which is the most that brute force knows here.

For each: TARP over the held-out clouds, ranks, and widths in units of the prior's. The trained run
is kept in the folder and used again.

    python benchmarks/field_level.py --steps 6000 --held-out 200
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import matplotlib
import numpy as np
import tyro
from tqdm import tqdm

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.data.suite import write_suite
from galgen.data.toys import ThomasProcess
from galgen.experiment import Experiment
from galgen.generative import (
    Bridge,
    Exchange,
    LogitNormalTimes,
    NoisePrediction,
    Sampler,
    TorusDiffusion,
)
from galgen.generative.sampling.log_density import ByBound
from galgen.inference.calibration import plot_tarp, ranks_of, tarp
from galgen.inference.likelihood.field_level import FieldLevel
from galgen.inference.likelihood.profile import grid_posterior
from galgen.inference.priors.prior import uniform_prior
from galgen.networks import ParticleMesh
from galgen.plot_style import DOTS_PER_INCH, STYLE
from galgen.run import Run
from galgen.training import Trainer

RANGES = {"members": (2.0, 8.0), "width": (0.02, 0.08)}
MEAN_NUMBER = 32.0
EDGES = np.array([0.005, 0.02, 0.04, 0.07, 0.11, 0.17, 0.26])
NEIGHBORS = (1, 2, 4)
DRAWS = 99
BOX = (1.0, 1.0, 1.0)
LOW, HIGH = np.array(list(RANGES.values())).T


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is run."""

    folder: Path = Path("runs/thomas_field_level")
    """For the suite, the run and the figure."""
    clouds: int = 10_000
    """To train on."""
    steps: int = 6000
    """Of training."""
    held_out: int = 200
    """Clouds whose posteriors are judged."""
    simulations: int = 20_000
    """Draws of the prior for brute force."""
    accepted: int = 200
    """Nearest of them that make a posterior."""
    grid: int = 5
    """Conditions along each parameter."""
    replicas: int = 6
    """Noises."""
    evaluations: int = 16
    """Draws of time and noise in each."""


def clouds(number: int, seed: int) -> tuple[list[Catalogue], np.ndarray]:
    """Clouds of parameters drawn from the prior; ones of fewer than 10 points are drawn again."""
    rng = np.random.default_rng(seed)
    found: list[Catalogue] = []
    truths = []
    while len(found) < number:
        members, width = theta = rng.uniform(LOW, HIGH)
        process = ThomasProcess(MEAN_NUMBER / members, members, width)
        positions = process.sample(rng, 1)[0]
        if len(positions) < 10:
            continue
        columns = dict(zip("xyz", np.minimum(positions, np.float32(1 - 1e-7)).T, strict=True))
        found.append(Catalogue(columns, BOX, 0.0, {"members": members, "width": width}))
        truths.append(theta)
    return found, np.array(truths)


def summary(catalogue: Catalogue) -> np.ndarray:
    """ln N, ln(1 + xi) in bins, and log mean distances to the nearest neighbours."""
    x = catalogue.positions
    gap = x[:, None] - x[None]
    distance = np.sqrt(np.sum((gap - np.round(gap)) ** 2, axis=-1))
    number = len(x)
    pairs = np.histogram(distance[np.triu_indices(number, 1)], EDGES)[0]
    shells = 4 / 3 * np.pi * np.diff(EDGES**3)
    expected = number * (number - 1) / 2 * shells
    nearest = np.sort(distance, axis=1)[:, list(NEIGHBORS)]
    logs = np.log(nearest)
    return np.concatenate(
        [[np.log(number)], np.log((pairs + 0.5) / (expected + 0.5)), logs.mean(0), logs.std(0)]
    )


def brute_force(
    simulated: np.ndarray, truths: np.ndarray, observed: np.ndarray, accepted: int
) -> np.ndarray:
    """Draws of the prior whose predicted parameters are nearest to each observed prediction."""
    center, scale = simulated.mean(axis=0), simulated.std(axis=0)

    def design(values):
        z = (values - center) / scale
        products = [z[:, i] * z[:, j] for i in range(z.shape[1]) for j in range(i + 1)]
        return np.column_stack([np.ones(len(z)), z, *products])

    weights = np.linalg.lstsq(design(simulated), truths, rcond=None)[0]
    predicted, seen = design(simulated) @ weights, design(observed) @ weights
    unit = predicted.std(axis=0)
    draws = []
    for one in seen:
        near = np.argsort(np.sum(((predicted - one) / unit) ** 2, axis=1))[:accepted]
        # Shifted along the regression to what was seen (Beaumont et al. 2002).
        draws.append(np.clip(truths[near] + one - predicted[near], LOW, HIGH))
    return np.stack(draws)


def trained(settings: Settings) -> Run:
    """The run in the folder, trained now if it is not there."""
    suite, folder = settings.folder / "suite.h5", settings.folder / "run"
    if (folder / "experiment.json").exists():
        return Run.load(folder)
    settings.folder.mkdir(parents=True, exist_ok=True)
    write_suite(suite, clouds(settings.clouds, 0)[0], "train")
    experiment = Experiment(
        data=CatalogueDataset(suite, columns=("x", "y", "z"), condition=tuple(RANGES), buckets=2),
        network=ParticleMesh(32, 6, 2, k=10, radial=8, largest_mode=1, channels=2),
        model=Bridge(
            TorusDiffusion(sigma_min=0.004),
            prediction=NoisePrediction(),
            times=LogitNormalTimes(0.1, 1.2),
            exchange=Exchange(8),
        ),
        sampler=Sampler(steps=16),
        trainer=Trainer(
            steps=settings.steps, batch_size=16, learning_rate=3e-3, ema_decay=0.995, log_every=250
        ),
    )
    return experiment.train(folder)


def field_level(run: Run, observed: list[Catalogue], settings: Settings) -> np.ndarray:
    """Draws of the field-level posterior of every cloud, and a line on their noise printed."""
    field = FieldLevel.of(run, ByBound(settings.evaluations))
    ranges = run.encoding.condition_ranges
    draws, noise = [], []
    options = {"number": settings.grid, "replicas": settings.replicas, "batch": settings.grid**2}
    for i, cloud in enumerate(tqdm(observed, desc="field level")):
        found = grid_posterior(field, cloud, uniform_prior(ranges), seed=i, **options)
        draws.append(found.sample(np.random.default_rng(i), DRAWS))
        noise.append(found.mean_error / found.std)
    print(f"noise of the mean / width of the posterior, median: {np.median(noise, axis=0)}")
    return np.stack(draws)


def main(settings: Settings) -> None:
    """Run and print."""
    start = time.process_time()
    run = trained(settings)
    print(f"trained after {time.process_time() - start:.0f} CPU-s")
    observed, truths = clouds(settings.held_out, 1)
    simulations, parameters = clouds(settings.simulations, 2)
    simulated = np.stack([summary(c) for c in simulations])
    seen = np.stack([summary(c) for c in observed])
    bins = len(EDGES)
    posteriors = {"field level": field_level(run, observed, settings)}
    for name, columns in (("N and xi(r)", slice(bins)), ("brute force", slice(None))):
        summaries = simulated[:, columns], parameters, seen[:, columns]
        posteriors[name] = brute_force(*summaries, settings.accepted)
    rng = np.random.default_rng(0)
    prior_width = (HIGH - LOW) / np.sqrt(12)
    tests = {}
    print(f"{'posterior':14s} {'width / prior width':>22s} {'rms error / prior':>20s} TARP, ranks")
    for name, draws in posteriors.items():
        chosen = np.stack([d[rng.permutation(len(d))[:DRAWS]] for d in draws])
        test, ranks = tarp(chosen, truths), ranks_of(tuple(RANGES), chosen, truths)
        width = np.mean(draws.std(axis=1), axis=0) / prior_width
        error = np.sqrt(np.mean((draws.mean(axis=1) - truths) ** 2, axis=0)) / prior_width
        inside = "within" if test.within_band else "OUTSIDE"
        print(
            f"{name:14s} {width[0]:10.3f} {width[1]:10.3f} {error[0]:10.3f} {error[1]:9.3f}  "
            f"{inside} the 99% band ({test.distance:.3f} of {test.half_width:.3f}, "
            f"p={test.p_value:.2g}), ranks p={min(ranks.p_values.values()):.2g}"
        )
        tests[name] = test
    with matplotlib.rc_context(dict(STYLE)):
        figure = plot_tarp(list(tests.values()), list(tests))
        figure.savefig(settings.folder / "tarp.png", dpi=DOTS_PER_INCH)
    np.savez(settings.folder / "posteriors.npz", truths=truths, **posteriors)
    print(f"all after {time.process_time() - start:.0f} CPU-s")


if __name__ == "__main__":
    main(tyro.cli(Settings))
