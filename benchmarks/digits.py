"""Digits by class-conditional flow, judged by a classifier of our own.

Trains ``configs/digits.py`` and a ``ConvolutionalClassifier`` on MNIST, draws digits at each scale
of guidance, and prints the fraction that the classifier sees as the digit asked for, beside its
accuracy on held-out digits: that is the most a perfect generator would score. Then the bits per
dimension of held-out digits given what they are, by the flow's likelihood without guidance: of grey
levels spread evenly over their steps, so that it bounds that of the levels from above.

With ``--jumps`` it trains ``configs/digits_mean_flow.py`` too, and prints the fraction for each
number of evaluations, beside that of the flow without guidance and with.

    python benchmarks/digits.py                              # downloads MNIST
    python benchmarks/digits.py --data FOLDER --steps 1500
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import optax
import tyro

from galgen.configuration import load_config
from galgen.data.augmentation import Dequantization
from galgen.data.batching import ArraySource
from galgen.data.dataset import DigitDataset
from galgen.data.digits import LEVEL, load_digits
from galgen.generative import (
    Euler,
    FixedSteps,
    Guidance,
    Heun,
    Hutchinson,
    Likelihood,
    MeanFlowSampler,
    Sampler,
    SamplingMethod,
)
from galgen.networks.classifier import ConvolutionalClassifier
from galgen.run import Run
from galgen.training.state import initial_state, make_step

CLASSES = 10
EVALUATIONS = (1, 2, 4, 8, 16)


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    data: Path | None = None
    """Folder with the MNIST files; downloaded if not given."""
    steps: int | None = None
    """Training steps of the generator; those of the configuration if not given."""
    classifier_steps: int = 1000
    """Training steps of the classifier."""
    number: int = 500
    """Digits drawn at each scale."""
    scales: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0)
    """Of guidance; 1 is the model as it is."""
    evaluations: tuple[int, ...] = (20,)
    """Heun steps of the sampler."""
    bits: int = 100
    """Held-out digits whose bits per dimension are found."""
    jumps: bool = False
    """Train a mean flow too."""
    picture: Path | None = None
    """PNG of a few draws at each scale."""


def train_classifier(options: Options):
    """A classifier of images, and its accuracy on held-out digits."""
    images, labels = load_digits(options.data)
    source = ArraySource(images, np.eye(CLASSES, dtype=np.float32)[labels], 128, 0)
    network = ConvolutionalClassifier(CLASSES)

    def loss(params, key, batch):
        shift = jax.random.randint(key, (2,), -2, 3)
        logits = network.apply(params, jnp.roll(batch.x, shift, (1, 2)))
        return jnp.mean(optax.softmax_cross_entropy(logits, batch.condition))

    optimizer = optax.adamw(optax.cosine_decay_schedule(3e-3, options.classifier_steps))
    state = initial_state(network.init(jax.random.key(0), images[:1]), optimizer)
    step = jax.jit(make_step(loss, optimizer, 0.99))
    for i in range(options.classifier_steps):
        state, _ = step(state, jax.random.key(1), jax.tree.map(jnp.asarray, source.batch(i)))
    classify = jax.jit(lambda x: jnp.argmax(network.apply(state.ema, x), axis=-1))
    held_out, truth = load_digits(options.data, "test")
    seen = np.concatenate([classify(part) for part in np.split(held_out, 10)])
    return classify, float(np.mean(seen == truth))


def train(name: str, options: Options) -> Run:
    """The run of a configuration."""
    experiment = load_config(Path(__file__).parents[1] / f"configs/{name}.py")
    trainer = experiment.trainer
    if options.steps is not None:
        trainer = dataclasses.replace(trainer, steps=options.steps)
    experiment = dataclasses.replace(experiment, data=DigitDataset(options.data), trainer=trainer)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = experiment.train(Path(folder) / "run")
    seconds = time.process_time() - start
    print(f"{name}: {trainer.steps} steps in {seconds:.0f} CPU-seconds", flush=True)
    return run


def judge(run: Run, sampler: SamplingMethod, classify, options: Options, label: str) -> np.ndarray:
    """Print the fraction of draws seen as the digit asked for; a row of pictures."""
    sampled = dataclasses.replace(
        run, experiment=dataclasses.replace(run.experiment, sampler=sampler)
    )
    asked = np.arange(options.number) % CLASSES
    drawn = np.stack(sampled.sample([{"digit": float(i)} for i in asked], seed=1, batch=100))
    right = np.mean(np.asarray(classify(drawn)) == asked)
    error = np.sqrt(right * (1 - right) / len(asked))
    print(f"{label}: {right:.3f} +- {error:.3f}", flush=True)
    return np.concatenate(list(drawn[:20, :, :, 0]), axis=1)


def bits_per_dimension(run: Run, options: Options) -> tuple[float, float]:
    """The mean over held-out digits, and its error over digits and random traces."""
    images, labels = load_digits(options.data, "test")
    images, labels = images[: options.bits], labels[: options.bits]
    x = Dequantization(LEVEL)(jax.random.key(0), jnp.asarray(images))
    condition = jnp.asarray(run.encoding.one_hot(labels))
    model = run.experiment.model
    flow = model.with_params(run.experiment.network, run.params)
    likelihood = Likelihood(Hutchinson(4), FixedSteps(24))
    find = jax.jit(lambda key, x, c: likelihood(flow, key, x, None, c).value)
    parts = np.split(np.arange(len(x)), range(20, len(x), 20))
    found = [find(jax.random.key(i), x[rows], condition[rows]) for i, rows in enumerate(parts)]
    bits = -np.log2(LEVEL) - np.concatenate(found) / np.log(2) / images[0].size
    return float(bits.mean()), float(bits.std(ddof=1) / np.sqrt(len(bits)))


def main(options: Options) -> None:
    """Print one row for each scale and number of steps, and the bits per dimension."""
    classify, accuracy = train_classifier(options)
    print(f"classifier on held-out digits: {accuracy:.4f}", flush=True)
    run = train("digits", options)
    rows = []
    for scale in options.scales:
        for steps in options.evaluations:
            guidance = None if scale == 1 else Guidance(scale)
            sampler = Sampler(Heun(), steps, guidance=guidance)
            label = f"guidance {scale:g}, {steps} Heun steps"
            rows.append(judge(run, sampler, classify, options, label))
    if options.bits:
        bits, error = bits_per_dimension(run, options)
        print(f"bits per dimension: {bits:.3f} +- {error:.3f}", flush=True)
    if options.jumps:
        jumps = train("digits_mean_flow", options)
        scale = jumps.experiment.model.guidance
        for n in EVALUATIONS:
            for guidance in (None, Guidance(scale)):
                each = 1 if guidance is None else 2
                label = (
                    f"flow, guidance {scale if guidance else 1:g}, Euler, {each * n} evaluations"
                )
                rows.append(
                    judge(run, Sampler(Euler(), n, guidance=guidance), classify, options, label)
                )
            label = f"mean flow, guidance {scale:g}, {n} evaluations"
            rows.append(judge(jumps, MeanFlowSampler(n), classify, options, label))
    if options.picture is not None:
        matplotlib.image.imsave(options.picture, np.concatenate(rows), cmap="gray_r")


if __name__ == "__main__":
    main(tyro.cli(Options))
