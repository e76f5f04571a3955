"""Is a posterior as sure as it may be? Ranks, coverage, TARP, predictive checks, pictures."""

from galgen.inference.calibration.plots import (
    plot_coverage,
    plot_predictive,
    plot_ranks,
    plot_tarp,
)
from galgen.inference.calibration.predictive import PredictiveCheck, correlation, predictive_check
from galgen.inference.calibration.ranks import Ranks, ranks_of
from galgen.inference.calibration.tarp import Tarp, tarp

__all__ = [
    "PredictiveCheck",
    "Ranks",
    "Tarp",
    "correlation",
    "plot_coverage",
    "plot_predictive",
    "plot_ranks",
    "plot_tarp",
    "predictive_check",
    "ranks_of",
    "tarp",
]
