"""The embedded simulator: linear power, Lagrangian displacement, haloes, suites of them."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
