"""Rooms that are imported when they are asked for (PEP 562), so that the tab key finds them.

``import galgen`` stays cheap, and ``galgen.statistics.pairs`` needs no import of its own.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable
from types import ModuleType


def lazy_rooms(
    package: str, path: Iterable[str]
) -> tuple[Callable[[str], ModuleType], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        path: its ``__path__``.
    """
    rooms = {found.name for found in pkgutil.iter_modules(path) if not found.name.startswith("_")}

    def __getattr__(name: str) -> ModuleType:
        if name in rooms:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(rooms.union(vars(sys.modules[package])))

    return __getattr__, __dir__
