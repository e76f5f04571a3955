"""Haloes from a linear field at any volume: births on its Lagrangian grid, with marks."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
