"""Bridges between a base and the data: paths, couplings, predictions, losses and samplers."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
