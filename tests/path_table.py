"""One table of paths, for every test of what paths share. Data have four columns."""

import jax
import jax.numpy as jnp

from galgen.generative import (
    CosineSchedule,
    Empirical,
    GaussianMixture,
    LinearPath,
    LinearSchedule,
    ProbabilityPath,
    ProductPath,
    StochasticInterpolant,
    TorusDiffusion,
    TorusGeodesic,
    TrigonometricPath,
    Uniform,
    VarianceExploding,
    VariancePreserving,
)
from galgen.geometry import PeriodicBox

MIXTURE = GaussianMixture(((0.0, 1.0, 2.0, 3.0), (-2.0, 0.0, 0.0, 1.0)), 0.3)
FEW = Empirical(((0.0, 1.0, 2.0, 3.0), (-2.0, 0.5, 0.25, 1.0), (5.0, 0.0, -1.0, 0.125)))
DIFFUSIONS: dict[str, ProbabilityPath] = {
    "variance preserving": VariancePreserving(),
    "variance preserving, steep": VariancePreserving(LinearSchedule(-14.0, 14.0)),
    "variance preserving, cosine": VariancePreserving(CosineSchedule(shift=-1.0)),
    "variance exploding": VarianceExploding(),
}
GAUSSIAN: dict[str, ProbabilityPath] = {
    **DIFFUSIONS,
    "linear": LinearPath(),
    "trigonometric": TrigonometricPath(),
}
AFFINE: dict[str, ProbabilityPath] = {
    **GAUSSIAN,
    "linear from uniform": LinearPath(Uniform()),
    "linear from a mixture": LinearPath(MIXTURE),
    "trigonometric from points": TrigonometricPath(FEW),
    "affine product": ProductPath((LinearPath(Uniform()), VariancePreserving()), (3, 1)),
}
PATHS: dict[str, ProbabilityPath] = {
    **AFFINE,
    "interpolant": StochasticInterpolant(),
    "interpolant from a mixture": StochasticInterpolant(MIXTURE, 0.5),
    "torus": TorusGeodesic(),
    "torus from points": TorusGeodesic(FEW),
    "torus diffusion": TorusDiffusion(),
    "product": ProductPath((TorusGeodesic(), LinearPath()), (3, 1)),
    "diffusion product": ProductPath((TorusDiffusion(), VariancePreserving()), (3, 1)),
}
BOX = PeriodicBox()
PERIODIC_COLUMNS = {"torus": 4, "torus from points": 4, "torus diffusion": 4, "product": 3}
PERIODIC_COLUMNS["diffusion product"] = 3


def periodic(name: str) -> jax.Array:
    """Which of the four columns of a path in the table live on the torus."""
    return jnp.arange(4) < PERIODIC_COLUMNS.get(name, 0)


def difference(name: str, start: jax.Array, end: jax.Array) -> jax.Array:
    """``end - start``, minimum image where the column is periodic."""
    return jnp.where(periodic(name), BOX.displacement(start, end), end - start)


FEW_POINTS, MANY_POINTS = 7, 4_000
"""Sizes of the clouds that tests share, so that each operation is compiled once."""


def drawn(
    path: ProbabilityPath, name: str, points: int = FEW_POINTS
) -> tuple[jax.Array, jax.Array]:
    """Base and data of five clouds; data normal, or uniform where the column is periodic."""
    shape = (5, points, 4)
    base = path.sample_base(jax.random.key(0), shape)
    uniform = jax.random.uniform(jax.random.key(1), shape)
    data = jnp.where(periodic(name), uniform, jax.random.normal(jax.random.key(2), shape))
    return base, data
