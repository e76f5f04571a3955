"""What runs: the versions of galgen, JAX and Python, and the device, in one line.

JAX takes a second to import. It is asked for the device only where it could find another than the
CPU: where a plugin is installed (``jax[cuda12]`` has one), libtpu is, or JAX_PLATFORMS names one.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points, version
from importlib.util import find_spec

import galgen

PLUGINS = "jax_plugins"
"""The entry points, and the namespace package, by which JAX finds devices."""


def version_line() -> str:
    """``galgen 0.1.0 (JAX 0.10.2, jaxlib 0.10.2, Python 3.12.3, cpu)``.

    Raises:
        RuntimeError: where JAX cannot use the device that JAX_PLATFORMS names.
    """
    python = ".".join(map(str, sys.version_info[:3]))
    parts = f"JAX {version('jax')}, jaxlib {version('jaxlib')}, Python {python}, {_devices()}"
    return f"galgen {galgen.__version__} ({parts})"


def _devices() -> str:
    """The devices that JAX would use, without JAX where they can only be the CPU."""
    named = os.environ.get("JAX_PLATFORMS", "")
    if named == "cpu" or not (named or _has_plugin()):
        return "cpu"
    import jax

    devices = jax.devices()
    first = devices[0]
    if first.platform == "cpu":
        return "cpu"
    return f"{first.platform}: {len(devices)} x {first.device_kind}"


def _has_plugin() -> bool:
    names = (PLUGINS, "libtpu")
    return any(map(find_spec, names)) or bool(entry_points(group=PLUGINS))
