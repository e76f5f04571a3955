r"""Preconditioning: inputs and targets of unit variance at every noise level.

Karras et al. 2022, arXiv:2206.00364, eq. 7 and table 1, for any affine path x = alpha d + sigma n,
with noise n of unit variance and data d of mean zero and standard deviation s::

    data = c_skip x + c_out F(c_in x, t),      V = Var x = alpha^2 s^2 + sigma^2
    c_in = 1 / sqrt(V),   c_skip = alpha s^2 / V,   c_out = sigma s / sqrt(V)

F is the network; alpha = 1 gives their table. Its target follows from the ends, and so does the
noise from its output, without a division by alpha or sigma::

    F     = (sigma / s sqrt(V)) d - (alpha s / sqrt(V)) n
    noise = (sigma / V) x - (alpha s / sqrt(V)) F

An output of zero, where training starts, is the best linear denoiser. Errors of F weigh all noise
levels alike, as in their table 1; with s = 1 along a variance-preserving path F is minus the
velocity of Salimans and Ho 2022, arXiv:2202.00512. Networks see t itself, so there is no c_noise.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from galgen.checked import Positive, checked
from galgen.generative.objectives.prediction import Prediction, require_affine, require_noise
from galgen.generative.paths.path import Ends


@dataclasses.dataclass(frozen=True)
@checked
class PreconditionedPrediction(Prediction):
    """The network outputs F; see the module's docstring.

    Attributes:
        std: s, the standard deviation of every column of the data; 1 where standardised.
    """

    std: Positive = 1.0

    def check(self, path):
        require_affine(path, "for preconditioning")
        require_noise(path, "for preconditioning")

    def _scales(self, path, t, x):
        """(alpha s, sigma, sqrt(V)), to broadcast against ``x``, in its precision."""
        alpha, sigma = path.scales(t, x)
        signal = alpha * self.std
        return (c.astype(x.dtype) for c in (signal, sigma, jnp.sqrt(signal**2 + sigma**2)))

    def scale_input(self, path, x, t):
        *_, width = self._scales(path, t, x)
        return x / width

    def target(self, path, ends, t, unit):
        signal, sigma, width = self._scales(path, t, ends.data)
        return (sigma / self.std * ends.data - signal * ends.noise) / width

    def solve(self, path, output, x, t, unit):
        signal, sigma, width = self._scales(path, t, x)
        scaled = x / width
        data = self.std / width * (signal * x / width + sigma * output)
        return Ends(data, sigma / width * scaled - signal / width * output)
