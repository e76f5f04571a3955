"""Sums over pairs: two-point correlations, multipoles, surveys, velocities."""

from galgen.statistics.pairs.bins import AngleBins, PairBins, ProjectedBins, SeparationBins
from galgen.statistics.pairs.cells import sums_by_cells
from galgen.statistics.pairs.columns import sums_by_columns
from galgen.statistics.pairs.correlation import (
    TwoPointCorrelation,
    cross_correlation,
    two_point_correlation,
)
from galgen.statistics.pairs.counts import as_points, cross_pair_counts, pair_counts, pair_sums
from galgen.statistics.pairs.landy_szalay import SurveyCorrelation, landy_szalay
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
from galgen.statistics.pairs.points import PairQuantity, Points, Product
from galgen.statistics.pairs.soft_correlation import soft_correlation
from galgen.statistics.pairs.survey_catalogue import SurveyCatalogue
from galgen.statistics.pairs.tiles import sums_by_tiles

__all__ = [
    "AngleBins",
    "CorrelationMultipoles",
    "MarkedCorrelation",
    "PairBins",
    "PairQuantity",
    "PairwiseVelocity",
    "Points",
    "Product",
    "ProjectedBins",
    "ProjectedCorrelation",
    "SeparationBins",
    "SurveyCatalogue",
    "SurveyCorrelation",
    "TwoPointCorrelation",
    "as_points",
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
    "sums_by_cells",
    "sums_by_columns",
    "sums_by_tiles",
    "two_point_correlation",
]
