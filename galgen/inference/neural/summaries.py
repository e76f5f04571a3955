"""Datasets of summary statistics: one vector for each catalogue.

A posterior, regression or likelihood that is trained on the vectors shows what a statistic alone
tells, beside networks that see whole clouds. Any :class:`~galgen.measurements.statistic.Statistic`
will do that knows its bins. Those in logarithms are of one scale, and finite where a bin holds no
pair: ``Joint((LogNumber(), LogCorrelation(edges)))``.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import FILLED, Names, Range, checked
from galgen.data.batching import ArraySource
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import Dataset, Prepared, check_bounds
from galgen.data.encoding import Encoding
from galgen.data.features import summarize
from galgen.data.fingerprint import Parts, fingerprint_of
from galgen.data.normalization import Standardizer
from galgen.data.suite import Suite, SuiteView
from galgen.inference.neural.vectors import Parameters, VectorEncoding
from galgen.inference.results.result_warning import ResultWarning, left_out
from galgen.measurements.statistic import Statistic


@dataclasses.dataclass(frozen=True)
@checked
class SummaryEncoding(Encoding[np.ndarray]):
    """Between catalogues and their standardised summaries.

    Attributes:
        summary: what is measured.
        standardizer: of the catalogues, which knows their box and the condition.
        vectors: of the summaries.
    """

    summary: Statistic
    standardizer: Standardizer
    vectors: VectorEncoding

    suffix = ".npz"

    def encode(self, catalogues: Sequence[Catalogue]) -> Float[np.ndarray, "catalogues columns"]:
        """Standardised summaries, one row each."""
        return self.vectors.encode(np.stack([self.summary(c) for c in catalogues]))

    def check(self, catalogue: Catalogue) -> tuple[ResultWarning, ...]:
        """Warnings of summaries that were constant in training and are not so here."""
        if np.all(self.vectors.kept):
            return ()
        found = self.vectors.differing(self.summary(catalogue))
        names = self.summary.names(catalogue)
        differing = [
            f"{names[i]} was constant in training, here {gap:.2g} off" for i, gap in found.items()
        ]
        warning = left_out(differing)
        return () if warning is None else (warning,)

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
    summary: Statistic
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
            names = self.summary.names(catalogues[0])
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
