"""Comparison of generated catalogues with held-out ones, and its report."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
