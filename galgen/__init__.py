"""galgen: point-cloud generative modelling for cosmology.

``import galgen as gg`` gives the names of the common tasks; what else a task needs is exported by
the package that it belongs to, ``gg.networks.MLP``. Each is imported when it is asked for.
"""

from galgen.lazy import lazy_exports

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
