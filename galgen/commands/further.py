"""The words that name statistics in ``galgen validate --further``; elsewhere, they are objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from galgen import validation

Further = Literal[
    "nearest-neighbors",
    "pairwise-velocity",
    "redshift-space-multipoles",
    "bispectrum",
    "counts-in-cells",
    "marked-correlation",
]


def further_statistics(words: Sequence[Further]) -> tuple[validation.Statistic, ...]:
    """The statistics that the words stand for, with their default bins."""
    known: Mapping[Further, validation.Statistic] = {
        "nearest-neighbors": validation.NearestNeighbors(),
        "pairwise-velocity": validation.PairwiseVelocity(),
        "redshift-space-multipoles": validation.RedshiftSpaceMultipoles(),
        "bispectrum": validation.Bispectrum(),
        "counts-in-cells": validation.CountsInCells(),
        "marked-correlation": validation.MarkedCorrelation(),
    }
    return tuple(known[word] for word in words)
