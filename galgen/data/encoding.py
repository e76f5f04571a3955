"""Between a trained model and its data: what is drawn, and what the draws mean.

An ``Encoding`` is everything about the data that sampling needs. It is saved with the run: sampling
reads no training data. It plans draws of fixed shapes for the wanted conditions, and turns the
sampler's arrays into catalogues or arrays in physical units.
"""

from __future__ import annotations

import abc
import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from galgen.checked import FILLED, RISING, Count, Positive, Size, between, checked
from galgen.data.cardinality import Cardinality
from galgen.data.catalogue import Catalogue
from galgen.data.field import Field
from galgen.data.field_encoding import FieldEncoding, encoded_fields
from galgen.data.normalization import Standardizer, refuse_diverged
from galgen.errors import InputError
from galgen.publishing import Publication
from galgen.randomness import Role, random_generator

if TYPE_CHECKING:
    from galgen.types import Batch

Example = TypeVar("Example")
Condition = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Draw:
    """A batch to be drawn in one call of the sampler.

    ========== ============================== ===========================================
    field      shape                          meaning
    ========== ============================== ===========================================
    shape      ``(batch, *event)``            of the draw
    mask       ``(batch, points)`` or None    real rows
    condition  ``(batch, condition)`` or None standardised
    rows       one int per example            which requested example each one is;
                                              -1 for filling
    conditions one mapping per example        the condition in physical values
    field      ``(batch, *cells, channels)``  what each is drawn from, standardised; or None
    ========== ============================== ===========================================
    """

    shape: tuple[int, ...]
    mask: Bool[np.ndarray, "batch points"] | None
    condition: Float[np.ndarray, "batch condition"] | None
    rows: tuple[int, ...]
    conditions: tuple[Condition, ...]
    field: Float[np.ndarray, "batch *cells channels"] | None = None

    @property
    def wanted(self) -> list[int]:
        """The requested examples that it gives, in order."""
        return [row for row in self.rows if row >= 0]

    def with_room(self) -> Draw:
        """The same of clouds whose number of points is not planned: with twice the rows."""
        if self.mask is None:
            return self
        number, rows, *columns = self.shape
        return dataclasses.replace(self, shape=(number, 2 * rows, *columns), mask=None)

    @property
    def field_digest(self) -> bytes:
        """Of the fields, where there are some."""
        return b"" if self.field is None else np.ascontiguousarray(self.field).tobytes()

    @property
    def blank(self) -> Batch:
        """A batch of zeros with its shape, mask, condition and field."""
        from galgen.types import Batch

        x = np.zeros(self.shape, np.float32)
        return Batch(x, self.mask, self.condition, field=self.field)


class Encoding(abc.ABC, Generic[Example]):
    """Everything about the data that a trained model needs."""

    suffix: str
    """File ending of saved examples."""

    def __str__(self) -> str:
        """What one example is, in a few words."""
        return type(self).__name__

    @property
    @abc.abstractmethod
    def condition_ranges(self) -> dict[str, tuple[float, float]]:
        """The trained range of each condition, by name, in physical values."""

    @abc.abstractmethod
    def plan(
        self,
        conditions: Sequence[Condition],
        batch: int,
        seed: int,
        points: int | None = None,
        extrapolate: bool = False,
    ) -> list[Draw]:
        """Draws of at most ``batch`` examples each that together give one per condition.

        Args:
            conditions: physical values by name, one mapping per wanted example.
            batch: examples per draw.
            seed: of the numbers of points.
            points: the number of points of every cloud; None draws it from p(N | condition).
            extrapolate: allow a condition outside the trained range.

        Raises:
            InputError: for a condition that is missing or outside the trained range.
        """

    def with_fields(self, draws: Sequence[Draw], fields: Sequence[Any] | None) -> list[Draw]:
        """The draws of a plan, each of the field that it is to come from.

        Args:
            draws: all of a plan.
            fields: one for each condition of the plan, or values of such; None for none.

        Raises:
            InputError: if they are missing, not wanted, or not such as those of training.
        """
        encoded_fields(None, fields, 0)
        return list(draws)

    def seeded_fields(
        self, conditions: Sequence[Condition], seed: int, box: float
    ) -> Sequence[Any] | None:
        """A linear field for each condition, as ``with_fields`` takes them.

        Args:
            conditions: physical values by name.
            seed: of the phases; with another cosmology it gives the same.
            box: side [Mpc/h].

        Raises:
            InputError: for a model that reads no field of any box.
        """
        raise InputError(
            f"expected no box for {self}, which have that of training, got {box:g} Mpc/h; leave it "
            "out"
        )

    def fields_to_time(self, conditions: Sequence[Condition]) -> Sequence[Any] | None:
        """Fields to time draws with; None where a model reads none."""
        return None

    @abc.abstractmethod
    def decode(
        self, draw: Draw, x: Float[np.ndarray, "batch *event"], provenance: Mapping[str, str]
    ) -> list[Example]:
        """The examples of one draw, without the filling."""

    @abc.abstractmethod
    def save(self, path: Path, examples: Sequence[Example], splits: Sequence[str]) -> None:
        """Write examples to a file, whole or not at all."""

    def random_conditions(self, number: int, fixed: Condition, seed: int) -> list[Condition]:
        """Conditions uniform over the trained ranges, but for those in ``fixed``."""
        rng = random_generator(Role.CONDITIONS, seed)
        free = {k: r for k, r in self.condition_ranges.items() if k not in fixed}
        return [
            {**fixed, **{name: float(rng.uniform(*limits)) for name, limits in free.items()}}
            for _ in range(number)
        ]


class CatalogueEncoding(Encoding[Catalogue]):
    """Of models that draw catalogues."""

    suffix = ".h5"

    @property
    @abc.abstractmethod
    def reads_field(self) -> bool:
        """Whether catalogues are drawn from a field."""

    @abc.abstractmethod
    def kept_fields(self, fields: Sequence[Any] | None) -> Sequence[Field] | None:
        """Those of the fields of draws that are written beside them; None for none."""

    @abc.abstractmethod
    def condition_values(self, catalogue: Catalogue) -> Condition:
        """The condition that is to give catalogues like one, in physical values."""

    def save(self, path: Path, examples: Sequence[Catalogue], splits: Sequence[str]) -> None:
        from galgen.data.suite import write_suite

        write_suite(path, examples, splits)


@dataclasses.dataclass(frozen=True)
@checked
class CloudEncoding(CatalogueEncoding):
    """Catalogues: a standardizer, p(N | condition) and the padded sizes.

    Attributes:
        standardizer: between columns in physical units and features.
        cardinality: p(N | condition).
        sizes: padded numbers of points, rising.
        field: of the fields that a model reads; None where it reads none.
    """

    standardizer: Standardizer
    cardinality: Cardinality
    sizes: Annotated[tuple[Count, ...], FILLED, RISING]
    field: FieldEncoding | None = None

    def __post_init__(self) -> None:
        found, wanted = self.cardinality.parameters, len(self.standardizer.condition)
        if found != wanted:
            raise InputError(
                f"expected a cardinality of {wanted} parameters, those of the condition, got one "
                f"of {found}; fit both to the same catalogues"
            )

    def __str__(self) -> str:
        return f"clouds of {' '.join(self.standardizer.columns)}"

    @property
    def reads_field(self) -> bool:
        return self.field is not None

    def kept_fields(self, fields):
        return None if fields is None or self.field is None else list(map(self.field.whole, fields))

    def condition_values(self, catalogue):
        return self.standardizer.condition_values(catalogue)

    @property
    def condition_ranges(self) -> dict[str, tuple[float, float]]:
        names, ranges = self.standardizer.condition, self.standardizer.condition_ranges
        return dict(zip(names, ranges, strict=True))

    def plan(self, conditions, batch, seed, points=None, extrapolate=False):
        encode = self.standardizer.encode_condition
        standard = np.stack([encode(c, extrapolate) for c in conditions])
        if points is None:
            counts = self.cardinality.sample(random_generator(Role.COUNTS, seed), standard)
        elif points < 1:
            raise InputError(f"expected at least one point per catalogue, got {points}; raise it")
        else:
            counts = np.full(len(conditions), points)
            if caution := self._beyond_training(points):
                warnings.warn(caution, stacklevel=4)
        draws = []
        # Clouds of like size go together: little is padded then.
        for rows in chunks(np.argsort(counts, kind="stable"), batch):
            size = self.padded_size(int(counts[rows].max()))
            mask = np.arange(size) < counts[rows, None]
            condition = standard[rows] if standard.shape[1] else None
            shape = (len(rows), size, len(self.standardizer.columns))
            field = None if self.field is None else self.field.blank(len(rows))
            draws.append(Draw(shape, mask, condition, *labels_of(rows, conditions), field))
        return draws

    def fields_to_time(self, conditions):
        return None if self.field is None else list(self.field.blank(len(conditions))[..., 0])

    def with_fields(self, draws, fields):
        encoded = encoded_fields(self.field, fields, sum(len(draw.wanted) for draw in draws))
        if encoded is None:
            return list(draws)
        given = []
        for draw in draws:
            wanted = draw.wanted
            # What only fills a draw repeats its last example.
            rows = [*wanted, *wanted[-1:] * (len(draw.rows) - len(wanted))]
            given.append(dataclasses.replace(draw, field=np.stack([encoded[i] for i in rows])))
        return given

    def _beyond_training(self, points: int) -> str | None:
        """What to say of clouds that have far more or fewer points than any of training."""
        fewest, most = self.standardizer.points_range
        if fewest / 2 <= points <= 2 * most:
            return None
        return (
            f"{points} points in a catalogue, where those of training had {fewest} to {most}: "
            "whether such draws are right was never measured"
        )

    def padded_size(self, count: int) -> int:
        """The trained size that holds ``count`` points; of more points, a multiple of 64."""
        return next((size for size in self.sizes if count <= size), -(-count // 64) * 64)

    def decode(self, draw, x, provenance):
        catalogues = []
        assert draw.mask is not None
        drawn = zip(draw.rows, x, draw.mask, draw.conditions, strict=True)
        for _, cloud, mask, condition in (each for each in drawn if each[0] >= 0):
            values = {name: condition[name] for name in self.standardizer.condition}
            caution = self._beyond_training(int(mask.sum()))
            notes = {**provenance, **({"caution": caution} if caution else {})}
            catalogues.append(self.standardizer.decode(cloud[mask], values, notes))
        return catalogues


@dataclasses.dataclass(frozen=True)
@checked
class ArrayEncoding(Encoding[np.ndarray]):
    """Arrays of one shape, standardised by one mean and scale, with an optional class.

    Attributes:
        shape: of one example.
        mean: subtracted from every value.
        scale: every value is divided by it.
        classes: number of classes that the model is conditioned on, 0 for none.
        class_name: what a class is called on the command line.
    """

    shape: tuple[Size, ...]
    mean: float
    scale: Positive
    classes: Annotated[int, between(0, 2**20)] = 0
    class_name: str = "label"

    def __str__(self) -> str:
        return f"arrays of {' x '.join(map(str, self.shape))}"

    suffix = ".npz"

    def encode(self, x: Float[np.ndarray, "examples *event"]) -> Float[np.ndarray, "..."]:
        """Standardised, float32."""
        return ((x - self.mean) / self.scale).astype(np.float32)

    @property
    def condition_ranges(self) -> dict[str, tuple[float, float]]:
        return {self.class_name: (0, self.classes - 1)} if self.classes else {}

    def random_conditions(self, number: int, fixed: Condition, seed: int) -> list[Condition]:
        """Every class in turn, or the one in ``fixed``."""
        if not self.classes or fixed:
            return [fixed] * number
        return [{self.class_name: float(i % self.classes)} for i in range(number)]

    def one_hot(self, labels: Sequence[float] | np.ndarray) -> Float[np.ndarray, "batch classes"]:
        """The condition of each label.

        Raises:
            InputError: for a label that is not a class.
        """
        values = np.asarray(labels)
        index = values.astype(int)
        if np.any(index != values) or np.any((index < 0) | (index >= self.classes)):
            raise InputError(
                f"expected {self.class_name} among 0 to {self.classes - 1}, got {values[:5]}; "
                "choose a class the model was trained on"
            )
        return np.eye(self.classes, dtype=np.float32)[index]

    def plan(self, conditions, batch, seed, points=None, extrapolate=False):
        if points is not None:
            raise InputError(f"expected no number of points for arrays, got {points}; leave it out")
        draws = []
        for rows in chunks(np.arange(len(conditions)), batch):
            labels, chosen = labels_of(rows, conditions)
            condition = None
            if self.classes:
                condition = self.one_hot([c[self.class_name] for c in chosen])
            draws.append(Draw((len(rows), *self.shape), None, condition, labels, chosen))
        return draws

    def decode(self, draw, x, provenance):
        real = np.array(draw.rows) >= 0
        refuse_diverged(x[real])
        return list(x[real] * self.scale + self.mean)

    def save(self, path, examples, splits):
        save_arrays(path, examples, splits)


def save_arrays(path: Path, examples: Sequence[np.ndarray], splits: Sequence[str]) -> None:
    """Arrays of one shape and the split of each as ``.npz``, whole or not at all."""
    with Publication(path) as publication:
        draft = publication.folder / "draft.npz"
        np.savez_compressed(draft, x=np.stack(examples), split=np.array(splits))
        publication.publish(draft)


def chunks(order: np.ndarray, batch: int) -> list[np.ndarray]:
    """``order`` in runs of exactly ``batch``, the last one filled by repeating its last row."""
    runs = [order[i : i + batch] for i in range(0, len(order), batch)]
    return [np.pad(run, (0, batch - len(run)), mode="edge") for run in runs]


def labels_of(
    rows: np.ndarray, conditions: Sequence[Condition]
) -> tuple[tuple[int, ...], tuple[Condition, ...]]:
    """Row numbers, -1 where a row repeats the one before (filling), and their conditions."""
    repeated = np.concatenate([[False], rows[1:] == rows[:-1]])
    labels = tuple(np.where(repeated, -1, rows).tolist())
    return labels, tuple(conditions[row] for row in rows)
