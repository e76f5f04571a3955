"""The likelihood of held-out catalogues under a trained model, in nats per halo.

It is set against points that know nothing of each other: uniform in the box, with masses from a
log-normal (one for all catalogues), or from a fine histogram of all training masses. p(N | c) is
the same for all and left out. The model's figure is a lower bound, with the Monte Carlo error of
the mean over its replicas; the gain over the histogram is what it knows of clustering, of how
masses go with it, and of the condition.

    python benchmarks/nats_per_halo.py runs/demo --catalogues 16
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import tyro

from galgen.data.dataset import CatalogueDataset
from galgen.data.suite import Suite
from galgen.generative.sampling.log_density import log_density_of
from galgen.inference.likelihood.field_level import FieldLevel
from galgen.run import Run


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured."""

    folder: tyro.conf.Positional[Path]
    """The run."""
    catalogues: int = 16
    """Held-out ones, of the split test."""
    evaluations: int = 64
    """Draws of time and noise per replica."""
    replicas: int = 4
    """Independent noises."""


def main(settings: Settings) -> None:
    """Measure and print."""
    run = Run.load(settings.folder)
    experiment, data = run.experiment, run.experiment.data
    assert isinstance(data, CatalogueDataset)
    model = experiment.model.with_params(experiment.network, run.params)
    field = FieldLevel.of(run, log_density_of(model, settings.evaluations), extrapolate=True)
    with Suite(data.path) as suite:
        train = np.concatenate(
            [np.log10(suite[int(i)].column("mass")) for i in suite.indices("train")[:200]]
        )
        held_out = [suite[int(i)] for i in suite.indices("test")[: settings.catalogues]]
    edges = np.linspace(train.min() - 0.05, train.max() + 0.5, 60)
    histogram = np.histogram(train, edges)[0] + 0.5
    histogram = histogram / histogram.sum() / np.diff(edges)
    rows = []
    for i, catalogue in enumerate(held_out):
        encoded = field.encode(catalogue)
        condition = np.array([list(run.encoding.standardizer.condition_values(catalogue).values())])
        values = field.evaluate(encoded, condition, i, settings.replicas)[:, 0]
        values = values - _log_number(run, len(catalogue), condition)
        values -= np.sum(np.log(np.arange(1, len(catalogue) + 1)))
        mass = np.log10(catalogue.column("mass"))
        uniform = -len(catalogue) * np.log(catalogue.volume)
        normal = -0.5 * ((mass - train.mean()) / train.std()) ** 2 - np.log(
            train.std() * np.sqrt(2 * np.pi)
        )
        binned = np.log(histogram[np.clip(np.digitize(mass, edges) - 1, 0, len(histogram) - 1)])
        known = np.array([values.mean(), uniform + normal.sum(), uniform + binned.sum()])
        error = values.std(ddof=1) / np.sqrt(settings.replicas)
        rows.append([*(known / len(catalogue)), error / len(catalogue), len(catalogue)])
    table = np.array(rows)
    mean, spread = table.mean(axis=0), table.std(axis=0, ddof=1) / np.sqrt(len(table))
    noise = np.sqrt(np.sum(table[:, 3] ** 2)) / len(table)
    print(f"{len(table)} catalogues of {mean[4]:.0f} haloes; nats per halo, per (Mpc/h)^3 and dex")
    for name, i in (("model (lower bound)", 0), ("uniform, log-normal", 1), ("uniform, binned", 2)):
        print(f"  {name:22s} {mean[i]:8.3f} ± {spread[i]:.3f}")
    for name, i in (("log-normal", 1), ("binned masses", 2)):
        gain = table[:, 0] - table[:, i]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        print(f"  gain over {name:14s} {gain.mean():6.3f} ± {error:.3f}, Monte Carlo ± {noise:.3f}")


def _log_number(run: Run, number: int, condition: np.ndarray) -> float:
    """log p(N | condition) of the encoding."""
    cardinality = run.encoding.cardinality
    standard = run.encoding.standardizer.encode_condition(condition[0], extrapolate=True)[None]
    varying = float(cardinality.log_prob(np.asarray(number), standard)[0])
    return varying + cardinality.log_constant(number)


if __name__ == "__main__":
    main(tyro.cli(Settings))
