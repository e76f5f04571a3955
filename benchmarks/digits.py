"""Digits by class-conditional flow, judged by a classifier of our own.

Trains ``configs/digits.py`` and a ``ConvolutionalClassifier`` on MNIST, draws digits at each scale
of guidance, and prints the fraction that the classifier sees as the digit asked for, beside its
accuracy on held-out digits: that is the most a perfect generator would score.

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

from galgen.data.batching import ArraySource
from galgen.data.dataset import DigitDataset
from galgen.data.digits import load_digits
from galgen.experiment import load_config
from galgen.generative import Guidance, Sampler
from galgen.networks.classifier import ConvolutionalClassifier
from galgen.training.state import initial_state, make_step

CLASSES = 10


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


def main(options: Options) -> None:
    """Print one row for each scale and number of steps."""
    classify, accuracy = train_classifier(options)
    print(f"classifier on held-out digits: {accuracy:.4f}", flush=True)
    experiment = load_config(Path(__file__).parents[1] / "configs/digits.py")
    trainer = experiment.trainer
    if options.steps is not None:
        trainer = dataclasses.replace(trainer, steps=options.steps)
    experiment = dataclasses.replace(experiment, data=DigitDataset(options.data), trainer=trainer)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = experiment.train(Path(folder) / "run")
    print(f"{trainer.steps} steps in {time.process_time() - start:.0f} CPU-seconds", flush=True)
    conditions = [{"digit": float(i % CLASSES)} for i in range(options.number)]
    asked = np.arange(options.number) % CLASSES
    rows = []
    for scale in options.scales:
        for steps in options.evaluations:
            guidance = None if scale == 1 else Guidance(scale)
            sampler = Sampler(experiment.sampler.step, steps, guidance=guidance)
            guided = dataclasses.replace(
                run, experiment=dataclasses.replace(experiment, sampler=sampler)
            )
            drawn = np.stack(guided.sample(conditions, seed=1, batch=100))
            right = np.mean(np.asarray(classify(drawn)) == asked)
            error = np.sqrt(right * (1 - right) / len(asked))
            print(f"guidance {scale:g}, {steps} steps: {right:.3f} +- {error:.3f}", flush=True)
        rows.append(np.concatenate(list(drawn[:20, :, :, 0]), axis=1))
    if options.picture is not None:
        matplotlib.image.imsave(options.picture, np.concatenate(rows), cmap="gray_r")


if __name__ == "__main__":
    main(tyro.cli(Options))
