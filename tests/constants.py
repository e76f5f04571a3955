"""Numbers that are the same but for rounding, of every size and type; for tests of what divides."""

import numpy as np

MAGNITUDES = (1e-12, 1e-3, 1.0, 1e7, 1e14)
CASES = [(magnitude, dtype) for magnitude in MAGNITUDES for dtype in (np.float32, np.float64)]


def constant(magnitude: float, dtype: type, number: int = 80, seed: int = 0) -> np.ndarray:
    """One number, up or down by a unit in the last place."""
    value = dtype(0.3 * magnitude)
    steps = [np.nextafter(value, dtype(-np.inf)), value, np.nextafter(value, dtype(np.inf))]
    found = np.array(steps, dtype)[np.random.default_rng(seed).integers(0, 3, number)]
    assert found.std() > 0
    return found
