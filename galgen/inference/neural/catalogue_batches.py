"""Catalogues as batches that a trained run can take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from galgen.data.batching import pad
from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CloudEncoding, Encoding
from galgen.data.normalization import Standardizer
from galgen.errors import InputError
from galgen.inference.neural.summaries import SummaryEncoding
from galgen.types import Batch

BATCH = 8
"""Catalogues that are encoded at once."""


def standardizer_of(encoding: Encoding[Any]) -> Standardizer:
    """The standardizer of the catalogues that a run was trained on.

    Raises:
        InputError: if it was not trained on catalogues.
    """
    if not isinstance(encoding, CloudEncoding | SummaryEncoding):
        raise InputError(
            f"expected a run that was trained on catalogues, got one of {type(encoding).__name__}; "
            "call the model with vectors instead"
        )
    return encoding.standardizer


def catalogue_batches(
    encoding: Encoding[Any], catalogues: Sequence[Catalogue]
) -> Iterator[tuple[list[int], Batch]]:
    """Batches of one size each, and which catalogues their rows are; the last row fills up."""
    if isinstance(encoding, SummaryEncoding):
        for rows in _runs(list(range(len(catalogues)))):
            yield rows, Batch(_filled(encoding.encode([catalogues[row] for row in rows])))
        return
    assert isinstance(encoding, CloudEncoding)
    clouds = [encoding.standardizer.encode(catalogue) for catalogue in catalogues]
    by_size: dict[int, list[int]] = {}
    for row, cloud in enumerate(clouds):
        by_size.setdefault(encoding.padded_size(len(cloud)), []).append(row)
    for size, members in by_size.items():
        for rows in _runs(members):
            x, mask = pad([clouds[row] for row in rows], size)
            yield rows, Batch(_filled(x), _filled(mask))


def _runs(rows: list[int]) -> list[list[int]]:
    return [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]


def _filled(a: np.ndarray) -> np.ndarray:
    """The last row repeated, so that every batch has one shape."""
    return np.concatenate([a, np.repeat(a[-1:], BATCH - len(a), axis=0)])
