"""Between haloes in a box and what a model on the Lagrangian grid sees."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from jaxtyping import Float, Float32
from scipy.special import ndtr, ndtri

from galgen.checked import NotNegative, Positive, checked
from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CatalogueEncoding, Condition
from galgen.data.field import Field
from galgen.data.normalization import refuse_diverged
from galgen.errors import InputError
from galgen.lagrangian.grid import GridUnits, LagrangianGrid, shape_of
from galgen.lagrangian.grid_draw import GridDraw, GridSource
from galgen.lagrangian.layout import COLUMNS
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.phases import SeededField

if TYPE_CHECKING:
    from galgen.lagrangian.halo_table import HaloTable

LEVELS = (np.arange(200) / 199) ** 0.5
"""At which quantiles of masses are kept: more of them for the heavy."""
PARAMETERS = tuple(field.name for field in dataclasses.fields(Cosmology))
MASS = "minimum_mass"
ROOM = 1.15
"""Rows of a draw over the largest number of haloes that is expected."""
BEYOND = 0.5
"""How far outside training ln sigma(R) and its slope may be, in widths of their range."""
LEAST = 0.05
"""The same at least, where training had one cosmology."""
NEAR = 0.05
"""How far outside training R may be, of itself: haloes of fewer particles were never seen."""
TIMED = 40
"""Cells per side of a box that draws are timed in."""
WIDELY = 3.0
"""How far beyond R of training a mass is looked for, of itself."""
SCATTER = 5.0
"""Standard deviations of the number of haloes in one box that there is room for."""
BIAS = 3.0
"""Of haloes, in that standard deviation."""
LARGEST, FALLS = 300.0, 1.75
"""Radius [Mpc/h] beyond which sigma(R) is extended by a power: it falls faster there."""
SAME = 0.01
"""How far quantities of training differ, of themselves, that are the same for all."""


@dataclasses.dataclass(frozen=True)
@checked
class LagrangianEncoding(CatalogueEncoding):
    """What draws of haloes on a Lagrangian grid need to know of training.

    Attributes:
        units: scales of the grid.
        middle: means of ln sigma(R) and its slope over training.
        spread: their standard deviations.
        offset: root mean square of offsets [R].
        speed: that of speeds [R].
        log_masses: ln(M / least mass) at quantiles.
        density: ln(N R^3 / V) by 1, ln sigma(R) and its slope, standardised.
        parameters: range of each of the five cosmological parameters.
        masses: range of the least mass [Msun/h].
        radii: range of R [Mpc/h].
        shapes: ranges of ln sigma(R) and its slope.
        redshift: of the haloes; linear fields of other redshifts are scaled to it.
        per_volume: range of N / V [h^3/Mpc^3].
    """

    units: GridUnits
    middle: tuple[float, float]
    spread: tuple[Positive, Positive]
    offset: Positive
    speed: Positive
    log_masses: tuple[float, ...]
    density: tuple[float, float, float]
    parameters: tuple[tuple[float, float], ...]
    masses: tuple[Positive, Positive]
    radii: tuple[Positive, Positive]
    shapes: tuple[tuple[float, float], tuple[float, float]]
    redshift: NotNegative = 0.0
    per_volume: tuple[NotNegative, NotNegative] = (0.0, 0.0)

    reads_field = True

    @classmethod
    def fit(cls, units: GridUnits, tables: Sequence[HaloTable]) -> LagrangianEncoding:
        """Of the tables of training.

        Raises:
            InputError: if they are of several redshifts.
        """
        redshifts = sorted({table.redshift for table in tables})
        if len(redshifts) > 1:
            raise InputError(
                f"expected haloes of one redshift, got {redshifts[0]:g} to {redshifts[-1]:g}; "
                "train a model for each"
            )
        shapes = np.array([table.grid.shape for table in tables])
        middle, spread = shapes.mean(axis=0), np.maximum(shapes.std(axis=0), 1e-3)
        known = np.column_stack([np.ones(len(shapes)), (shapes - middle) / spread])
        number = [math.log(len(t.cells) * (t.grid.radius / t.grid.box) ** 3) for t in tables]
        density = np.linalg.lstsq(known, np.array(number), rcond=None)[0]
        masses = np.concatenate([table.log_mass for table in tables]).astype(np.float64)
        each = np.array([list(table.cosmology.as_mapping().values()) for table in tables])

        def rms(name: str) -> float:
            values = np.concatenate([getattr(table, name) for table in tables])
            return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))

        def pair(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
            return float(np.min(values)), float(np.max(values))

        return cls(
            units,
            (float(middle[0]), float(middle[1])),
            (float(spread[0]), float(spread[1])),
            rms("offset"),
            rms("speed"),
            tuple(np.quantile(masses, LEVELS).tolist()),
            tuple(density.tolist()),
            tuple(pair(column) for column in each.T),
            pair([table.minimum_mass for table in tables]),
            pair([table.grid.radius for table in tables]),
            (pair(shapes[:, 0]), pair(shapes[:, 1])),
            redshifts[0],
            pair([(len(t.cells) + t.dropped) / t.grid.box**3 for t in tables]),
        )

    def __str__(self) -> str:
        return "haloes on the Lagrangian grid of a field"

    @property
    def condition_ranges(self) -> dict[str, tuple[float, float]]:
        return {**dict(zip(PARAMETERS, self.parameters, strict=True)), MASS: self.masses}

    def random_conditions(self, number, fixed, seed):
        """Those of the cosmology; the least mass is the usual one where it is not fixed."""
        found = super().random_conditions(number, {**fixed, MASS: 0.0}, seed)
        mass = {MASS: fixed[MASS]} if MASS in fixed else {}
        return [{name: one[name] for name in one if name != MASS} | mass for one in found]

    def kept_fields(self, fields):
        """Those that were given, where a suite can hold them: seeds are in the provenance."""
        if not all(isinstance(field, Field) for field in fields):
            return None
        alike = {(field.mesh, *field.attributes.values()) for field in fields}
        return list(fields) if len(alike) == 1 else None

    def condition_values(self, catalogue):
        known = Cosmology.of(catalogue.cosmology).as_mapping()
        if "mass" not in catalogue.columns or not len(catalogue):
            return known
        return {**known, MASS: float(catalogue.columns["mass"].min())}

    def usual_mass(self, condition: Condition) -> float:
        """The least mass of training at a cosmology: that of all of it, that of the number in a
        volume of all of it, or that of its least R."""
        if alike(self.masses):
            return self.masses[0]
        if alike(self.per_volume):
            return self.mass_of_number(condition, self.per_volume[0], 1.0)
        cosmology = Cosmology.of({name: condition[name] for name in PARAMETERS})
        return cosmology.lagrangian_mass(self.radii[0])

    def asked(self, condition: Condition) -> tuple[Cosmology, float]:
        """The cosmology and the least mass of a condition.

        Raises:
            InputError: if a parameter is missing.
        """
        missing = [name for name in PARAMETERS if name not in condition]
        if missing:
            raise InputError(
                f"expected {', '.join(PARAMETERS)} of each draw, got none of "
                f"{', '.join(missing)}; give them"
            )
        mass = condition.get(MASS)
        cosmology = Cosmology.of({name: condition[name] for name in PARAMETERS})
        return cosmology, self.usual_mass(condition) if mass is None else mass

    def plan(self, conditions, batch, seed, points=None, extrapolate=False):
        draws = []
        if points is not None and points < 1:
            raise InputError(f"expected one halo or more, got {points}; raise it")
        for row, condition in enumerate(conditions):
            if points is not None and MASS in condition:
                raise InputError(
                    f"expected a least mass or a number of haloes, got {condition[MASS]:.3g} "
                    f"Msun/h and {points}; leave one out"
                )
            cosmology, mass = self.asked(condition)
            if not extrapolate:
                self.require_trained(cosmology, mass)
            shape = (1, 256, 3 + COLUMNS)
            asked = (row,), (condition,), None, None, points, extrapolate
            draws.append(GridDraw(shape, None, None, *asked))
        return draws

    def require_trained(self, cosmology: Cosmology, mass: float) -> None:
        """Refuse what is unlike training in R, or in what the network is told."""
        radius = cosmology.lagrangian_radius(mass)
        found = radius, *shape_of(LinearPower(cosmology, self.redshift), radius)
        names = "R [Mpc/h]", "ln sigma(R)", "d ln sigma / d ln R"
        allowed = [(self.radii[0] * (1 - NEAR), self.radii[1] * (1 + NEAR))]
        for low, high in self.shapes:
            beyond = max(BEYOND * (high - low), LEAST)
            allowed.append((low - beyond, high + beyond))
        for name, value, (low, high) in zip(names, found, allowed, strict=True):
            if not low <= value <= high:
                raise InputError(
                    f"expected a cosmology and a least mass near those of training, {name} from "
                    f"{low:.3g} to {high:.3g}, got {value:.3g} for {mass:.3g} Msun/h at omega_m "
                    f"{cosmology.omega_m:.3g} and sigma_8 {cosmology.sigma_8:.3g}; change them, or "
                    "pass --extrapolate"
                )

    def with_fields(self, draws, fields):
        wanted = sum(len(draw.wanted) for draw in draws)
        if fields is None or len(fields) != wanted:
            raise InputError(
                f"expected a linear field for each of {wanted} draws, got "
                f"{'none' if fields is None else len(fields)}; pass --box to draw them, or fields= "
                "of galgen.simulation.linear_field"
            )
        return [self._of_field(draw, fields[draw.rows[0]]) for draw in draws]

    def _of_field(self, draw: GridDraw, field: Any) -> GridDraw:
        """The draw from a field, with rows enough."""
        if not isinstance(field, Field | SeededField):
            raise InputError(
                f"expected fields that know their box, got a {type(field).__name__}; pass "
                "galgen.data.Field(values, box)"
            )
        condition = draw.conditions[0]
        if draw.heaviest is not None:
            condition = self._of_heaviest(draw, field.box)
        number = self.expected_number(condition, field.box)
        need = math.ceil(ROOM * self._at_most(number, condition, field.box)) + 64
        # Few sizes, for each is compiled: eight from one power of two to the next.
        step = max(256, 2 ** (need.bit_length() - 4))
        cosmology, mass = self.asked(condition)
        radius = cosmology.lagrangian_radius(mass)
        told = self.condition_at(
            shape_of(LinearPower(cosmology, self.redshift), radius),
            field.box / self.units.mesh(field.box, radius) / radius,
        )
        return dataclasses.replace(
            draw,
            shape=(1, -(-need // step) * step, draw.shape[2]),
            condition=told[None],
            conditions=(condition,),
            source=GridSource(field, cosmology, mass, self.units, self.redshift),
        )

    def _of_heaviest(self, draw: GridDraw, box: float) -> Condition:
        """The condition with a least mass that leaves more haloes than are wanted."""
        condition, number = draw.conditions[0], draw.heaviest
        assert number is not None
        cosmology, least = self.asked(condition)
        wanted = self._at_most(number, condition, box)
        mass = self.mass_of_number(condition, wanted, box)
        if mass < least * (1.0 - NEAR):
            most = self.expected_number({**condition, MASS: least}, box) * number / wanted
            raise InputError(
                f"expected at most {most:.0f} of the heaviest haloes in {box:g} Mpc/h at omega_m "
                f"{cosmology.omega_m:.3g} and sigma_8 {cosmology.sigma_8:.3g}, for training had "
                f"none below {least:.3g} Msun/h, got {number}; lower --points, or raise --box"
            )
        mass = max(mass, least)
        if not draw.extrapolate:
            self.require_trained(cosmology, mass)
        return {**condition, MASS: mass}

    def _at_most(self, number: float, condition: Condition, box: float) -> float:
        """A number that that of haloes in one box, of this mean, hardly reaches."""
        power = LinearPower(self.asked(condition)[0], self.redshift)
        radius = box * (3.0 / (4.0 * math.pi)) ** (1.0 / 3.0)
        of_box = float(power.sigma(np.array([min(radius, LARGEST)]))[0])
        of_box *= min(1.0, (LARGEST / radius) ** FALLS)
        return number * math.exp(SCATTER * BIAS * of_box) + SCATTER * math.sqrt(number)

    def expected_number(self, condition: Condition, box: float) -> float:
        """Haloes of a box, by a fit to training that knows no field."""
        cosmology, mass = self.asked(condition)
        power = LinearPower(cosmology, self.redshift)
        return math.exp(self._log_density(power, cosmology.lagrangian_radius(mass))) * box**3

    def _log_density(self, power: LinearPower, radius: float) -> float:
        """ln(N / V) of haloes above the mass of R, by the same fit."""
        standard = (np.array(shape_of(power, radius)) - self.middle) / self.spread
        return float(np.dot(self.density, [1.0, *standard])) - 3.0 * math.log(radius)

    def mass_of_number(self, condition: Condition, number: float, box: float) -> float:
        """The least mass [Msun/h] that a number of haloes is expected above, by the same fit."""
        cosmology = Cosmology.of({name: condition[name] for name in PARAMETERS})
        power, wanted = LinearPower(cosmology, self.redshift), math.log(number / box**3)

        def excess(log_radius: float) -> float:
            return self._log_density(power, math.exp(log_radius)) - wanted

        ends = math.log(self.radii[0] / WIDELY), math.log(self.radii[1] * WIDELY)
        if excess(ends[0]) < 0.0 or excess(ends[1]) > 0.0:
            end = ends[0] if excess(ends[0]) < 0.0 else ends[1]
            return cosmology.lagrangian_mass(math.exp(end))
        return cosmology.lagrangian_mass(math.exp(scipy.optimize.brentq(excess, *ends)))

    def fields_to_time(self, conditions):
        """Of a small box."""
        return self.seeded_fields(conditions, 0, TIMED * self.units.cell * self.radii[1])

    def seeded_fields(self, conditions, seed, box):
        asked = [self.asked(condition) for condition in conditions]
        radii = [cosmology.lagrangian_radius(mass) for cosmology, mass in asked]
        # The same points, and so the same phases, for all within training.
        points = self.units.mesh(box, min(self.radii[0], *radii))
        return [
            SeededField(cosmology, seed, row, box, points, self.redshift)
            for row, (cosmology, _) in enumerate(asked)
        ]

    def decode(self, draw, x, provenance):
        grid, rows = draw.grid, x[0][draw.mask[0]]
        if len(rows) == draw.shape[1]:
            raise InputError(
                f"expected fewer than {len(rows)} haloes in {grid.box:g} Mpc/h, got more; the "
                "field is not a linear one of that cosmology: check its amplitude and redshift"
            )
        refuse_diverged(rows)
        cosmology, mass = self.asked(draw.conditions[0])
        redshift = self.redshift
        cells = rows[:, :3].astype(np.int64)
        positions = (grid.carried(cells) + rows[:, 3:6] * self.offset) * grid.radius
        unit = cosmology.growth_rate(redshift) * cosmology.comoving_hubble(redshift)
        speed = grid.speed[(slice(None), *cells.T)].T + rows[:, 7:10] * self.speed
        masses = mass * np.exp(self.log_mass_of(rows[:, 6].astype(np.float64)))
        order = np.argsort(-masses, kind="stable")[: draw.heaviest]
        if draw.heaviest is not None and len(order) < draw.heaviest:
            raise InputError(
                f"expected {draw.heaviest} haloes or more above {mass:.3g} Msun/h in "
                f"{grid.box:g} Mpc/h, got {len(order)} on this field; lower --points"
            )
        wrapped = np.mod(positions[order], grid.box).astype(np.float32)
        wrapped[wrapped >= grid.box] = 0.0
        columns = dict(zip("xyz", wrapped.T, strict=True))
        velocity = (speed[order] * unit * grid.radius).astype(np.float32)
        columns |= dict(zip(("vx", "vy", "vz"), velocity.T, strict=True))
        columns["mass"] = masses[order].astype(np.float32)
        notes = {**provenance, MASS: f"{mass:.6g}"}
        if isinstance(field := draw.source.field, SeededField):
            notes["field"] = f"seed {field.seed}, number {field.number}, {field.points} points"
        return [
            Catalogue(columns, (grid.box,) * 3, redshift, cosmology.as_mapping(), provenance=notes)
        ]

    def condition_of(self, grid: LagrangianGrid) -> Float32[np.ndarray, "3"]:
        """Standardised ln sigma(R) and slope, and the side of a cell [R]."""
        return self.condition_at(grid.shape, grid.cell)

    def condition_at(self, shape: tuple[float, float], cell: float) -> Float32[np.ndarray, "3"]:
        """The same of ln sigma(R) and its slope."""
        standard = (np.array(shape) - self.middle) / self.spread
        return np.append(standard, cell).astype(np.float32)

    def marks_of(
        self, table: HaloTable, rng: np.random.Generator
    ) -> Float32[np.ndarray, "points 7"]:
        """Offset, mass and speed, standardised; masses that are equal are spread at random."""
        mass = ndtri(np.clip(self._levels(table.log_mass, rng), 1e-4, 1 - 1e-4))[:, None]
        parts = [table.offset / self.offset, mass, table.speed / self.speed]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _levels(
        self, log_mass: Float[np.ndarray, " points"], rng: np.random.Generator
    ) -> Float[np.ndarray, " points"]:
        rising = np.array(self.log_masses) + 1e-9 * np.arange(len(LEVELS))
        low, high = (np.interp(log_mass + shift, rising, LEVELS) for shift in (-1e-4, 1e-4))
        return low + (high - low) * rng.uniform(size=len(log_mass))

    def log_mass_of(self, normal: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
        """ln(M / least mass) of standard marks."""
        return np.interp(ndtr(normal), LEVELS, np.array(self.log_masses))


def alike(ends: tuple[float, float]) -> bool:
    """Whether a range is one value."""
    return 0.0 < ends[1] < (1.0 + SAME) * ends[0]
