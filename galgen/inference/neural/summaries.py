"""Summary statistics of a catalogue as one vector, and datasets of them.

What networks see of whole clouds can then be held against what a statistic alone tells: the same
posterior, regression or likelihood is trained on the vectors. Statistics enter as logarithms of
what is positive, so that they are of one scale, and finite where a bin holds no pair::

    count                ln N
    correlation of pairs ln (DD + 1) / (RR + 1), near ln(1 + xi)
    power                ln of P(k) with its shot noise, which ln N tells
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import FILLED, Edges, Names, Range, Size, checked
from galgen.data.batching import ArraySource, pad
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import Dataset, Prepared, check_bounds
from galgen.data.encoding import Encoding
from galgen.data.examples import SuiteView
from galgen.data.features import summarize
from galgen.data.fingerprint import Parts, fingerprint_of
from galgen.data.normalization import Standardizer
from galgen.data.suite import Suite
from galgen.errors import InputError
from galgen.inference.neural.vectors import Parameters, VectorEncoding
from galgen.inference.results.caution import Caution, left_out
from galgen.statistics.fourier import power_spectrum
from galgen.statistics.pairs import two_point_correlation

ROWS = 256
"""Catalogues are padded to a multiple of this many points, so that few sizes are compiled."""


class Summary(abc.ABC):
    """A vector that tells of one catalogue."""

    @abc.abstractmethod
    def __call__(self, catalogue: Catalogue) -> Float[np.ndarray, " columns"]:
        """The vector, finite for a catalogue of one point or more."""

    def names(self, columns: int) -> tuple[str, ...]:
        """What each of the columns is called."""
        return tuple(f"{type(self).__name__} {i}" for i in range(columns))


@dataclasses.dataclass(frozen=True)
@checked
class CountSummary(Summary):
    """ln N alone."""

    def __call__(self, catalogue: Catalogue) -> Float[np.ndarray, " columns"]:
        return np.log([float(len(catalogue))])

    def names(self, columns: int) -> tuple[str, ...]:
        return ("ln N",)


@dataclasses.dataclass(frozen=True)
@checked
class CorrelationSummary(Summary):
    """Pairs in bins of separation.

    Attributes:
        edges: of the bins, Mpc/h.
    """

    edges: Edges

    def __call__(self, catalogue: Catalogue) -> Float[np.ndarray, " columns"]:
        positions, mask = _padded(catalogue)
        found = two_point_correlation(
            positions, mask, self.edges, catalogue.box, catalogue.periodic
        )
        return np.log((np.asarray(found.pairs[0]) + 1) / (np.asarray(found.random_pairs[0]) + 1))

    def names(self, columns: int) -> tuple[str, ...]:
        ends = itertools.pairwise(self.edges)
        return tuple(f"pairs at {low:g} to {high:g} Mpc/h" for low, high in ends)


@dataclasses.dataclass(frozen=True)
@checked
class PowerSummary(Summary):
    """Power in bins of wavenumber, of a periodic box.

    Attributes:
        k_edges: of the bins, h/Mpc.
        mesh: cells along each side of the box.
    """

    k_edges: Edges
    mesh: Size = 64

    def __call__(self, catalogue: Catalogue) -> Float[np.ndarray, " columns"]:
        if not catalogue.periodic:
            raise InputError(
                "expected a periodic box for P(k), got an open one; use CorrelationSummary"
            )
        positions, mask = _padded(catalogue)
        found = power_spectrum(positions, mask, catalogue.box, self.mesh, self.k_edges, (0,))
        return np.log(np.maximum(np.asarray(found.raw_power[0, 0]), 1e-30))

    def names(self, columns: int) -> tuple[str, ...]:
        ends = itertools.pairwise(self.k_edges)
        return tuple(f"P(k) at {low:g} to {high:g} h/Mpc" for low, high in ends)


@dataclasses.dataclass(frozen=True)
@checked
class JointSummary(Summary):
    """Several, one after the other.

    Attributes:
        parts: the summaries.
    """

    parts: Annotated[tuple[Summary, ...], FILLED]

    def __call__(self, catalogue: Catalogue) -> Float[np.ndarray, " columns"]:
        return np.concatenate([part(catalogue) for part in self.parts])

    def names(self, columns: int) -> tuple[str, ...]:
        known = tuple(name for part in self.parts for name in part.names(columns))
        # A part that does not name its columns does not know how many are its own.
        return known if len(known) == columns else super().names(columns)


def _padded(catalogue: Catalogue) -> tuple[np.ndarray, np.ndarray]:
    return pad([catalogue.positions], -(-len(catalogue) // ROWS) * ROWS)


@dataclasses.dataclass(frozen=True)
@checked
class SummaryEncoding(Encoding[np.ndarray]):
    """Between catalogues and their standardised summaries.

    Attributes:
        summary: what is measured.
        standardizer: of the catalogues, which knows their box and the condition.
        vectors: of the summaries.
    """

    summary: Summary
    standardizer: Standardizer
    vectors: VectorEncoding

    suffix = ".npz"

    def encode(self, catalogues: Sequence[Catalogue]) -> Float[np.ndarray, "catalogues columns"]:
        """Standardised summaries, one row each."""
        return self.vectors.encode(np.stack([self.summary(c) for c in catalogues]))

    def check(self, catalogue: Catalogue) -> tuple[Caution, ...]:
        """Caution against summaries that were constant in training and are otherwise here."""
        if np.all(self.vectors.kept):
            return ()
        found = self.vectors.differing(self.summary(catalogue))
        names = self.summary.names(len(self.vectors.means))
        differing = [
            f"{names[i]} was constant in training, here {gap:.2g} off" for i, gap in found.items()
        ]
        caution = left_out(differing)
        return () if caution is None else (caution,)

    @property
    def condition_ranges(self):
        return self.vectors.condition_ranges

    def plan(self, conditions, batch, seed, points=None, extrapolate=False):
        return self.vectors.plan(conditions, batch, seed, points, extrapolate)

    def decode(self, draw, x, provenance):
        return self.vectors.decode(draw, x, provenance)

    def save(self, path, examples, splits):
        self.vectors.save(path, examples, splits)


@dataclasses.dataclass(frozen=True)
@checked
class SummaryDataset(Dataset):
    """Summaries of the catalogues of a suite.

    Attributes:
        path: the suite.
        summary: what is measured of every catalogue.
        split: which of them to train on.
        condition: cosmological parameters (or ``"redshift"``) that the summaries depend on.
        bounds: (low, high) of each, as of a :class:`~galgen.data.dataset.CatalogueDataset`.
    """

    path: Path
    summary: Summary
    split: str = "train"
    condition: Annotated[Names, FILLED] = ("omega_m", "sigma_8")
    bounds: tuple[Range, ...] = ()

    def __post_init__(self) -> None:
        check_bounds(self.bounds, self.condition)

    def prepare(self, batch_size, seed, shard=(0, 1), origin=None):
        catalogues, columns, parts = self._catalogues(self.split), ("x", "y", "z"), Parts()
        found = summarize(parts.through(iter(catalogues)), columns, self.condition)
        known = None if origin is None else origin.same(parts.fingerprint, self.path)
        x = np.stack([self.summary(c) for c in catalogues])
        if known is None:
            standardizer = Standardizer.of(found, columns, self.condition)
            if self.bounds:
                standardizer = standardizer.bounded(self.bounds)
            names = self.summary.names(x.shape[1])
            vectors = VectorEncoding.fit(x, Parameters.of(standardizer), names)
            encoding = SummaryEncoding(self.summary, standardizer, vectors)
        else:
            encoding = known
        condition = encoding.vectors.parameters.encode(found.condition)
        source = ArraySource(encoding.vectors.encode(x), condition, batch_size, seed, shard)
        return Prepared(source, encoding, fingerprint=parts.fingerprint)

    def held_out_source(self, encoding, batch_size, split, shard=(0, 1)):
        catalogues = self._catalogues(split)
        values = [list(encoding.standardizer.condition_values(c).values()) for c in catalogues]
        condition = encoding.vectors.parameters.encode(np.array(values))
        return ArraySource(encoding.encode(catalogues), condition, batch_size, 0, shard)

    def held_out_fingerprint(self, split):
        return fingerprint_of(iter(self._catalogues(split)))

    def held_out(self) -> Path | None:
        return self.path

    def _catalogues(self, split: str) -> SuiteView:
        suite = Suite(self.path)
        return SuiteView(suite, _not_empty(suite, suite.indices(split)))


def _not_empty(suite: Suite, indices: np.ndarray) -> np.ndarray:
    """Those of the catalogues that have points."""
    kept = indices[suite.counts[indices] > 0]
    if len(kept) < len(indices):
        warnings.warn(
            f"{len(indices) - len(kept)} of {len(indices)} catalogues of {suite.path} have no "
            "point and are left out: they have no summary",
            stacklevel=3,
        )
    return kept
