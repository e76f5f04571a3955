"""Statistics of catalogues: pure functions of padded, masked batches, one dataclass each.

``pairs`` counts pairs, ``fourier`` works on meshes, ``counts`` in cells, spheres and to the nearest
neighbours, ``sky`` on surveys; what most need of them is exported here. ``redshift_space`` moves
positions.
"""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
