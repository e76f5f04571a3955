"""The words that name statistics in ``galgen validate --further``; elsewhere, they are objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from galgen.validation.measures.further import (
    NearestNeighbors,
    PairwiseVelocity,
    RedshiftSpaceMultipoles,
)
from galgen.validation.measures.higher_order import Bispectrum, CountsInCells, MarkedCorrelation
from galgen.validation.measures.statistic import Statistic

Further = Literal[
    "nearest-neighbors",
    "pairwise-velocity",
    "redshift-space-multipoles",
    "bispectrum",
    "counts-in-cells",
    "marked-correlation",
]
FURTHER: Mapping[Further, Statistic] = {
    "nearest-neighbors": NearestNeighbors(),
    "pairwise-velocity": PairwiseVelocity(),
    "redshift-space-multipoles": RedshiftSpaceMultipoles(),
    "bispectrum": Bispectrum(),
    "counts-in-cells": CountsInCells(),
    "marked-correlation": MarkedCorrelation(),
}


def further_statistics(words: Sequence[Further]) -> tuple[Statistic, ...]:
    """The statistics that the words stand for, with their default bins."""
    return tuple(FURTHER[word] for word in words)
