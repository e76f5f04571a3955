"""Two parameters of a Thomas process: posteriors from the cloud, from xi(r), and by brute force.

Clouds in a periodic box of 100 Mpc/h have parents of density kappa and children displaced by sigma;
each parent has six children on average. kappa and sigma are uniform between bounds. Two neural
posteriors are trained on the same clouds, one of the whole cloud by a pooled graph network, one of
ln N and the pairs in ten bins. On held-out clouds:

    TARP     largest distance of coverage from credibility, and its p-value; the band of 99%
    -log q   mean over held-out clouds at the true parameters, in nats of standardised parameters:
             lower is tighter, and by how much it is says how many nats the cloud tells more
    width    mean posterior deviation of each parameter over that of the prior

Brute force is rejection: of many simulated clouds those whose summaries (ln N and the pairs, less
noisy in four bins) are nearest the observed ones keep their parameters. It is exact but for the
summaries and the distance, so it can only be wider than the posterior of the cloud.

    python benchmarks/thomas_posterior.py
    python benchmarks/thomas_posterior.py --clouds 1000 --steps 300 --held-out 100
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset, Dataset
from galgen.data.suite import write_suite
from galgen.data.toys import ThomasProcess
from galgen.evaluation import Evaluation
from galgen.experiment import Experiment
from galgen.inference.calibration import tarp
from galgen.inference.neural.amortized import sample_posterior
from galgen.inference.neural.catalogue_batches import catalogue_batches
from galgen.inference.neural.neural_posterior import NeuralPosterior
from galgen.inference.neural.posterior_head import FlowHead, posterior_flow
from galgen.inference.neural.summaries import SummaryDataset
from galgen.inference.neural.vectors import Parameters
from galgen.measurements.counts import Joint, LogNumber
from galgen.measurements.pairs import LogCorrelation
from galgen.networks import GraphNetwork, PooledNetwork, VectorNetwork
from galgen.run import Run
from galgen.training import Trainer
from galgen.types import Batch

SIDE = 100.0
CHILDREN = 6.0
NAMES = ("kappa", "sigma")
BOUNDS = ((10.0, 30.0), (0.01, 0.05))
XI = Joint((LogNumber(), LogCorrelation(tuple(np.geomspace(0.7, 25.0, 11).tolist()))))
COARSE = Joint((LogNumber(), LogCorrelation((0.7, 2.0, 5.0, 10.0, 20.0))))


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    clouds: int = 4000
    """To train on."""
    held_out: int = 256
    """To be judged on."""
    steps: int = 2000
    """Of training on clouds; on xi(r) as many."""
    batch: int = 32
    """Clouds in each."""
    proposals: int = 20_000
    """Clouds that rejection draws from; 0 for no brute force."""
    kept: float = 0.01
    """The fraction of them that is nearest."""
    brute: int = 64
    """Held-out clouds that rejection is done for."""
    draws: int = 1000
    """Of every posterior."""
    seed: int = 0
    """Of everything."""


def simulate(rng: np.random.Generator, number: int) -> list[Catalogue]:
    """Clouds of parameters from the prior, with a point at least."""
    low, high = np.array(BOUNDS).T
    made: list[Catalogue] = []
    while len(made) < number:
        kappa, sigma = rng.uniform(low, high).tolist()
        (x,) = ThomasProcess(kappa, CHILDREN, sigma).sample(rng, 1)
        if len(x):
            columns = dict(zip("xyz", np.minimum(SIDE * x.T, SIDE * (1 - 1e-6)), strict=True))
            cosmology = {"kappa": kappa, "sigma": sigma}
            made.append(Catalogue(columns, (SIDE,) * 3, cosmology=cosmology))
    return made


def trained(data: Dataset, network, options: Options, rate: float, folder: Path) -> Run:
    """A posterior, the best by held-out loss."""
    experiment = Experiment(
        data=data,
        network=network,
        model=NeuralPosterior(FlowHead(posterior_flow(layers=2, width=32))),
        trainer=Trainer(
            steps=options.steps,
            batch_size=options.batch,
            learning_rate=rate,
            seed=options.seed,
            checkpoint_every=options.steps,
        ),
        evaluation=Evaluation(every=max(1, options.steps // 20), batches=8),
    )
    experiment.train(folder)
    return Run.load(folder, best=True)


def log_prob(run: Run, catalogues: list[Catalogue]) -> np.ndarray:
    """log q at the true parameters of each, standardised."""
    posterior = run.experiment.model.with_params(run.experiment.network, run.params)
    parameters = Parameters.of(run.encoding.standardizer)
    truth = parameters.encode(np.array([[c.cosmology[n] for n in NAMES] for c in catalogues]))
    found = np.empty(len(catalogues))
    compiled = jax.jit(lambda theta, batch: posterior.log_prob(theta, batch))
    for rows, batch in catalogue_batches(run.encoding, catalogues):
        filled = np.resize(rows, len(batch.x))
        values = compiled(jnp.asarray(truth[filled][:, None]), Batch(batch.x, batch.mask))
        found[rows] = np.asarray(values)[: len(rows), 0]
    return found


def brute_force(rng, catalogues: list[Catalogue], options: Options) -> list[np.ndarray]:
    """Parameters of the simulations whose summaries are nearest, for each catalogue."""
    simulated = simulate(rng, options.proposals)
    vectors = np.stack([COARSE(c) for c in simulated])
    theta = np.array([[c.cosmology[n] for n in NAMES] for c in simulated])
    scale = vectors.std(axis=0)
    nearest = max(2, round(options.kept * len(simulated)))
    found = []
    for catalogue in catalogues:
        distance = np.sum(((vectors - COARSE(catalogue)) / scale) ** 2, axis=1)
        found.append(theta[np.argsort(distance)[:nearest]])
    return found


def report(name: str, samples: list[np.ndarray], truth: np.ndarray, nats: np.ndarray | None, cost):
    """One row."""
    # As many draws of each, so that they make one array.
    fewest = min(len(s) for s in samples)
    test = tarp(np.stack([s[:fewest] for s in samples]), truth)
    prior = np.array([(high - low) / np.sqrt(12) for low, high in BOUNDS])
    width = np.mean([s.std(axis=0) for s in samples], axis=0) / prior
    density = "      -" if nats is None else f"{-nats.mean():7.3f}"
    error = "     -" if nats is None else f"{nats.std(ddof=1) / np.sqrt(len(nats)):6.3f}"
    print(
        f"{name:12s} {len(samples):5d}  {test.distance:.3f} (band {test.half_width:.3f}, "
        f"p = {test.p_value:.3f})  {density} ± {error}  {width[0]:.3f} {width[1]:.3f}  {cost:6.0f}",
        flush=True,
    )


def main(options: Options) -> None:
    """Print one row for each posterior."""
    rng = np.random.default_rng(options.seed)
    train, aside = simulate(rng, options.clouds), simulate(rng, max(options.clouds // 10, 32))
    judged = simulate(rng, options.held_out)
    truth = np.array([[c.cosmology[n] for n in NAMES] for c in judged])
    print(f"{'posterior':12s} clouds  TARP {'-log q':>45s} {'width':>16s} {'CPU-s':>12s}")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "suite.h5"
        splits = ["train"] * len(train) + ["validation"] * len(aside)
        write_suite(path, [*train, *aside], splits)
        cloud = CatalogueDataset(
            path, columns=("x", "y", "z"), condition=NAMES, bounds=BOUNDS, buckets=2
        )
        summaries = SummaryDataset(path, XI, condition=NAMES, bounds=BOUNDS)
        graph = PooledNetwork(GraphNetwork(width=32, layers=2, k=8), features=32)
        rows = {
            "xi(r)": (summaries, VectorNetwork(32, 2), 1e-3),
            "cloud": (cloud, graph, 2e-3),
        }
        found = {}
        for label, (data, network, rate) in rows.items():
            clock = time.process_time()
            run = trained(data, network, options, rate, Path(name) / label)
            cost = time.process_time() - clock
            samples = [s.flat for s in sample_posterior(run, judged, options.draws, options.seed)]
            found[label] = log_prob(run, judged)
            report(label, samples, truth, found[label], cost)
            some = samples[: options.brute]
            report(f"{label}, some", some, truth[: len(some)], found[label][: len(some)], cost)
        gain = found["cloud"] - found["xi(r)"]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        print(f"the cloud tells {gain.mean():.3f} ± {error:.3f} nats more than xi(r)", flush=True)
    if options.proposals:
        clock = time.process_time()
        some = judged[: options.brute]
        samples = brute_force(rng, some, options)
        cost = time.process_time() - clock
        report("brute force", samples, truth[: len(some)], None, cost)


if __name__ == "__main__":
    main(tyro.cli(Options))
