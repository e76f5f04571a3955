"""Trained models by name: those that come with galgen, and those of a place of your own."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
