"""Networks: one call for all, ``network(x, t, mask, condition)``, Flax Linen.

The output has the shape of ``x``, is zero at initialisation and on padding, and of order one in
every column: the bridge gives it its unit. Encoders and classifiers give one vector for each
example, ``network(x, mask)``.
"""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
