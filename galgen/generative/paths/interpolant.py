r"""Stochastic interpolants between two distributions of data.

Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797, eqs. 2.1 and 4.1, with the linear way::

    x_t = (1 - t) x_0 + t x_1 + gamma(t) z,      gamma(0) = gamma(1) = 0

x_0 from any base, x_1 data, z standard normal. The noise smooths the densities in between where
the ends are rough or lie apart. The velocity to be learned is the mean, at x_t, of::

    d x_t / dt = x_1 - x_0 + gamma'(t) z

Their gamma = scale sqrt(t (1 - t)) has an infinite rate at both ends. Here it is smoothed there::

    gamma(t) = scale u / sqrt(u + smoothing),      u = t (1 - t)

A velocity alone does not tell x_0, x_1 and z apart, so these paths are sampled as an ordinary
differential equation, from a velocity prediction.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import NotNegative, Positive, checked
from galgen.generative.paths.affine import EuclideanPath
from galgen.generative.paths.base import Base, Normal
from galgen.generative.paths.path import Ends, expand_time


@dataclasses.dataclass(frozen=True)
@checked
class StochasticInterpolant(EuclideanPath):
    """A straight way from base to data with noise in the middle; see the module's docstring.

    Attributes:
        base: the distribution of x_0.
        scale: of the noise; its width halfway is about ``scale / 2``. The default is the paper's
            sqrt(2 t (1 - t)); zero is :class:`~galgen.generative.paths.affine.LinearPath`.
        smoothing: of gamma at both ends, in units of t (1 - t).
    """

    base: Base = Normal()
    scale: NotNegative = math.sqrt(2.0)
    smoothing: Positive = 1e-2

    def gamma(self, t: Float[Array, "..."]) -> Float[Array, "..."]:
        """Width of the noise at time ``t``."""
        u = t * (1.0 - t)
        return self.scale * u / jnp.sqrt(u + self.smoothing)

    def interpolate(self, base, data, t):
        """The way without its noise, which :meth:`sample` draws."""
        time = expand_time(t, data).astype(data.dtype)
        return (1.0 - time) * base + time * data

    def velocity(self, noise, data, t):
        return data - noise

    def sample(self, key, base, data, t):
        """x_t, and ends between which its velocity is that of a straight line.

        ``noise`` is x_0 - gamma'(t) z: the base draw as the velocity sees it.
        """
        time = expand_time(t, data)
        gamma, rate = jax.jvp(self.gamma, (time,), (jnp.ones_like(time),))
        z = jax.random.normal(key, data.shape, data.dtype)
        x = self.interpolate(base, data, t) + gamma.astype(data.dtype) * z
        return x, Ends(data, base - rate.astype(data.dtype) * z)
