"""From a catalogue to cosmology: posteriors with their own error bars, and tests of calibration."""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
