"""CPU-seconds, memory and compilation of one call, for ratios within one run."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

GIBIBYTE = 2.0**30


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one call: CPU and wall seconds (medians), GiB of temporaries, seconds to compile."""

    cpu: float
    wall: float
    memory: float
    compilation: float


def compiled_for(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Callable[..., Any], float, float]:
    """The compiled function, the GiB of its temporaries and the CPU-seconds of compilation."""
    start = time.process_time()
    compiled = jax.jit(function).lower(*arguments).compile()
    memory = compiled.memory_analysis().temp_size_in_bytes / GIBIBYTE
    return compiled, memory, time.process_time() - start


def measure(
    function: Callable[..., Any], arguments: tuple[Any, ...], memory: float, budget: float
) -> Cost:
    """Compile, warm up and time; infinite times where memory would not do."""
    compiled, needed, compilation = compiled_for(function, arguments)
    if needed > memory:
        return Cost(np.inf, np.inf, needed, compilation)
    jax.block_until_ready(compiled(*arguments))
    cpu, wall = [], []
    while len(cpu) < 7 and sum(cpu) < budget:
        starts = time.process_time(), time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        cpu.append(time.process_time() - starts[0])
        wall.append(time.perf_counter() - starts[1])
    return Cost(statistics.median(cpu), statistics.median(wall), needed, compilation)
