r"""log p(catalogue | condition): a trained generative model as a likelihood of whole catalogues.

For a catalogue of N points y_i with columns in physical units, a set without an order::

    log p({y_i} | c) = log p(N | c) + log N! + log f(x_1 ... x_N | c) + sum_i log |dx/dy|

with f the density of the standardised rows in their order, estimated by a bound or by a flow
(:mod:`galgen.generative.sampling.log_density`), p(N | c) that of the encoding
(:mod:`galgen.data.cardinality`), and dx/dy = 1 / (scale side) per position, 1 / scale
per other column. The result is the Janossy density (Daley and Vere-Jones 2003, An Introduction to
the Theory of Point Processes, section 5.3) in nats, per (Mpc/h)^3 of each position, km/s of each
velocity component, and unit of any other column as the model has it: ``log_mass`` counts in dex. A
Poisson process of intensity n in volume V has N log n - n V.

log N! and dx/dy are the same at all conditions: they set the scale for comparing models, not the
posterior, and gradients do without them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from scipy.special import gammaln

from galgen.data.batching import pad
from galgen.data.catalogue import POSITIONS, Catalogue
from galgen.data.encoding import CloudEncoding, Encoding
from galgen.errors import InputError
from galgen.generative import Model
from galgen.generative.sampling.log_density import LogDensity, log_density_of
from galgen.inference.priors.prior import Prior
from galgen.inference.results.result_warning import ResultWarning, check_catalogue
from galgen.inference.trained_run import TrainedRun
from galgen.randomness import Role, random_key
from galgen.resolution import divisors
from galgen.training.precision import Precision, multiplying_in
from galgen.types import Params


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedCatalogue:
    """A catalogue as a model sees it.

    ========== ====================== ======================================================
    field      shape                  meaning
    ========== ====================== ======================================================
    x          ``(points, features)`` standardised, padded with zeros
    mask       ``(points,)``          real rows
    constant   float                  nats that log p has at every condition: log N!, the units,
                                      and what p(N | c) does not share with c
    warnings   any number             what sets it apart from the training catalogues
    ========== ====================== ======================================================
    """

    x: Float[np.ndarray, "points features"]
    mask: Bool[np.ndarray, " points"]
    constant: float
    warnings: tuple[ResultWarning, ...] = ()

    @property
    def number(self) -> int:
        """Number of points."""
        return int(self.mask.sum())


@dataclasses.dataclass(frozen=True, eq=False)
class FieldLevel:
    """A trained model as a likelihood; see the module's docstring.

    Attributes:
        model: the family.
        network: as it was trained.
        params: its weights.
        encoding: between its numbers and catalogues.
        density: how log f is estimated; None for what suits the model.
        precision: in which dense layers multiply.
        extrapolate: allow conditions outside the trained range.

    Raises:
        InputError: for a model without a density of clouds or without a condition.
    """

    model: Model
    network: nn.Module
    params: Params = dataclasses.field(repr=False)
    encoding: Encoding[Any]
    density: LogDensity | None = None
    precision: Precision = "float32"
    extrapolate: bool = False

    @classmethod
    def of(
        cls, run: TrainedRun, density: LogDensity | None = None, extrapolate: bool = False
    ) -> FieldLevel:
        """The likelihood of a trained run, in the precision that it was trained in.

        Args:
            run: of catalogues with a condition.
            density: how log f is estimated; what suits the model if not given.
            extrapolate: allow conditions outside the trained range.

        Raises:
            InputError: for a run without a density of clouds or without a condition.
        """
        model, network = run.experiment.model, run.experiment.network
        parts = model, network, run.params, run.encoding, density, run.experiment.precision
        return cls(*parts, extrapolate)

    def __post_init__(self) -> None:
        if not isinstance(self.encoding, CloudEncoding) or not self.encoding.condition_ranges:
            raise InputError(
                "expected a run of catalogues with a condition to infer, got "
                f"{type(self.encoding).__name__} with {list(self.encoding.condition_ranges)}; "
                "train one with --data.condition"
            )
        flow = self.model.with_params(self.network, self.params)
        density = log_density_of(flow) if self.density is None else self.density
        density.check(flow)
        object.__setattr__(self, "density", density)

    @property
    def _clouds(self) -> CloudEncoding:
        assert isinstance(self.encoding, CloudEncoding)
        return self.encoding

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""
        return tuple(self.encoding.condition_ranges)

    def check_prior(self, prior: Prior) -> None:
        """Raise an InputError for a prior of other parameters, or wider than the training."""
        if prior.names != self.names:
            raise InputError(
                f"expected a prior of {list(self.names)} in this order, got {list(prior.names)}; "
                "name the parameters that the run was conditioned on"
            )
        if not self.extrapolate:
            # Both ends must be conditions that the model knows.
            for end in zip(*prior.bounds, strict=True):
                self._clouds.standardizer.encode_condition(np.array(end))

    def encode(self, catalogue: Catalogue) -> EncodedCatalogue:
        """The catalogue in model space.

        Raises:
            InputError: if its box, columns or units are not those of the training.
        """
        standardizer = self._clouds.standardizer
        warnings = check_catalogue(standardizer, catalogue)
        number = len(catalogue)
        size = self._clouds.padded_size(number)
        x, mask = pad([standardizer.encode(catalogue)], size)
        sides = dict(zip(POSITIONS, standardizer.box, strict=True))
        widths = [  # what is constant is left out of the density
            scale * sides.get(name, 1.0)
            for name, scale in zip(standardizer.columns, standardizer.scales, strict=True)
            if scale > 0
        ]
        constant = float(gammaln(number + 1)) - number * float(np.sum(np.log(widths)))
        constant += self._clouds.cardinality.log_constant(number)
        return EncodedCatalogue(x[0], mask[0], constant, warnings)

    def log_prob(
        self,
        encoded: EncodedCatalogue,
        theta: Float[Array, "conditions parameters"],
        key: PRNGKeyArray,
    ) -> Float[Array, " conditions"]:
        """log p at physical conditions, without ``encoded.constant``; pure, differentiable.

        All conditions see the noise of ``key``.
        """
        x, mask = jnp.asarray(encoded.x), jnp.asarray(encoded.mask)
        return self.log_prob_of(self.params, key, x, mask, theta)

    def log_prob_of(
        self,
        params: Params,
        key: PRNGKeyArray,
        x: Float[Array, "points features"],
        mask: Bool[Array, " points"],
        theta: Float[Array, "conditions parameters"],
    ) -> Float[Array, " conditions"]:
        """As :meth:`log_prob`, with weights and catalogue as arguments of a ``jit``."""
        standardizer, density = self._clouds.standardizer, self.density
        assert density is not None
        means = jnp.asarray(standardizer.condition_means, theta.dtype)
        scales = jnp.asarray(divisors(standardizer.condition_scales), theta.dtype)
        condition = (theta - means) / scales
        with multiplying_in(self.precision):
            flow = self.model.with_params(self.network, params)
            points = density(flow, key, x, mask, condition)
        return points + self._clouds.cardinality.log_prob(jnp.sum(mask), condition)

    @functools.cached_property
    def _compiled(self) -> Callable[..., Float[Array, " conditions"]]:
        """Compiled once for every padded size, however many catalogues there are."""
        return jax.jit(self.log_prob_of)

    def evaluate(
        self,
        encoded: EncodedCatalogue,
        grid: Float[np.ndarray, "conditions parameters"],
        seed: int = 0,
        replicas: int | range = 8,
        batch: int = 16,
    ) -> Float[np.ndarray, "replicas conditions"]:
        """Independent estimates of log p at each condition, in nats of physical units.

        Within a replica all conditions share one noise; replicas are independent.

        Args:
            encoded: of :meth:`encode`.
            grid: physical values.
            seed: of the noise.
            replicas: how many estimates, from which their error is told; or which of them.
            batch: conditions per call of the model.

        Raises:
            InputError: for a condition outside the trained range, or fewer than two replicas.
        """
        if isinstance(replicas, int):
            check_replicas(replicas)
        grid = np.asarray(grid, np.float64)
        for row in grid:
            self._clouds.standardizer.encode_condition(row, self.extrapolate)
        batch = min(batch, len(grid))
        filled = math.ceil(len(grid) / batch) * batch
        theta = np.pad(grid, ((0, filled - len(grid)), (0, 0)), mode="edge").astype(np.float32)
        rows = []
        for key in likelihood_noises(seed, replicas):
            parts = [
                self._compiled(self.params, key, encoded.x, encoded.mask, chunk)
                for chunk in np.split(theta, filled // batch)
            ]
            rows.append(np.concatenate(parts)[: len(grid)].astype(np.float64))
        found = np.stack(rows)
        if not np.all(np.isfinite(found)):
            raise FloatingPointError(
                f"expected finite log densities, got {np.sum(~np.isfinite(found))} that are not, "
                f"of {found.size}; the model has diverged there: narrow the prior"
            )
        return found + encoded.constant


def check_replicas(replicas: int) -> None:
    """Refuse a number of replicas from which no error is told."""
    if replicas < 2:
        raise InputError(
            f"expected 2 replicas or more, from which an error is told, got {replicas}; 8 are usual"
        )


def likelihood_noises(seed: int, replicas: int | range) -> list[PRNGKeyArray]:
    """The noises of an estimated likelihood: the same for a grid and for samplers."""
    which = range(replicas) if isinstance(replicas, int) else replicas
    return [random_key(Role.LIKELIHOOD, seed, replica) for replica in which]
