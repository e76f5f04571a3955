"""Summary statistics of catalogues: one interface for comparison, inference and prediction.

A :class:`~galgen.measurements.statistic.Statistic` is measured of batches of catalogues, as one
:class:`~galgen.measurements.ratio.Ratio` for each of its curves, or called on one catalogue, for
the vector of its values. ``pairs``, ``fourier`` and ``counts`` have those that come with galgen,
and ``bins`` the bins that they choose where none are given.
"""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
