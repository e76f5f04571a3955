"""Neural posteriors on the standard tasks, by C2ST against exact posteriors.

Tasks of Lueckmann et al. 2021 (arXiv:2101.04653). Each posterior is trained once, on simulations
from the prior, a tenth of which is kept aside to tell when to stop, and judged at observations that
it has not seen: the accuracy of a classifier that tells 10,000 of its draws from 10,000 of the
exact posterior, 0.5 if none can. Beside it what was published there for NPE (a neural spline flow,
one round), mean and standard deviation over ten observations, from the results file of the
benchmark (github.com/sbi-benchmark/results, benchmarking_sbi/results/main_paper.csv). Their
observations are others than ours. The last figure is -log q of the true parameters, mean over 2,000
fresh simulations, in nats of standardised parameters: C2ST does not see a smear as narrow as the
simulator's own.

    python benchmarks/sbi.py
    python benchmarks/sbi.py --tasks slcp --budgets 1000 --heads flow --observations 3
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

from galgen.evaluation import Evaluation
from galgen.experiment import Experiment
from galgen.inference.calibration.two_sample import ClassifierTest
from galgen.inference.neural.neural_posterior import NeuralPosterior
from galgen.inference.neural.posterior_head import (
    FlowHead,
    MatchingHead,
    PosteriorHead,
    posterior_flow,
)
from galgen.inference.neural.tasks import (
    GaussianLinearTask,
    SLCPTask,
    Task,
    TaskDataset,
    TwoMoonsTask,
)
from galgen.inference.priors.support import Bounded, Unbounded
from galgen.networks import MLP, VectorNetwork
from galgen.run import Run
from galgen.training import Trainer
from galgen.types import Batch

TASKS: dict[str, Task] = {
    "two_moons": TwoMoonsTask(),
    "gaussian_linear": GaussianLinearTask(),
    "slcp": SLCPTask(),
}
PUBLISHED = {
    ("two_moons", 1_000): (0.725, 0.045),
    ("two_moons", 10_000): (0.606, 0.039),
    ("gaussian_linear", 1_000): (0.694, 0.044),
    ("gaussian_linear", 10_000): (0.552, 0.032),
    ("slcp", 1_000): (0.975, 0.013),
    ("slcp", 10_000): (0.901, 0.047),
}
HEADS: dict[str, PosteriorHead] = {
    "flow": FlowHead(posterior_flow(layers=4, width=64)),
    "matching": MatchingHead(MLP(width=96, layers=4), draws=4),
}
STEPS = {1_000: 1500, 10_000: 4000}
"""Of training; the best of every :data:`EVERY` is kept."""
EVERY = 50


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    tasks: tuple[str, ...] = tuple(TASKS)
    """Which tasks."""
    budgets: tuple[int, ...] = (1_000, 10_000)
    """Simulations to train on."""
    heads: tuple[str, ...] = tuple(HEADS)
    """Which densities."""
    observations: int = 10
    """At which posteriors are judged."""
    draws: int = 10_000
    """Of each posterior."""
    steps: int | None = None
    """Of training, instead of those found to serve."""
    learning_rate: float = 1e-3
    """Peak."""
    weight_decay: float = 1e-4
    """Of AdamW."""
    seed: int = 0
    """Of simulations and weights."""


def trained(task: Task, number: int, head: str, options: Options, folder: Path) -> Run:
    """A posterior trained on ``number`` simulations."""
    support = Unbounded() if isinstance(task, GaussianLinearTask) else Bounded()
    steps = options.steps or STEPS[number]
    experiment = Experiment(
        data=TaskDataset(task, number, options.seed),
        network=VectorNetwork(layers=0),
        model=NeuralPosterior(HEADS[head], support),
        trainer=Trainer(
            steps=steps,
            batch_size=128,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            seed=options.seed,
            checkpoint_every=steps,
            log_every=EVERY,
        ),
        # A tenth of the simulations tells when to stop, as there.
        evaluation=Evaluation(every=EVERY, batches=max(1, number // 1280)),
    )
    experiment.train(folder)
    return Run.load(folder, best=True)


def observations(task: Task, number: int, draws: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Data that were simulated at draws of the prior, and draws of their exact posteriors.

    Spiked posteriors are left out, as the benchmark does.
    """
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for seed in range(10 * number):
        rng = np.random.default_rng([7, seed])
        x = task.simulate(rng, task.prior(rng, 1))[0]
        try:
            found.append((x, task.posterior(rng, x, draws)))
        except ValueError:
            continue
        if len(found) == number:
            break
    return found


def judge(run: Run, task: Task, judged: list, options: Options) -> tuple[list[float], float]:
    """C2ST at each observation, and the mean of -log q at fresh simulations."""
    encoding, model = run.encoding, run.experiment.model
    posterior = model.with_params(run.experiment.network, run.params)

    @jax.jit
    def draw(key, x):
        return posterior.sample(key, Batch(x), options.draws)

    accuracies = []
    for number, (x, exact) in enumerate(judged):
        standard = draw(jax.random.key(number), jnp.asarray(encoding.encode(x)[None]))[0]
        test = ClassifierTest()(exact, encoding.parameters.decode(np.asarray(standard)), number)
        accuracies.append(test.accuracy)
    rng = np.random.default_rng(11)
    theta = task.prior(rng, 2000)
    x = encoding.encode(task.simulate(rng, theta))
    standard = encoding.parameters.encode(theta)[:, None]
    log_prob = jax.jit(lambda theta, x: posterior.log_prob(theta, Batch(x)))(standard, x)
    return accuracies, -float(np.mean(log_prob))


def main(options: Options) -> None:
    """Print one row for each task, budget and head."""
    columns = f"{'C2ST median':>11s}  {'mean ± sd':>13s}  {'NPE there':>13s}  -log q  CPU-s"
    print(f"{'task':16s} budget  {'head':9s} {columns}")
    for name in options.tasks:
        task = TASKS[name]
        judged = observations(task, options.observations, options.draws)
        for budget in options.budgets:
            for head in options.heads:
                clock = time.process_time()
                with tempfile.TemporaryDirectory() as folder:
                    run = trained(task, budget, head, options, Path(folder) / "run")
                seconds = time.process_time() - clock
                found, nats = judge(run, task, judged, options)
                there, scatter = PUBLISHED.get((name, budget), (np.nan, np.nan))
                print(
                    f"{name:16s} {budget:6d}  {head:9s} {np.median(found):11.3f}  "
                    f"{np.mean(found):.3f} ± {np.std(found, ddof=1):.3f}  "
                    f"{there:.3f} ± {scatter:.3f}  {nats:6.3f}  {seconds:5.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(tyro.cli(Options))
