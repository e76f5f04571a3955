"""Suites of catalogues whose number of points, or clustering, tells a parameter."""

from pathlib import Path

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.data.suite import write_suite

BOUNDS = ((0.1, 0.5), (0.6, 1.0))


def catalogue(rng: np.random.Generator, omega_m: float, sigma_8: float, **fields) -> Catalogue:
    """Poisson(300 Omega_m) points at random in 100 Mpc/h; sigma_8 is told by nothing."""
    points = max(1, rng.poisson(300 * omega_m))
    columns = dict(zip("xyz", rng.random((3, points)) * 99.99, strict=True))
    cosmology = {"omega_m": omega_m, "sigma_8": sigma_8, "h": 0.67}
    fields = {"box": (100.0,) * 3, "redshift": 0.5, **fields}
    return Catalogue(columns, cosmology=cosmology, **fields)


def catalogues(number: int, seed: int) -> list[Catalogue]:
    """With parameters uniform between :data:`BOUNDS`."""
    rng = np.random.default_rng(seed)
    low, high = np.array(BOUNDS).T
    return [catalogue(rng, *rng.uniform(low, high).tolist()) for _ in range(number)]


def suite(path: Path, number: int = 40, held_out: int = 16) -> Path:
    """Splits train and validation."""
    made = catalogues(number + held_out, 0)
    write_suite(path, made, ["train"] * number + ["validation"] * held_out)
    return path
