"""Whether a field and the points of a catalogue share phases, and how its axes lie if they do.

Large waves of haloes and galaxies follow those of the initial conditions. With d and h the
modes of the field and of the number of points, theta the difference of their phases, and N
independent modes up to a wavenumber, the agreement of phases and the correlation coefficient are::

    c = (1/N) sum_k cos theta_k            r(k) = Re <d h*> / sqrt(<|d|^2> <|h|^2>)

Phases of an unrelated Gaussian field are uniform whatever its spectrum. The mean of exp(t cos
theta) is then I_0(t) <= exp(t^2 / 4), so that by Chernoff's bound (1952, Ann. Math. Stat. 23, 493)
c exceeds a value with probability p or less::

    N c^2 = ln(1 / p)      of one arrangement,      N c^2 = ln(T / p)      of any of T

A field fits as it is if N c^2 > ln(1 / p), with p = :data:`CHANCE`. Another arrangement fits better
if its N c^2 is larger by more than ln(2 T / p): T = 48 for the orders and directions of axes, and
48 M^3 with shifts as well, on a mesh of M points per side that oversamples the waves twice. So of
fields of another box no more than a share p passes, and to no more than p is an arrangement given.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float

from galgen.data.field import resampled_modes
from galgen.errors import InputError
from galgen.mass_assignment import shares

CHANCE = 1e-4
"""Probability of either error, at most."""
WAVENUMBER = 0.15
"""Up to which waves are compared [h/Mpc], where the box has between so many along an axis:"""
WAVES = (4, 16)
AXES = ("xyz", "xzy", "yxz", "yzx", "zxy", "zyx")
MIRRORS = ("", "x", "y", "z", "xy", "xz", "yz", "xyz")
NEWTON = 4
"""Steps from the highest point of a mesh to the maximum beside it."""


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """How the array of a field lies in the box.

    Attributes:
        axes: of the box, along which its first, second and third index run.
        mirror: axes of the box along which it runs backwards.
        shift: cells from the corner of the box to its first point, along x, y and z.
    """

    axes: str = "xyz"
    mirror: str = ""
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def turned(self, cube: np.ndarray) -> np.ndarray:
        """A cube of values, or of all its modes, with axes x, y, z that run forwards."""
        cube = cube.transpose([self.axes.index(axis) for axis in "xyz"])
        for axis in map("xyz".index, self.mirror):
            cube = np.roll(np.flip(cube, axis), 1, axis)
        return cube

    def applied(
        self, values: Float[np.ndarray, "mesh mesh mesh"], mesh: int | None = None
    ) -> Float[np.ndarray, "new new new"]:
        """The field as it lies in the box, low-passed to another mesh if one is given."""
        turned, size = self.turned(values), len(values)
        whole = [round(cells) for cells in self.shift]
        if mesh in (None, size) and np.array_equal(whole, self.shift):
            return np.roll(turned, whole, (0, 1, 2))
        mesh = mesh or size
        modes = resampled_modes(scipy.fft.rfftn(turned, workers=1), mesh)
        for axis, cells in enumerate(self.shift):
            number = np.fft.fftfreq(mesh, 1 / mesh) if axis < 2 else np.arange(mesh // 2 + 1)
            phase = np.exp(-2j * np.pi * number * cells / size).astype(np.complex64)
            modes *= phase.reshape([-1 if a == axis else 1 for a in range(3)])
        return scipy.fft.irfftn(modes, s=(mesh,) * 3, workers=1)

    def remedy(self) -> str:
        """How it is asked for."""
        shift = " ".join(f"{cells:g}" for cells in self.shift)
        given = [f"--field-axes {self.axes}"] * (self.axes != "xyz")
        given += [f"--field-mirror {self.mirror}"] * bool(self.mirror)
        given += [f"--field-shift {shift}"] * any(self.shift)
        return f"pass {' '.join(given)}" if given else "leave out how --field-... turns it"

    def __str__(self) -> str:
        mirror = f", backwards along {' '.join(self.mirror)}" if self.mirror else ""
        shift = " ".join(f"{cells:g}" for cells in self.shift)
        moved = f", the first point {shift} cells from the corner" if any(self.shift) else ""
        return f"{' '.join(self.axes)}{mirror}{moved}"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the large waves of a field and of points say of each other.

    Attributes:
        agreement: c of the field as it is given.
        chance: what c of one in 1 / :data:`CHANCE` unrelated fields exceeds, at most.
        better: the simplest of the arrangements that fit clearly better than the given one, and
            about as well as the best; None if none does.
        best: c of that, or of the field as it is given.
        correlation: r of the field as it is given, by wavenumber.
    """

    agreement: float
    chance: float
    better: Arrangement | None
    best: float
    correlation: Mapping[str, float]


class Waves:
    """The large waves of a field and of points in one periodic box.

    Args:
        values: of the field, as its array lies.
        positions: of the points, in sides of the box.
        box: the side [Mpc/h].

    Raises:
        InputError: if the mesh holds too few waves.
    """

    def __init__(
        self,
        values: Float[np.ndarray, "mesh mesh mesh"],
        positions: Float[np.ndarray, "points 3"],
        box: float,
    ) -> None:
        self._cells, (fewest, most) = len(values), WAVES
        if len(values) < 2 * fewest:
            raise InputError(
                f"expected a field of {2 * fewest} points per side or more, got {len(values)}, too "
                "few to tell whether it is of this box; pass a finer one, or --no-check-field"
            )
        wanted = min(max(int(WAVENUMBER * box / (2 * math.pi)), fewest), most)
        waves = min(wanted, (len(values) - 1) // 2)
        self._mesh = mesh = 4 * waves
        number = np.rint(np.fft.fftfreq(mesh, 1 / mesh))
        vectors = np.stack(np.meshgrid(*[number] * 3, indexing="ij"), axis=-1)
        length = np.linalg.norm(vectors, axis=-1)
        self._large = (length > 0) & (length <= waves)
        self._vectors, self._length = vectors[self._large], length[self._large]
        self._unit = 2 * math.pi / box
        low = resampled_modes(scipy.fft.rfftn(values, workers=1), mesh)
        field = scipy.fft.irfftn(low, s=(mesh,) * 3, workers=1)
        self._field = scipy.fft.fftn(field, workers=1) * self._large
        self._points = scipy.fft.fftn(_painted(positions * mesh, mesh), workers=1) * self._large

    def verdict(self, given: Arrangement) -> Verdict:
        """Whether the field fits as it is given, or clearly better in another arrangement."""
        agreement, modes = self.agreement(given), len(self._vectors) / 2

        def behind(found: float, other: Arrangement, trials: int) -> bool:
            lead = max(self.agreement(other), 0.0) ** 2 - max(found, 0.0) ** 2
            return modes * lead > math.log(trials / CHANCE)

        better, turned = None, len(AXES) * len(MIRRORS)
        resting, moved = self._best()
        if behind(agreement, moved, 2 * turned * self._mesh**3):
            simpler = [_rounded(moved, step, self._cells) for step in (self._cells / 2, 1.0, 0.5)]
            fitting = (a for a in simpler if not behind(self.agreement(a), moved, 1))
            better = next(fitting, simpler[-1])
        elif behind(agreement, resting, 2 * turned):
            better = resting
        return Verdict(
            agreement,
            math.sqrt(math.log(1 / CHANCE) / modes),
            better,
            self.agreement(better or given),
            self._correlation(given),
        )

    def agreement(self, arrangement: Arrangement) -> float:
        """c of the field in an arrangement."""
        waves = self._cross(_phases(self._field), _phases(self._points), arrangement)
        return float(waves.real.mean())

    def _correlation(self, arrangement: Arrangement) -> dict[str, float]:
        """r of the longer and of the shorter waves."""
        waves = self._cross(self._field, self._points, arrangement)
        middle, result = self._length.max() / 2, {}
        for low, high in ((0.0, middle), (middle, 2 * middle)):
            chosen = (self._length > low) & (self._length <= high)
            norms = [np.linalg.norm(f[self._large][chosen]) for f in (self._field, self._points)]
            name = f"{low * self._unit:.2g} < k < {high * self._unit:.2g} h/Mpc"
            result[name] = float(waves[chosen].real.sum() / max(np.prod(norms), 1e-300))
        return result

    def _cross(
        self,
        field: Complex[np.ndarray, "side side side"],
        points: Complex[np.ndarray, "side side side"],
        arrangement: Arrangement,
    ) -> Complex[np.ndarray, " waves"]:
        """Each large wave of the points times the conjugate of that of the arranged field."""
        cycles = self._vectors @ np.array(arrangement.shift) / self._cells
        turned = arrangement.turned(field)[self._large]
        return turned.conj() * points[self._large] * np.exp(2j * np.pi * cycles)

    def _best(self) -> tuple[Arrangement, Arrangement]:
        """Those of the largest c: without a shift, and with one, between the mesh points too."""
        field, points = _phases(self._field), _phases(self._points)
        resting, shifted = {}, {}
        for arrangement in itertools.starmap(Arrangement, itertools.product(AXES, MIRRORS)):
            cross = arrangement.turned(field).conj() * points
            agreement = scipy.fft.ifftn(cross, workers=1).real
            resting[arrangement] = agreement[0, 0, 0]
            shifted[arrangement] = agreement.max(), agreement.argmax()
        best = max(shifted, key=lambda arrangement: shifted[arrangement][0])
        place = np.array(np.unravel_index(shifted[best][1], (self._mesh,) * 3))
        waves, angles = self._cross(field, points, best), 2 * np.pi * self._vectors
        shifts = [place / self._mesh]
        for _ in range(NEWTON):
            moved = waves * np.exp(1j * (angles @ shifts[-1]))
            curvature = (angles * moved.real[:, None]).T @ angles
            shifts.append(shifts[-1] - np.linalg.lstsq(curvature, angles.T @ moved.imag)[0])
        made = [dataclasses.replace(best, shift=tuple(shift * self._cells)) for shift in shifts]
        return max(resting, key=resting.__getitem__), max(made, key=self.agreement)


def _phases(
    modes: Complex[np.ndarray, "side side side"],
) -> Complex[np.ndarray, "side side side"]:
    """Modes of amplitude one; those without amplitude stay zero."""
    size = np.abs(modes)
    return np.divide(modes, size, out=np.zeros_like(modes), where=size > 0)


def _rounded(arrangement: Arrangement, step: float, cells: int) -> Arrangement:
    """With a shift of whole steps, between -1/2 and 1/2 of the side."""
    steps = [step * round(moved / step) for moved in arrangement.shift]
    a, b, c = (cells / 2 - (cells / 2 - moved) % cells for moved in steps)
    return dataclasses.replace(arrangement, shift=(a, b, c))


def _painted(
    places: Float[np.ndarray, "points 3"], mesh: int
) -> Float[np.ndarray, "mesh mesh mesh"]:
    """Points on a periodic mesh by triangular-shaped clouds; places are in cells."""
    nearest = np.rint(places)
    weights = np.stack(shares(places - nearest, 3))
    total = np.zeros(mesh**3)
    for step in np.ndindex(3, 3, 3):
        cell = (nearest.astype(np.int64) + np.array(step) - 1) % mesh
        weight = math.prod(weights[step[axis], :, axis] for axis in range(3))
        total += np.bincount(np.ravel_multi_index(tuple(cell.T), (mesh,) * 3), weight, mesh**3)
    return total.reshape((mesh,) * 3)
