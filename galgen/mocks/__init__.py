"""Survey mocks: from a box of haloes or galaxies to what a survey would publish.

:func:`populate` puts galaxies in haloes, :class:`Survey` observes them, and
:func:`write_sky_catalogue` writes what it saw.
"""

from galgen.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
