"""Training: one loop for any loss, checkpoints, metrics and devices."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
