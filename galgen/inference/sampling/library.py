"""Blackjax, imported when it is first needed.

It computes as it is imported. At the start of a program that would start JAX before the processes
of a run have met, and inside a trace what it keeps would belong to that trace.
"""

from __future__ import annotations

import importlib
from typing import Any

import jax


def blackjax(module: str = "") -> Any:
    """The package, or a module of it such as ``"smc.tempered"``."""
    with jax.ensure_compile_time_eval():
        return importlib.import_module(".".join(["blackjax", *filter(None, [module])]))
