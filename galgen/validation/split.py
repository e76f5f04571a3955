"""One split compared: every curve, the number of points, marks, and whole catalogues."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from galgen.data.catalogue import POSITIONS, Catalogue
from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Measurement
from galgen.randomness import Role, random_generator
from galgen.validation.checks.memorisation import Memorisation, measure_memorisation
from galgen.validation.checks.phases import PhaseComparison, SharedField, compare_phases
from galgen.validation.checks.response import Gradient, gradients
from galgen.validation.checks.two_sample import TwoSample, standardised, two_sample_test
from galgen.validation.curves import CurveComparison, compare_curves
from galgen.validation.marks import (
    CountComparison,
    MarkComparison,
    compare_counts,
    compare_marks,
)
from galgen.validation.sets import Conditions, check_one_box, conditions
from galgen.validation.settings import ValidationSettings

PQMASS_LABELLINGS = 10
"""Times those of the settings."""
Measure = Callable[[Sequence[Catalogue]], Measurement]
"""Measures the statistics of a comparison on its bins."""


@dataclasses.dataclass(frozen=True)
class SplitComparison:
    """Everything measured of one split.

    Attributes:
        name: of the split.
        held_out_number, generated_number: catalogues.
        matched: both sets hold the same cosmologies in the same proportions.
        cosmology: name -> (least, mean, greatest) of held-out.
        curves: one for every curve of every statistic, xi and P0 among them.
        count: number of points.
        marks: the other columns.
        two_sample: PQMass of the summaries of single catalogues.
        gradients: d ln S / d theta of the targeted curves and N; empty where it cannot be told.
        memorisation: of the training set; None where that is not known.
        phases: of draws on the fields of held-out; None where none are shared.
    """

    name: str
    held_out_number: int
    generated_number: int
    matched: bool
    cosmology: dict[str, tuple[float, float, float]]
    curves: tuple[CurveComparison, ...]
    count: CountComparison
    marks: tuple[MarkComparison, ...]
    two_sample: TwoSample
    gradients: tuple[Gradient, ...]
    memorisation: Memorisation | None
    phases: PhaseComparison | None

    def curve(self, name: str) -> CurveComparison:
        """A curve by name."""
        return next(curve for curve in self.curves if curve.name == name)

    @property
    def correlation(self) -> CurveComparison:
        """xi(r)."""
        return self.curve("xi")

    @property
    def monopole(self) -> CurveComparison:
        """P0(k)."""
        return self.curve("P0")

    @property
    def power(self) -> tuple[CurveComparison, ...]:
        """P(k), one for each multipole."""
        return tuple(c for c in self.curves if c.name[0] == "P" and c.name[1:].isdigit())

    @property
    def statistics(self) -> tuple[CurveComparison, ...]:
        """The curves of the other statistics."""
        known = ("xi", *(curve.name for curve in self.power))
        return tuple(curve for curve in self.curves if curve.name not in known)


def compare_split(
    name: str,
    generated: tuple[Catalogue, ...],
    held_out: tuple[Catalogue, ...],
    training: tuple[Catalogue, ...] | None,
    measure: Measure,
    settings: ValidationSettings,
    shared: Sequence[SharedField] = (),
) -> SplitComparison:
    """Compare sets that are in order (:func:`galgen.validation.sets.in_order`)."""
    check_one_box([held_out[0], *(each.held_out for each in shared)])
    mock, truth = measure(generated), measure(held_out)
    base = measure(_uniform(held_out, settings.seed))
    known = conditions(generated, held_out, [(s.generated, s.held_out) for s in shared])
    labels = known.relabelled(settings.relabellings, settings.seed)
    curves = tuple(
        compare_curves(axis, ratios, known, labels, settings)
        for axis, ratios in zip(
            mock.axes, zip(mock.ratios, truth.ratios, base.ratios, strict=True), strict=True
        )
    )
    edges = next(curve.axis.edges for curve in curves if curve.name == "P0")
    vectors = _vectors(mock, generated), _vectors(truth, held_out)
    # Its p-value has to fall below the level of a whole report, one of 200 cannot.
    many = known.relabelled(PQMASS_LABELLINGS * settings.relabellings, settings.seed)
    names = [*truth.targeted.names, "ln N"]
    memorised = None
    if training is not None:
        third = _vectors(measure(training), training)
        everything = np.concatenate([*vectors, third])
        standard = [standardised(v, vectors[1], everything) for v in (*vectors, third)]
        memorised = measure_memorisation(
            (standard[0], standard[1], standard[2]), (generated, held_out, training)
        )
    return SplitComparison(
        name=name,
        held_out_number=len(held_out),
        generated_number=len(generated),
        matched=known.matched,
        cosmology=_cosmology_range(held_out),
        curves=curves,
        count=compare_counts(generated, held_out, known),
        marks=compare_marks(generated, held_out, settings.mark_bins, settings.seed),
        two_sample=two_sample_test(*vectors, known, many, settings.seed, names),
        gradients=_gradients(mock, truth, generated, held_out, known, settings),
        memorisation=memorised,
        phases=compare_phases(shared, edges, settings),
    )


def _vectors(measured: Measurement, catalogues: Sequence[Catalogue]) -> np.ndarray:
    """The targeted curves and ln N of every catalogue; not finite for an empty one."""
    counts = np.array([len(c) or np.nan for c in catalogues])
    return np.column_stack([measured.targeted.vectors, np.log(counts)])


def _gradients(
    mock: Measurement,
    truth: Measurement,
    generated: Sequence[Catalogue],
    held_out: Sequence[Catalogue],
    known: Conditions,
    settings: ValidationSettings,
) -> tuple[Gradient, ...]:
    """Of every targeted curve and the number of points."""
    pairs = [
        (axis.name, first, second)
        for axis, first, second in zip(mock.axes, mock.ratios, truth.ratios, strict=True)
        if axis.targeted
    ]
    pairs.append(("N", _counts(generated), _counts(held_out)))
    return tuple(g for pair in pairs for g in gradients(*pair, known, settings.significance))


def _counts(catalogues: Sequence[Catalogue]) -> Ratio:
    """The number of points as a statistic of one bin."""
    counts = np.array([[len(c)] for c in catalogues], np.float64)
    return Ratio(counts, np.ones_like(counts))


def _uniform(catalogues: Sequence[Catalogue], seed: int) -> list[Catalogue]:
    """The catalogues with their points placed at random; other columns as they are."""
    rng = random_generator(Role.UNIFORM_BASE, seed)
    made = []
    for catalogue in catalogues:
        x = rng.uniform(0, catalogue.box, (len(catalogue), 3))
        columns = {**catalogue.columns, **dict(zip(POSITIONS, x.T, strict=True))}
        made.append(catalogue.replace(columns=columns))
    return made


def _cosmology_range(catalogues: tuple[Catalogue, ...]) -> dict[str, tuple[float, float, float]]:
    """Least, mean and greatest of every parameter that all catalogues have."""
    names = [n for n in catalogues[0].cosmology if all(n in c.cosmology for c in catalogues)]
    values = {n: np.array([c.cosmology[n] for c in catalogues]) for n in names}
    return {n: (float(v.min()), float(v.mean()), float(v.max())) for n, v in values.items()}
