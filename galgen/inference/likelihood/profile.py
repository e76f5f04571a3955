r"""Log densities over a grid of conditions and the posterior there, with their Monte Carlo error.

R replicas give estimates L_r(c) whose noise is shared between conditions and independent between
replicas. The value at c is their mean; the error of a difference L(c) - L(c') is that of the mean
of the R differences, in which the shared noise has cancelled::

    error^2(c, c') = sum over r (d_r - d)^2 / (R (R - 1)),    d_r = L_r(c) - L_r(c')

A posterior is proportional to prior(c) exp L(c). The error of its moments is found by the
jackknife (Efron 1982, The Jackknife, eq. 3.3): with m_(r) the moment without replica r,

    error^2 = (R - 1) / R  sum over r (m_(r) - m)^2
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.inference.likelihood.chebyshev import ChebyshevGrid, product, weights
from galgen.inference.likelihood.field_level import FieldLevel, check_replicas
from galgen.inference.priors.prior import Prior
from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling.result import PosteriorSamples
from galgen.printing import printable
from galgen.randomness import Role, random_generator

NOISY = 0.3
"""Largest Monte Carlo error of a mean without a warning, in units of the posterior's width."""
COARSE = 0.3
"""Nats that an interpolation may miss."""
SETTLED = 0.1
"""Monte Carlo error of a mean, in units of the width, from which on no replica is added."""
TOGETHER = 2
"""Replicas that are added at once."""
FAR = 10.0
"""Nats below the peak from which on a posterior counts for nothing."""
ZOOMS = 8
"""Grids at most, each in the last."""


@dataclasses.dataclass(frozen=True, eq=False)
class Profile:
    """log p(catalogue | condition) over a grid of conditions, in nats of physical units.

    ========= ======================== ====================================================
    field     shape                    meaning
    ========= ======================== ====================================================
    names     one per parameter        of the condition
    grid      ``(points, parameters)`` conditions, physical values
    replicas  ``(replicas, points)``   independent estimates, each with one noise for all
    warnings  any number               what is unusual about the catalogue
    ========= ======================== ====================================================
    """

    names: tuple[str, ...]
    grid: Float[np.ndarray, "points parameters"]
    replicas: Float[np.ndarray, "replicas points"]
    warnings: tuple[ResultWarning, ...] = ()

    @property
    def value(self) -> Float[np.ndarray, " points"]:
        """log p at every condition."""
        return self.replicas.mean(axis=0)

    @property
    def error(self) -> Float[np.ndarray, " points"]:
        """The Monte Carlo standard error of each value, most of which conditions share."""
        return self.replicas.std(axis=0, ddof=1) / np.sqrt(len(self.replicas))

    @property
    def difference_error(self) -> Float[np.ndarray, "points points"]:
        """The standard error of the difference between every two values."""
        differences = self.replicas[:, :, None] - self.replicas[:, None, :]
        return differences.std(axis=0, ddof=1) / np.sqrt(len(self.replicas))

    @property
    def best(self) -> dict[str, float]:
        """The condition of the highest value."""
        return dict(zip(self.names, self.grid[np.argmax(self.value)].tolist(), strict=True))


def profile(
    field: FieldLevel,
    catalogue: Catalogue,
    grid: Float[np.ndarray, "points parameters"],
    seed: int = 0,
    replicas: int = 8,
    batch: int = 16,
) -> Profile:
    """log p of a catalogue at every condition of a grid; arguments as of ``FieldLevel.evaluate``.

    Raises:
        InputError: for a catalogue or a condition that the model was not trained for.
    """
    encoded = field.encode(catalogue)
    values = field.evaluate(encoded, grid, seed, replicas, batch)
    return Profile(field.names, np.asarray(grid, np.float64), values, encoded.warnings)


@dataclasses.dataclass(frozen=True, eq=False)
class GridPosterior:
    """A posterior on a fine grid, and what Monte Carlo noise does to it.

    =========== ============================ ==============================================
    field       shape                        meaning
    =========== ============================ ==============================================
    names       one per parameter
    axes        one array per parameter      values along each
    replicas    ``(replicas, points)``       log posteriors, up to a constant, at the product
                                             of ``axes``
    warnings    any number                   of the catalogue, the grid, the noise
    =========== ============================ ==============================================
    """

    names: tuple[str, ...]
    axes: tuple[Float[np.ndarray, " _"], ...]
    replicas: Float[np.ndarray, "replicas points"]
    warnings: tuple[ResultWarning, ...] = ()

    def __repr__(self) -> str:
        moments = zip(self.names, self.mean, self.std, strict=True)
        found = ", ".join(f"{n} {m:.4g} +- {d:.2g}" for n, m, d in moments)
        return printable(f"GridPosterior({found})")

    @property
    def probability(self) -> Float[np.ndarray, " points"]:
        """Probability of the cell around every point; they sum to one."""
        return _normalised(self.replicas.mean(axis=0), weights(self.axes))

    @property
    def mean(self) -> Float[np.ndarray, " parameters"]:
        """The posterior mean."""
        return self._moment(_mean)[0]

    @property
    def mean_error(self) -> Float[np.ndarray, " parameters"]:
        """Its Monte Carlo standard error."""
        return self._moment(_mean)[1]

    @property
    def std(self) -> Float[np.ndarray, " parameters"]:
        """The posterior standard deviation."""
        return self._moment(_std)[0]

    @property
    def std_error(self) -> Float[np.ndarray, " parameters"]:
        """Its Monte Carlo standard error."""
        return self._moment(_std)[1]

    def _moment(self, moment: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """A moment and its jackknife error."""
        points, cells, number = product(self.axes), weights(self.axes), len(self.replicas)
        whole = self.replicas.mean(axis=0)
        value = moment(_normalised(whole, cells), points)
        without = (number * whole - self.replicas) / (number - 1)
        left_out = np.stack([moment(_normalised(row, cells), points) for row in without])
        error = np.sqrt((number - 1) / number * np.sum((left_out - value) ** 2, axis=0))
        return value, error

    def marginal(self, name: str) -> Float[np.ndarray, " _"]:
        """The density of one parameter along its axis."""
        i = self.names.index(name)
        shape = tuple(len(axis) for axis in self.axes)
        others = tuple(j for j in range(len(shape)) if j != i)
        mass = self.probability.reshape(shape).sum(axis=others)
        return np.asarray(mass / weights((self.axes[i],)))

    def sample(
        self, rng: np.random.Generator, number: int
    ) -> Float[np.ndarray, "number parameters"]:
        """Independent draws, spread evenly over the cell of the point that was drawn."""
        place = rng.choice(len(self.probability), number, p=self.probability)
        index = np.unravel_index(place, [len(axis) for axis in self.axes])
        columns = []
        for axis, i in zip(self.axes, index, strict=True):
            edges = np.concatenate([axis[:1], 0.5 * (axis[1:] + axis[:-1]), axis[-1:]])
            columns.append(rng.uniform(edges[i], edges[i + 1]))
        return np.stack(columns, axis=-1)

    def drawn(self, chains: int = 4, draws: int = 1000, seed: int = 0) -> PosteriorSamples:
        """Independent draws as samplers give them, with the Monte Carlo error of the mean."""
        samples = self.sample(random_generator(Role.GRID_DRAWS, seed), chains * draws)
        shape = (chains, draws, len(self.names))
        return PosteriorSamples(
            self.names, samples.reshape(shape), warnings=self.warnings, noise=self.mean_error
        )


def grid_posterior(
    field: FieldLevel,
    catalogue: Catalogue,
    prior: Prior,
    number: int = 5,
    fine: int = 101,
    seed: int = 0,
    replicas: int = 8,
    batch: int = 25,
) -> GridPosterior:
    """The posterior of one or two parameters, from log densities at ``number`` points along each.

    They are Chebyshev points between the bounds of the prior, interpolated to ``fine`` points.
    While two replicas are interpolated badly, the next grid takes the part where the posterior may
    be. Replicas are added until they move the mean by a tenth of the width or less.

    Args:
        field: the likelihood.
        catalogue: what was observed.
        prior: with finite bounds.
        number: of points along each parameter.
        fine: of points along each parameter, interpolated.
        seed, batch: of ``FieldLevel.evaluate``.
        replicas: at most.

    Raises:
        InputError: for a prior without bounds or wider than the training, a catalogue that the
            model was not trained for, or fewer than two replicas.
    """
    check_replicas(replicas)
    field.check_prior(prior)
    encoded = field.encode(catalogue)

    def posterior_of(coarse: ChebyshevGrid, values: np.ndarray) -> GridPosterior:
        axes = tuple(np.linspace(low, high, fine) for low, high in coarse.bounds)
        found = coarse.interpolate(values, axes) + _log_prior(prior, product(axes))
        return GridPosterior(field.names, axes, found, encoded.warnings)

    def further(coarse: ChebyshevGrid, values: np.ndarray) -> np.ndarray:
        """The values with those of the next replicas."""
        span = range(len(values), min(len(values) + TOGETHER, replicas))
        new = field.evaluate(encoded, coarse.points, seed, span, batch)
        return np.concatenate([values, new])

    coarse = ChebyshevGrid(prior.bounds, number)
    none = np.zeros((0, len(coarse.points)))
    values = further(coarse, none)
    for _ in range(ZOOMS):
        missed = float(coarse.highest(values.mean(axis=0)))
        smaller = _support(posterior_of(coarse, values), FAR + 2.0 * missed)
        if missed <= COARSE or smaller == coarse.bounds:
            break
        coarse = ChebyshevGrid(smaller, number)
        values = further(coarse, none)
    while len(values) < replicas and not _settled(posterior_of(coarse, values)):
        values = further(coarse, values)
    posterior, missed = posterior_of(coarse, values), float(coarse.highest(values.mean(axis=0)))
    return dataclasses.replace(posterior, warnings=posterior.warnings + _judged(posterior, missed))


def _settled(posterior: GridPosterior) -> bool:
    """Whether more replicas would hardly move it."""
    few = len(posterior.replicas) < 2 * TOGETHER
    return not few and bool(np.all(posterior.mean_error <= SETTLED * posterior.std))


def _support(posterior: GridPosterior, nats: float) -> tuple[tuple[float, float], ...]:
    """The box that holds all within so many nats of the peak, and two points around it."""
    log = posterior.replicas.mean(axis=0).reshape([len(axis) for axis in posterior.axes])
    near = log > log.max() - nats
    bounds = []
    for i, axis in enumerate(posterior.axes):
        held = np.flatnonzero(near.any(axis=tuple(j for j in range(near.ndim) if j != i)))
        low, high = max(held[0] - 2, 0), min(held[-1] + 2, len(axis) - 1)
        bounds.append((float(axis[low]), float(axis[high])))
    return tuple(bounds)


def _log_prior(prior: Prior, points: np.ndarray) -> Float[np.ndarray, " points"]:
    """The log prior, with a finite number far below all others where it is zero.

    Raises:
        InputError: for a density that is NaN or infinite, or zero everywhere.
    """
    found = np.asarray(prior.log_prob(jnp.asarray(points, jnp.float32)), np.float64)
    wrong, possible = np.isnan(found) | (found == np.inf), np.isfinite(found)
    if wrong.any() or not possible.any():
        raise InputError(
            f"expected a prior density of {list(prior.names)} that is finite, and positive "
            f"somewhere within its bounds, got {wrong.sum()} NaN or infinite and "
            f"{possible.sum()} positive of {found.size}; mend the density"
        )
    return np.where(possible, found, -1e9)


def _judged(posterior: GridPosterior, missed: float) -> tuple[ResultWarning, ...]:
    found = []
    steps = [float(axis[1] - axis[0]) for axis in posterior.axes]
    rows = zip(posterior.names, posterior.std, steps, strict=True)
    narrow = [name for name, std, step in rows if not std > 0.5 * step]
    noise = posterior.mean_error / np.maximum(posterior.std, steps)
    if not np.max(noise) <= NOISY:
        text = f"Monte Carlo moves the mean by {np.max(noise):.2g} posterior deviations"
        found.append(ResultWarning("noise", f"{text}; raise --replicas"))
    if not missed <= COARSE:
        text = f"interpolation misses up to {missed:.2g} nats; raise --grid"
        found.append(ResultWarning("grid", text))
    if narrow:
        text = f"the posterior of {', '.join(narrow)} is narrower than a step of the grid"
        found.append(ResultWarning("grid", f"{text}; narrow the bounds"))
    return tuple(found)


def _normalised(log, cells):
    mass = np.exp(log - log.max()) * cells
    return mass / mass.sum()


def _mean(probability, points):
    return probability @ points


def _std(probability, points):
    mean = probability @ points
    return np.sqrt(probability @ (points - mean) ** 2)
