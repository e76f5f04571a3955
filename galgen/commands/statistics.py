"""The words of ``galgen validate --statistics``, and the statistics that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from galgen import measurements

StatisticName = Literal[
    "nearest-neighbors",
    "pairwise-velocity",
    "redshift-space-multipoles",
    "bispectrum",
    "counts-in-cells",
    "marked-correlation",
]


def statistics_named(words: Sequence[StatisticName]) -> tuple[measurements.Statistic, ...]:
    """The statistics of the words, with their default bins."""
    known: Mapping[StatisticName, measurements.Statistic] = {
        "nearest-neighbors": measurements.NearestNeighbors(),
        "pairwise-velocity": measurements.PairwiseVelocity(),
        "redshift-space-multipoles": measurements.RedshiftSpaceMultipoles(),
        "bispectrum": measurements.Bispectrum(),
        "counts-in-cells": measurements.CountsInCells(),
        "marked-correlation": measurements.MarkedCorrelation(),
    }
    return tuple(known[word] for word in words)
