"""Statistics of catalogues: pure functions of padded, masked batches, one dataclass each.

``pairs`` counts pairs, ``fourier`` works on meshes, ``counts`` in cells, spheres and to the nearest
neighbours, ``sky`` on surveys; each exports its public names. ``redshift_space`` moves positions.
"""

from galgen.lazy import lazy_rooms

__getattr__, __dir__ = lazy_rooms(__name__, __path__)
