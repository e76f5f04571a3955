"""Clouds whose density is known, with the networks that are optimal for them."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from scipy import stats

from galgen.data.cardinality import Cardinality
from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CloudEncoding
from galgen.data.normalization import Standardizer
from galgen.generative import (
    Bridge,
    LinearSchedule,
    NoisePrediction,
    TorusDiffusion,
    VariancePreserving,
)
from galgen.inference.likelihood.field_level import FieldLevel

SLOPES = np.array([[0.9, 0.2], [-0.3, 0.7]])
WIDTH = 0.6
MEANS, SCALES = np.array([2.0, -1.0]), np.array([5.0, 0.1])
BOX = (20.0, 20.0, 20.0)
NAMES = ("omega_m", "sigma_8")
RANGES = ((0.1, 0.5), (0.6, 1.0))
CONDITION_MEANS, CONDITION_SCALES = np.array([0.3, 0.8]), np.array([0.1, 0.1])
PATH = VariancePreserving(LinearSchedule(-12.0, 9.0))
CARDINALITY = Cardinality((3.2, 0.2, -0.1), 1, 2)


class GaussianMarks(nn.Module):
    """The optimal noise for rows that are normal about a mean linear in the condition."""

    @nn.compact
    def __call__(self, x, t, mask, condition):
        alpha, sigma = PATH.scales(t, x)
        mean = (condition @ SLOPES.T.astype(x.dtype))[:, None, :]
        noise = sigma * (x - alpha * mean) / (alpha**2 * WIDTH**2 + sigma**2)
        return noise if mask is None else jnp.where(mask[..., None], noise, 0.0)


class Nothing(nn.Module):
    """The optimal mean noise of uniform points: none."""

    @nn.compact
    def __call__(self, x, t, mask, condition):
        return jnp.zeros_like(x)


def encoding(columns=("a", "b"), sizes=(32, 64), **changes) -> CloudEncoding:
    positions = columns == ("x", "y", "z")
    fields = {
        "columns": columns,
        "means": (0.0,) * 3 if positions else tuple(MEANS.tolist()),
        "scales": (1.0,) * 3 if positions else tuple(SCALES.tolist()),
        "condition": ("omega_m", "sigma_8"),
        "condition_means": tuple(CONDITION_MEANS.tolist()),
        "condition_scales": tuple(CONDITION_SCALES.tolist()),
        "condition_ranges": RANGES,
        "points_range": (10, 60),
        "box": BOX,
        "redshifts": (0.0, 0.5),
        "periodic": True,
        "units": dict.fromkeys(columns, "Mpc/h" if positions else ""),
        "fixed_cosmology": {"h": 0.7},
    }
    standardizer = Standardizer(**(fields | changes))
    cardinality = CARDINALITY if standardizer.condition else Cardinality((3.2,), 0, 0)
    return CloudEncoding(standardizer, cardinality, sizes)


def marks(density=None, **changes) -> FieldLevel:
    """Gaussian rows as a trained model."""
    bridge = Bridge(PATH, prediction=NoisePrediction())
    return FieldLevel(bridge, GaussianMarks(), {}, encoding(**changes), density)


def uniform_points(density=None) -> FieldLevel:
    """A Poisson process as a trained model."""
    bridge = Bridge(TorusDiffusion(), prediction=NoisePrediction())
    return FieldLevel(bridge, Nothing(), {}, encoding(("x", "y", "z")), density)


def standard(theta):
    return (np.asarray(theta) - CONDITION_MEANS) / CONDITION_SCALES


def draw(theta, number=None, seed=0) -> Catalogue:
    """A catalogue of Gaussian rows at a condition."""
    rng = np.random.default_rng(seed)
    c = standard(theta)
    if number is None:
        number = int(CARDINALITY.sample(rng, c))
    x = c @ SLOPES.T + WIDTH * rng.normal(size=(number, 2))
    a, b = (MEANS + SCALES * x).T
    return Catalogue({"a": a, "b": b}, BOX, 0.2, dict(zip(NAMES, theta, strict=True)))


def law_of_the_flow() -> tuple[float, float]:
    """What the flow from a standard normal makes of mean and width: an affine map (t: 0, 1)."""
    alpha, sigma = (np.ravel(s) for s in PATH.scales(jnp.array([0.0, 1.0]), jnp.zeros((2, 1))))
    start, end = np.sqrt(alpha**2 * WIDTH**2 + sigma**2)
    return float(alpha[1] - alpha[0] * end / start), float(end / start)


def exact(
    catalogue: Catalogue, theta: np.ndarray, factor: float = 1.0, width: float = WIDTH
) -> np.ndarray:
    """log p(catalogue | condition) of Gaussian rows, in closed form and physical units."""
    rows = np.stack([catalogue.columns["a"], catalogue.columns["b"]], axis=-1)
    c = standard(np.atleast_2d(theta))
    means = MEANS + SCALES * factor * (c @ SLOPES.T)
    squared = ((rows - means[:, None]) / (width * SCALES)) ** 2
    normal = -0.5 * squared - np.log(width * SCALES) - 0.5 * np.log(2 * np.pi)
    count = stats.poisson(CARDINALITY.mean(c)).logpmf(len(rows))
    return normal.sum(axis=(1, 2)) + count + np.sum(np.log(np.arange(1, len(rows) + 1)))
