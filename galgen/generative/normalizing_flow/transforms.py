r"""Monotone maps of one number, whose parameters a network gives: what flows are made of.

Affine (Dinh et al. 2016, arXiv:1605.08803, eq. 5), with log scale a and shift b::

    x = z exp(a) + b,  log dx/dz = a,  a = A tanh(raw / A)

so that no step of training can overflow the exponential.

Rational-quadratic spline (Durkan et al. 2019, arXiv:1906.04032, after Gregory and Delbourgo 1982):
K bins carry [-B, B] onto itself, with knots (z_k, x_k) and slopes d_k at them; outside, x = z
(linear tails, of slope 1 at both ends, so that the map is once differentiable everywhere). In a bin
of width w and height h, with s = h / w and u = (z - z_k) / w (eqs. 4 and 5)::

    x = x_k + h (s u^2 + d_k u (1 - u)) / D,     D = s + (d_k+1 + d_k - 2 s) u (1 - u)
    dx/dz = s^2 (d_k+1 u^2 + 2 s u (1 - u) + d_k (1 - u)^2) / D^2

and u from x solves a u^2 + b u + c = 0 (appendix A), with v = x - x_k, e = d_k+1 + d_k - 2 s::

    a = h (s - d_k) + v e,   b = h d_k - v e,   c = -s v
    u = 2 c / (-b - r)  where b >= 0,   u = (-b + r) / (2 a)  where b < 0,   r = sqrt(b^2 - 4 a c)

Neither form subtracts numbers that are close: b < 0 implies a > h s > 0. Parameters of zero give
the identity. Values are clipped to the interval before the spline sees them: the branch that
``where`` leaves out would otherwise give infinite values, and with them gradients that are not
numbers.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.checked import Positive, between, checked

SMALLEST = 1e-2
"""Of a slope at a knot, and of a bin over the mean bin: what single precision can invert."""


class ScalarTransform(abc.ABC):
    """A monotone map of one number; parameters of zero make it the identity."""

    @property
    @abc.abstractmethod
    def parameters(self) -> int:
        """Numbers that define one map."""

    @abc.abstractmethod
    def forward(
        self, z: Float[Array, "*shape"], raw: Float[Array, "*shape parameters"]
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        """x and log dx/dz."""

    @abc.abstractmethod
    def inverse(
        self, x: Float[Array, "*shape"], raw: Float[Array, "*shape parameters"]
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        """z and log dz/dx."""


@dataclasses.dataclass(frozen=True)
@checked
class Affine(ScalarTransform):
    """Scale and shift.

    Attributes:
        largest_log_scale: A, the bound on the logarithm of the scale.
    """

    largest_log_scale: Positive = 4.0

    @property
    def parameters(self) -> int:
        return 2

    def forward(
        self, z: Float[Array, "*shape"], raw: Float[Array, "*shape parameters"]
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        log_scale = self._log_scale(raw)
        return z * jnp.exp(log_scale) + raw[..., 1], log_scale

    def inverse(
        self, x: Float[Array, "*shape"], raw: Float[Array, "*shape parameters"]
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        log_scale = self._log_scale(raw)
        return (x - raw[..., 1]) * jnp.exp(-log_scale), -log_scale

    def _log_scale(self, raw: Float[Array, "*shape parameters"]) -> Float[Array, "*shape"]:
        return self.largest_log_scale * jnp.tanh(raw[..., 0] / self.largest_log_scale)


@dataclasses.dataclass(frozen=True)
class _Bin:
    """The bin that each number is in, in the symbols of the module's docstring."""

    z: Float[Array, "*shape"]
    x: Float[Array, "*shape"]
    w: Float[Array, "*shape"]
    h: Float[Array, "*shape"]
    d: Float[Array, "*shape"]
    d_next: Float[Array, "*shape"]

    @property
    def s(self) -> Float[Array, "*shape"]:
        return self.h / self.w

    def denominator(self, u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.s + (self.d_next + self.d - 2.0 * self.s) * u * (1.0 - u)

    def log_slope(self, u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        v = 1.0 - u
        numerator = self.d_next * u**2 + 2.0 * self.s * u * v + self.d * v**2
        return 2.0 * jnp.log(self.s) + jnp.log(numerator) - 2.0 * jnp.log(self.denominator(u))


@dataclasses.dataclass(frozen=True)
@checked
class RationalQuadraticSpline(ScalarTransform):
    """Rational-quadratic spline with linear tails.

    Attributes:
        bins: K.
        bound: B, so scale data to a few units; farther out they pass unchanged.
    """

    bins: Annotated[int, between(2, 2**20)] = 8
    bound: Positive = 5.0

    @property
    def parameters(self) -> int:
        return 3 * self.bins - 1

    def forward(
        self, z: Float[Array, "*shape"], raw: Float[Array, "*shape parameters"]
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        inner = jnp.clip(z, -self.bound, self.bound)
        here = self._locate(raw, inner, by_height=False)
        u = _to_unit_interval((inner - here.z) / here.w)
        x = here.x + here.h * u * (here.s * u + here.d * (1.0 - u)) / here.denominator(u)
        inside = jnp.abs(z) < self.bound
        return jnp.where(inside, x, z), jnp.where(inside, here.log_slope(u), 0.0)

    def inverse(
        self, x: Float[Array, "*shape"], raw: Float[Array, "*shape parameters"]
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        inner = jnp.clip(x, -self.bound, self.bound)
        here = self._locate(raw, inner, by_height=True)
        v = inner - here.x
        excess = v * (here.d_next + here.d - 2.0 * here.s)
        a, b, c = here.h * (here.s - here.d) + excess, here.h * here.d - excess, -here.s * v
        r = jnp.sqrt(jnp.maximum(b**2 - 4.0 * a * c, jnp.finfo(x.dtype).tiny))
        u = jnp.where(b >= 0, 2.0 * c, r - b) / jnp.where(b >= 0, -b - r, 2.0 * a)
        u = _to_unit_interval(u)
        inside = jnp.abs(x) < self.bound
        z = jnp.where(inside, here.z + u * here.w, x)
        return z, jnp.where(inside, -here.log_slope(u), 0.0)

    def _locate(
        self, raw: Float[Array, "*shape parameters"], value: Float[Array, "*shape"], by_height: bool
    ) -> _Bin:
        """The bin of each value: by knots of z, or, ``by_height``, by knots of x."""
        widths, heights, slopes = jnp.split(raw, [self.bins, 2 * self.bins], axis=-1)
        z, x = self._knots(widths), self._knots(heights)
        one = np.log(np.expm1(1.0 - SMALLEST))
        slopes = SMALLEST + jax.nn.softplus(slopes + one)
        slopes = jnp.pad(slopes, [(0, 0)] * (raw.ndim - 1) + [(1, 1)], constant_values=1.0)
        sides = (
            z[..., :-1],
            x[..., :-1],
            jnp.diff(z),
            jnp.diff(x),
            slopes[..., :-1],
            slopes[..., 1:],
        )
        inner_knots = (x if by_height else z)[..., 1:-1]
        index = jnp.sum(value[..., None] >= inner_knots, axis=-1)
        found = jnp.take_along_axis(jnp.stack(sides, axis=-1), index[..., None, None], axis=-2)
        return _Bin(*jnp.moveaxis(found[..., 0, :], -1, 0))

    def _knots(self, raw: Float[Array, "*shape bins"]) -> Float[Array, "*shape knots"]:
        """From -B to B, exactly."""
        share = (SMALLEST / self.bins) + (1.0 - SMALLEST) * jax.nn.softmax(raw, axis=-1)
        inner = self.bound * (2.0 * jnp.cumsum(share[..., :-1], axis=-1) - 1.0)
        ends = [(0, 0)] * (raw.ndim - 1) + [(1, 1)]
        return jnp.pad(inner, ends, constant_values=((-self.bound, self.bound),))


def _to_unit_interval(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Rounding taken off; unlike ``jnp.clip``, of gradient 1 at both ends, where knots are."""
    return jnp.where(u < 0.0, 0.0, jnp.where(u > 1.0, 1.0, u))
