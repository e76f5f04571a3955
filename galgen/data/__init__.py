"""Catalogues and suites, batches of them and how they are standardised; toys and digits."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
