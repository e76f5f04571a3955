"""Is the mock true: generated catalogues against held-out ones, and the report that says so."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
