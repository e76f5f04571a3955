"""Sums over pairs: two-point correlations, multipoles, surveys, velocities."""

from galgen.statistics.pairs.bins import (
    AngleBins,
    PairBins,
    ProjectedBins,
    SeparationBins,
)
from galgen.statistics.pairs.correlation import (
    TwoPointCorrelation,
    cross_correlation,
    two_point_correlation,
)
from galgen.statistics.pairs.counts import (
    cross_pair_counts,
    pair_counts,
    pair_sums,
)
from galgen.statistics.pairs.landy_szalay import (
    SurveyCatalogue,
    SurveyCorrelation,
    landy_szalay,
)
from galgen.statistics.pairs.multipoles import (
    CorrelationMultipoles,
    ProjectedCorrelation,
    correlation_multipoles,
    projected_correlation,
)
from galgen.statistics.pairs.pairwise_velocity import (
    MarkedCorrelation,
    PairwiseVelocity,
    marked_correlation,
    pairwise_velocity,
)
from galgen.statistics.pairs.soft_correlation import (
    soft_correlation,
)

__all__ = [
    "AngleBins",
    "CorrelationMultipoles",
    "MarkedCorrelation",
    "PairBins",
    "PairwiseVelocity",
    "ProjectedBins",
    "ProjectedCorrelation",
    "SeparationBins",
    "SurveyCatalogue",
    "SurveyCorrelation",
    "TwoPointCorrelation",
    "correlation_multipoles",
    "cross_correlation",
    "cross_pair_counts",
    "landy_szalay",
    "marked_correlation",
    "pair_counts",
    "pair_sums",
    "pairwise_velocity",
    "projected_correlation",
    "soft_correlation",
    "two_point_correlation",
]
