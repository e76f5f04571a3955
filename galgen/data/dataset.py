"""What a model is trained on.

A ``Dataset`` is named in a configuration and knows where examples come from. ``prepare`` reads it
into batches for the trainer and an ``Encoding`` for everything that comes after.
"""

from __future__ import annotations

import abc
import collections
import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from galgen.checked import FILLED, Count, Names, NotNegative, Range, at_least, checked
from galgen.data.augmentation import Augmentation, BoxAugmentation, Dequantization
from galgen.data.batching import ArraySource, BatchSource
from galgen.data.cardinality import Cardinality
from galgen.data.digits import LEVEL, load_digits
from galgen.data.encoding import ArrayEncoding, CloudEncoding, Encoding
from galgen.data.examples import EncodedClouds, EncodedFields, fields_through
from galgen.data.features import check_order, source_column, summarize
from galgen.data.field import Field
from galgen.data.field_encoding import FieldEncoding
from galgen.data.fingerprint import Fingerprint, Origin, Parts
from galgen.data.normalization import Standardizer
from galgen.data.suite import Suite, SuiteView
from galgen.data.toys import Toy
from galgen.errors import InputError
from galgen.randomness import Role, random_generator
from galgen.resolution import spread

GIANT = 20.0
"""Points of a catalogue in units of the median, above which its padding is worth a word."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A dataset read into memory.

    Attributes:
        source: batches as a function of the step.
        encoding: what sampling needs.
        augment: ``augment(key, x, mask)`` inside the training step, or None.
        fingerprint: of the training examples.
    """

    source: Source
    encoding: Encoding[Any]
    augment: Augmentation | None = None
    fingerprint: Fingerprint = dataclasses.field(default_factory=dict)


class Dataset(abc.ABC):
    """Where examples come from."""

    @abc.abstractmethod
    def prepare(
        self,
        batch_size: int,
        seed: int,
        shard: tuple[int, int] = (0, 1),
        origin: Origin | None = None,
    ) -> Prepared:
        """Read, standardise and batch the training examples.

        Args:
            batch_size: examples in every batch.
            seed: of the order of the examples.
            shard: which part of every batch this process makes, of how many.
            origin: of a run that goes on: its encoding is used as it is, and nothing is fitted.

        Raises:
            InputError: if the examples cannot be used, or are not those of ``origin``.
        """

    @abc.abstractmethod
    def held_out_source(
        self, encoding: Any, batch_size: int, split: str, shard: tuple[int, int] = (0, 1)
    ) -> Source:
        """Batches of examples that are not trained on.

        Args:
            encoding: of the training examples, which these are seen by.
            batch_size: examples in every batch.
            split: which, where there are several kinds.
            shard: which part of every batch this process makes, of how many.

        Raises:
            InputError: if there are none.
        """

    def held_out_fingerprint(self, split: str) -> Fingerprint:
        """Of what ``held_out_source`` reads from a file; nothing, if it makes it."""
        return {}

    def held_out_fields(self, split: str, number: int) -> Sequence[Field] | None:
        """The fields of the first catalogues of a split; None where a model sees none."""
        return None

    def held_out(self) -> Path | None:
        """A suite to validate against, if the dataset is one of catalogues."""
        return None


@dataclasses.dataclass(frozen=True)
@checked
class CatalogueDataset(Dataset):
    """Catalogues of a galgen suite.

    Attributes:
        path: the HDF5 suite.
        split: which of its catalogues to train on.
        columns: features, positions first; ``log_<name>`` is log10 of column ``<name>``.
        condition: cosmological parameters (or ``"redshift"``) that the model is conditioned on.
        buckets: the most padded sizes, and so compilations; fewer where less than 15% is padding. A
            batch is padded to the largest of its catalogues: one far larger than all others costs
            the one batch of an epoch that holds it the memory of a whole batch of such, which
            ``Trainer.accumulate`` divides.
        augment: draw symmetries of the cube and, in periodic boxes, translations. Turn it off
            for data that know directions, such as redshift space.
        bounds: (low, high) of each condition, which is then standardised to [-1, 1] between them;
            () for mean 0 and deviation 1. Posteriors never leave them.
        memory: gigabytes of examples to keep, and as many of fields; of larger suites each is read
            when its turn comes.
        field: feed the model the field that each catalogue comes from, which the suite must hold,
            in units of its standard deviation over training. ``augment`` then turns it with the
            points, and moves both by whole cells.
    """

    path: Path
    split: str = "train"
    columns: Annotated[Names, FILLED] = ("x", "y", "z", "log_mass")
    condition: Names = ("omega_m", "sigma_8")
    buckets: Count = 8
    augment: bool = True
    bounds: tuple[Range, ...] = ()
    memory: NotNegative = 2.0
    field: bool = False

    def __post_init__(self) -> None:
        check_order(self.columns)
        check_bounds(self.bounds, self.condition)

    def prepare(self, batch_size, seed, shard=(0, 1), origin=None):
        suite = Suite(self.path)
        catalogues = SuiteView(suite, suite.indices(self.split))
        parts = Parts()
        passing = parts.through(iter(catalogues), [source_column(name) for name in self.columns])
        summary = summarize(passing, self.columns, self.condition)
        field = FieldEncoding.fit(fields_through(catalogues, parts)) if self.field else None
        if origin is None:
            standardizer = Standardizer.of(summary, self.columns, self.condition)
            if self.bounds:
                standardizer = standardizer.bounded(self.bounds)
        else:
            encoding = origin.same(parts.fingerprint, self.path)
            standardizer, field = encoding.standardizer, encoding.field
        standard = np.stack([standardizer.encode_condition(v) for v in summary.condition])
        condition, counts = standard if self.condition else None, summary.counts
        x = self._encoded(catalogues, standardizer, counts)
        fields = self._encoded_fields(catalogues, field)
        source = BatchSource(x, condition, batch_size, seed, self.buckets, counts, shard, fields)
        augment = None
        if self.augment and standardizer.positions:
            augment = BoxAugmentation(
                standardizer.velocity_columns, standardizer.cubic, standardizer.periodic
            )
        if origin is None:
            cardinality = Cardinality.fit(counts, condition)
            encoding = CloudEncoding(standardizer, cardinality, tuple(source.sizes), field)
        else:
            encoding = origin.encoding
        _warn_of_odd_counts(counts, encoding.cardinality)
        return Prepared(source, encoding, augment, parts.fingerprint)

    def held_out_source(self, encoding, batch_size, split, shard=(0, 1)):
        suite, standardizer = Suite(self.path), encoding.standardizer
        chosen = suite.indices(split)
        catalogues, counts = SuiteView(suite, chosen), suite.counts[chosen]
        condition = None
        if self.condition:
            values = [standardizer.condition_values(c) for c in catalogues]
            condition = np.stack([standardizer.encode_condition(v, True) for v in values])
        x = self._encoded(catalogues, standardizer, counts)
        fields = self._encoded_fields(catalogues, encoding.field)
        return BatchSource(x, condition, batch_size, 0, self.buckets, counts, shard, fields)

    def held_out_fingerprint(self, split):
        suite, parts = Suite(self.path), Parts()
        view = SuiteView(suite, suite.indices(split))
        columns = [source_column(name) for name in self.columns]
        collections.deque(parts.through(iter(view), columns), maxlen=0)
        if self.field:
            collections.deque(fields_through(view, parts), maxlen=0)
        return parts.fingerprint

    def held_out_fields(self, split, number):
        if not self.field:
            return None
        suite = Suite(self.path)
        return [suite.field(i) for i in suite.indices(split)[:number].tolist()]

    def _encoded_fields(
        self, catalogues: SuiteView, encoding: FieldEncoding | None
    ) -> EncodedFields | None:
        if encoding is None:
            return None
        gigabytes = 4e-9 * len(catalogues) * encoding.mesh**3
        return EncodedFields(catalogues, encoding, in_memory=gigabytes <= self.memory)

    def _encoded(
        self, catalogues: SuiteView, standardizer: Standardizer, counts: np.ndarray
    ) -> EncodedClouds:
        gigabytes = 4e-9 * int(counts.sum()) * len(self.columns)
        return EncodedClouds(catalogues, standardizer, in_memory=gigabytes <= self.memory)

    def held_out(self) -> Path | None:
        return self.path


def check_bounds(bounds: tuple[tuple[float, float], ...], condition: tuple[str, ...]) -> None:
    """Refuse, with an InputError, bounds that are neither none nor one for each condition."""
    if bounds and len(bounds) != len(condition):
        raise InputError(
            f"expected bounds of each of {list(condition)}, got {len(bounds)} pairs; give one "
            "(low, high) each, or () for none"
        )


def _warn_of_odd_counts(counts: np.ndarray, cardinality: Cardinality) -> None:
    """Say what is chosen where few catalogues are unlike all others in their number of points."""
    largest, usual = int(counts.max()), max(float(np.median(counts)), 1.0)
    if cardinality.left_out:
        warnings.warn(
            f"{len(cardinality.left_out)} of {len(counts)} catalogues have numbers of points "
            f"unlike all others, {list(cardinality.left_out)}, and are left out of "
            "p(N | condition); take them out of the split if they are not of the suite",
            stacklevel=3,
        )
    if largest > GIANT * usual:
        warnings.warn(
            f"the largest catalogue has {largest} points where {usual:.0f} are usual: a batch with "
            "it has all its catalogues padded to that; where memory is short, raise "
            "--trainer.accumulate, or take it out of the split",
            stacklevel=3,
        )


@dataclasses.dataclass(frozen=True)
@checked
class ToyDataset(Dataset):
    """Points of a toy distribution in the plane, unconditional.

    Attributes:
        toy: the distribution.
        number: training points.
    """

    toy: Toy
    number: Annotated[int, at_least(2)] = 50_000

    def prepare(self, batch_size, seed, shard=(0, 1), origin=None):
        x = self.toy.sample(random_generator(Role.TOYS, seed), self.number)
        if origin is None:
            scale = float(spread(x.ravel()))
            if not scale > 0:
                raise InputError(
                    f"expected points of {type(self.toy).__name__} that differ, got {x[0]} only; "
                    "choose another toy"
                )
            encoding = ArrayEncoding(x.shape[1:], float(x.mean()), scale)
        else:
            encoding = origin.encoding
        return Prepared(ArraySource(encoding.encode(x), None, batch_size, seed, shard), encoding)

    def held_out_source(self, encoding, batch_size, split, shard=(0, 1)):
        x = self.toy.sample(random_generator(Role.HELD_OUT_TOYS, 0), self.number)
        return ArraySource(encoding.encode(x), None, batch_size, 0, shard)


@dataclasses.dataclass(frozen=True)
@checked
class DigitDataset(Dataset):
    """Handwritten digits as images, conditioned on the digit.

    Attributes:
        path: a folder with the MNIST files; None downloads them.
        number: training images, None for all.
        dequantize: spread grey levels evenly over their steps, so that densities have a meaning:
            bits per dimension are ``log2(127.5) - log2 p / 784``.
    """

    path: Path | None = None
    number: Count | None = None
    dequantize: bool = True

    def prepare(self, batch_size, seed, shard=(0, 1), origin=None):
        images, labels = load_digits(self.path)
        images, labels = images[: self.number], labels[: self.number]
        fingerprint = _of_digits(images, labels)
        if origin is None:
            encoding = ArrayEncoding(images.shape[1:], 0.0, 1.0, classes=10, class_name="digit")
        else:
            encoding = origin.same(fingerprint, self.path or "the cached MNIST")
        condition = encoding.one_hot(labels)
        source = ArraySource(encoding.encode(images), condition, batch_size, seed, shard)
        augment = Dequantization(LEVEL) if self.dequantize else None
        return Prepared(source, encoding, augment, fingerprint)

    def held_out_source(self, encoding, batch_size, split, shard=(0, 1)):
        images, labels = load_digits(self.path, "test")
        images, labels = images[: self.number], labels[: self.number]
        condition = encoding.one_hot(labels)
        return ArraySource(encoding.encode(images), condition, batch_size, 0, shard)

    def held_out_fingerprint(self, split):
        images, labels = load_digits(self.path, "test")
        return _of_digits(images[: self.number], labels[: self.number])


def _of_digits(images: np.ndarray, labels: np.ndarray) -> Fingerprint:
    parts = Parts()
    parts.add("images", images)
    parts.add("labels", labels)
    return parts.fingerprint
