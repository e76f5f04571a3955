"""galgen: point-cloud generative modelling for cosmology."""

from galgen.lazy import lazy_rooms

__version__ = "0.1.0"

__getattr__, __dir__ = lazy_rooms(__name__, __path__)
