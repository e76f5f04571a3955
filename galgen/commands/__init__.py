"""What each command of ``galgen`` does; :mod:`galgen.cli` parses them."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
