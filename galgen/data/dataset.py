"""What a model is trained on.

A ``Dataset`` is named in a configuration and knows where examples come from. ``prepare`` reads it
into batches for the trainer and an ``Encoding`` for everything that comes after.
"""

from __future__ import annotations

import abc
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from galgen.data.augmentation import BoxAugmentation
from galgen.data.batching import ArraySource, BatchSource
from galgen.data.cardinality import Cardinality
from galgen.data.digits import load_digits
from galgen.data.encoding import ArrayEncoding, CloudEncoding, Encoding
from galgen.data.normalization import Standardizer
from galgen.data.suite import Suite
from galgen.data.toys import Toy


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A dataset read into memory.

    Attributes:
        source: batches as a function of the step.
        encoding: what sampling needs.
        augment: ``augment(key, x, mask)`` inside the training step, or None.
    """

    source: BatchSource | ArraySource
    encoding: Encoding[Any]
    augment: BoxAugmentation | None = None


class Dataset(abc.ABC):
    """Where examples come from."""

    @abc.abstractmethod
    def prepare(self, batch_size: int, seed: int) -> Prepared:
        """Read, standardise and batch the training examples."""

    def held_out(self) -> Path | None:
        """A suite to validate against, if the dataset is one of catalogues."""
        return None


@dataclasses.dataclass(frozen=True)
class CatalogueDataset(Dataset):
    """Catalogues of a galgen suite.

    Attributes:
        path: the HDF5 suite.
        split: which of its catalogues to train on.
        columns: features, positions first; ``log_<name>`` is log10 of column ``<name>``.
        condition: cosmological parameters (or ``"redshift"``) that the model is conditioned on.
        buckets: padded sizes, and so compilations.
        augment: draw symmetries of the cube and, in periodic boxes, translations. Turn it off
            for data that know directions, such as redshift space.
    """

    path: Path
    split: str = "train"
    columns: tuple[str, ...] = ("x", "y", "z", "log_mass")
    condition: tuple[str, ...] = ("omega_m", "sigma_8")
    buckets: int = 3
    augment: bool = True

    def prepare(self, batch_size: int, seed: int) -> Prepared:
        with Suite(self.path) as suite:
            catalogues = suite.catalogues(self.split)
        standardizer = Standardizer.fit(catalogues, self.columns, self.condition)
        x = [standardizer.encode(c) for c in catalogues]
        values = [standardizer.condition_values(c) for c in catalogues]
        standard = np.stack([standardizer.encode_condition(v) for v in values])
        condition = standard if self.condition else None
        cardinality = Cardinality.fit([len(c) for c in catalogues], condition)
        source = BatchSource(x, condition, batch_size, seed, self.buckets)
        augment = None
        if self.augment and standardizer.positions:
            augment = BoxAugmentation(
                standardizer.velocity_columns, standardizer.cubic, standardizer.periodic
            )
        encoding = CloudEncoding(standardizer, cardinality, tuple(source.sizes))
        return Prepared(source, encoding, augment)

    def held_out(self) -> Path | None:
        return self.path


@dataclasses.dataclass(frozen=True)
class ToyDataset(Dataset):
    """Points of a toy distribution in the plane, unconditional.

    Attributes:
        toy: the distribution.
        number: training points.
    """

    toy: Toy
    number: int = 50_000

    def prepare(self, batch_size: int, seed: int) -> Prepared:
        x = self.toy.sample(np.random.default_rng(seed), self.number)
        encoding = ArrayEncoding(x.shape[1:], float(x.mean()), float(x.std()))
        return Prepared(ArraySource(encoding.encode(x), None, batch_size, seed), encoding)


@dataclasses.dataclass(frozen=True)
class DigitDataset(Dataset):
    """Handwritten digits as images, conditioned on the digit.

    Attributes:
        path: a folder with the MNIST files; None downloads them.
        number: training images, None for all.
    """

    path: Path | None = None
    number: int | None = None

    def prepare(self, batch_size: int, seed: int) -> Prepared:
        images, labels = load_digits(self.path)
        images, labels = images[: self.number], labels[: self.number]
        encoding = ArrayEncoding(images.shape[1:], 0.0, 1.0, classes=10, class_name="digit")
        condition = encoding.one_hot(labels)
        return Prepared(ArraySource(encoding.encode(images), condition, batch_size, seed), encoding)
