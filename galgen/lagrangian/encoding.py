"""Between haloes in a box and what a model on the Lagrangian grid sees."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32
from scipy.special import ndtr, ndtri

from galgen.checked import NotNegative, Positive, checked
from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CatalogueEncoding, Condition, Draw
from galgen.data.field import Field
from galgen.data.normalization import refuse_diverged
from galgen.errors import InputError
from galgen.lagrangian.grid import GridUnits, LagrangianGrid, shape_of
from galgen.lagrangian.layout import COLUMNS, INPUTS
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.phases import SeededField

if TYPE_CHECKING:
    from galgen.lagrangian.halo_table import HaloTable
    from galgen.types import Batch

LEVELS = (np.arange(200) / 199) ** 0.5
"""At which quantiles of masses are kept: more of them for the heavy."""
PARAMETERS = tuple(field.name for field in dataclasses.fields(Cosmology))
MASS = "minimum_mass"
ROOM = 1.4
"""Rows of a draw over the number of haloes that are expected."""
BEYOND = 0.5
"""How far outside training ln sigma(R) and its slope may be, in widths of their range."""
LEAST = 0.05
"""The same at least, where training had one cosmology."""
NEAR = 0.05
"""How far outside training R may be, of itself: haloes of fewer particles were never seen."""
TIMED = 40
"""Cells per side of a box that draws are timed in."""


@dataclasses.dataclass(frozen=True)
class GridDraw(Draw):
    """One catalogue to be drawn from a field, whose grid is made when it is needed.

    Attributes:
        source: the field, or how it is made; None for none yet.
        encoding: of the run.
    """

    source: Field | SeededField | None = None
    encoding: LagrangianEncoding | None = None

    @property
    def grid(self) -> LagrangianGrid:
        """The Lagrangian grid of the field."""
        assert self.encoding is not None and self.source is not None
        return _grid_of(self.source, self.encoding, tuple(sorted(self.conditions[0].items())))

    @property
    def blank(self) -> Batch:
        from galgen.types import Batch

        x = np.zeros(self.shape, np.float32)
        if self.source is None:
            field, condition = np.zeros((1, 8, 8, 8, INPUTS + 24), np.float32), np.ones((1, 3))
            return Batch(x, None, condition.astype(np.float32), field=field)
        assert self.encoding is not None
        condition = self.encoding.condition_of(self.grid)
        return Batch(x, None, condition[None], field=self.grid.inputs()[None])

    @property
    def field_digest(self) -> bytes:
        assert self.source is not None
        return self.source.digest


@functools.lru_cache(maxsize=1)
def _grid_of(
    source: Field | SeededField,
    encoding: LagrangianEncoding,
    condition: tuple[tuple[str, float], ...],
) -> LagrangianGrid:
    cosmology, mass = encoding.asked(dict(condition))
    field = source.made() if isinstance(source, SeededField) else source
    return LagrangianGrid.of(field, cosmology, mass, encoding.units, encoding.redshift)


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
        )

    def __str__(self) -> str:
        return "haloes on the Lagrangian grid of a field"

    @property
    def condition_ranges(self) -> dict[str, tuple[float, float]]:
        return {**dict(zip(PARAMETERS, self.parameters, strict=True)), MASS: self.masses}

    def random_conditions(self, number, fixed, seed):
        mass = fixed.get(MASS)
        found = super().random_conditions(number, {**fixed, MASS: 0.0}, seed)
        return [{**one, MASS: self.usual_mass(one) if mass is None else mass} for one in found]

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
        """The least mass of training at a cosmology: that of all of it, or else of its least R."""
        low, high = self.masses
        if high / low < 1.01:
            return low
        density = Cosmology.of({name: condition[name] for name in PARAMETERS}).mean_matter_density
        return 4.0 / 3.0 * math.pi * density * self.radii[0] ** 3

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
        if points is not None:
            raise InputError(
                f"expected no number of points of a model that draws it, got {points}; leave it "
                "out, and choose a least mass"
            )
        draws = []
        for row, condition in enumerate(conditions):
            cosmology, mass = self.asked(condition)
            if not extrapolate:
                self.require_trained(cosmology, mass)
            shape = (1, 256, 3 + COLUMNS)
            draws.append(GridDraw(shape, None, None, (row,), (condition,), None, None, self))
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
        given = []
        for draw in draws:
            source = fields[draw.rows[0]]
            if not isinstance(source, Field | SeededField):
                raise InputError(
                    f"expected fields that know their box, got a {type(source).__name__}; pass "
                    "galgen.data.Field(values, box)"
                )
            number = self.expected_number(draw.conditions[0], source.box)
            need = math.ceil(ROOM * number + 6.0 * math.sqrt(number)) + 64
            # Few sizes, for each is compiled: eight from one power of two to the next.
            step = max(256, 2 ** (need.bit_length() - 4))
            rows = -(-need // step) * step
            given.append(dataclasses.replace(draw, shape=(1, rows, draw.shape[2]), source=source))
        return given

    def expected_number(self, condition: Condition, box: float) -> float:
        """Haloes of a box, by a fit to training that knows no field."""
        cosmology, mass = self.asked(condition)
        radius = cosmology.lagrangian_radius(mass)
        shape = np.array(shape_of(LinearPower(cosmology, self.redshift), radius))
        standard = (shape - self.middle) / self.spread
        return math.exp(float(np.dot(self.density, [1.0, *standard]))) * (box / radius) ** 3

    def blank_fields(self, number):
        """Fields of one small box, fine enough for all masses and cosmologies of training."""
        middle = {n: sum(r) / 2 for n, r in zip(PARAMETERS, self.parameters, strict=True)}
        middle |= {"omega_m": self.parameters[0][1], MASS: self.masses[0]}
        return self.seeded_fields([middle] * number, 0, TIMED * self.units.cell * self.radii[1])

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
        order = np.argsort(-masses, kind="stable")
        wrapped = np.mod(positions[order], grid.box).astype(np.float32)
        wrapped[wrapped >= grid.box] = 0.0
        columns = dict(zip("xyz", wrapped.T, strict=True))
        velocity = (speed[order] * unit * grid.radius).astype(np.float32)
        columns |= dict(zip(("vx", "vy", "vz"), velocity.T, strict=True))
        columns["mass"] = masses[order].astype(np.float32)
        notes = {**provenance, MASS: f"{mass:.6g}"}
        if isinstance(draw.source, SeededField):
            field = draw.source
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
