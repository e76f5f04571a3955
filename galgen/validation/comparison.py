"""Is the mock true: generated catalogues against held-out ones, with the noise beside each figure.

Both sets are catalogues by split; nothing but the name of the argument says which was generated.
For every split that both have, xi(r), P(k), the number of points and the marks are compared
(:mod:`closure <galgen.validation.closure>`, :mod:`marks <galgen.validation.marks>`). ``test``, or
the first split, is the main comparison. Where there are two more, repeated catalogues at two
cosmologies far apart, the change from the first to the second is compared as well
(:mod:`response <galgen.validation.response>`).
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import Catalogue
from galgen.validation.closure import CurveComparison, compare_curves
from galgen.validation.marks import (
    CountComparison,
    MarkComparison,
    compare_counts,
    compare_marks,
    respond_counts,
)
from galgen.validation.measurement import Instrument
from galgen.validation.response import Response, respond
from galgen.validation.sets import Sets, check_sets, common_splits, in_order, same_cosmologies
from galgen.validation.settings import ValidationSettings, separation_edges, wavenumber_edges
from galgen.validation.verdict import (
    Verdict,
    chi_square_verdict,
    closure_verdict,
    count_verdict,
    mark_verdict,
    response_verdict,
    summary,
)

DEFAULT = ValidationSettings()


@dataclasses.dataclass(frozen=True)
class SplitComparison:
    """Everything measured of one split.

    Attributes:
        name: of the split.
        held_out_number, generated_number: catalogues.
        matched: both sets hold the same cosmologies in the same proportions.
        cosmology: name -> (least, mean, greatest) of held-out.
        correlation: xi(r).
        power: P(k), one for each multipole.
        count: number of points.
        marks: the other columns.
    """

    name: str
    held_out_number: int
    generated_number: int
    matched: bool
    cosmology: dict[str, tuple[float, float, float]]
    correlation: CurveComparison
    power: tuple[CurveComparison, ...]
    count: CountComparison
    marks: tuple[MarkComparison, ...]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Generated against held-out.

    Attributes:
        settings: as given.
        box, periodic: of every catalogue.
        splits: the main one first.
        contrast: names of the low and the high split; None without two more splits.
        responses: to cosmology, of xi, P0 and N; empty without a contrast.
    """

    settings: ValidationSettings
    box: tuple[float, float, float]
    periodic: bool
    splits: tuple[SplitComparison, ...]
    contrast: tuple[str, str] | None
    responses: tuple[Response, ...]

    @property
    def main(self) -> SplitComparison:
        """The main comparison."""
        return self.splits[0]

    def split(self, name: str) -> SplitComparison:
        """A split by name."""
        return next(split for split in self.splits if split.name == name)

    @functools.cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One row per measure, those with a target first."""
        rows = []
        for split in self.splits:
            rows.append(closure_verdict(split.correlation, split.name))
            rows.append(closure_verdict(self.monopole(split), split.name))
        if self.contrast:
            rows += [response_verdict(response, *self.contrast) for response in self.responses]
        for split in self.splits:
            rows += [count_verdict(split.count, split.name)]
            rows += [chi_square_verdict(c, split.name) for c in (split.correlation, *split.power)]
            rows += [mark_verdict(mark, split.name) for mark in split.marks]
        return tuple(rows)

    @property
    def summary(self) -> str:
        """How many targets were met, in one sentence."""
        return summary(self.verdicts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before believing a figure."""
        notes = []
        for split in self.splits:
            if not split.matched:
                notes.append(
                    f"Split {split.name}: generated and held-out do not hold the same "
                    "cosmologies in the same proportions; differences may come from that."
                )
        if self.contrast is None:
            notes.append(
                "There are no two further splits at two cosmologies, so the response to cosmology "
                "was not measured."
            )
        if not self.periodic:
            notes.append(
                "The boxes are open: P(k) is that of the box as if it were periodic, convolved "
                "with its window, alike for both sets."
            )
        return tuple(notes)

    @staticmethod
    def monopole(split: SplitComparison) -> CurveComparison:
        """P0 of a split."""
        return next(curve for curve in split.power if curve.name == "P0")


def compare(generated: Sets, held_out: Sets, settings: ValidationSettings = DEFAULT) -> Comparison:
    """Compare generated with held-out catalogues, split by split.

    Args:
        generated: split name -> catalogues.
        held_out: the same. Splits that only one of them has are left out.
        settings: bins and targets.

    Returns:
        The comparison; the order of the catalogues in a split does not matter to it.

    Raises:
        InputError: no common split, fewer than four usable catalogues in one, boxes that differ,
            or bins that do not fit the box.
    """
    names = common_splits(generated, held_out)
    check_sets(generated, held_out, names)
    instrument = _instrument(generated, held_out, names, settings)
    splits = tuple(
        _compare_split(
            name, in_order(generated[name]), in_order(held_out[name]), instrument, settings
        )
        for name in names
    )
    contrast = (names[1], names[2]) if len(names) > 2 else None
    first = held_out[names[0]][0]
    return Comparison(
        settings=settings,
        box=first.box,
        periodic=first.periodic,
        splits=splits,
        contrast=contrast,
        responses=_responses(splits[1], splits[2], settings) if contrast else (),
    )


def _instrument(
    generated: Sets, held_out: Sets, names: tuple[str, ...], settings: ValidationSettings
) -> Instrument:
    """Bins from the main split of held-out; rows for the largest catalogue, a multiple of 256."""
    first = held_out[names[0]][0]
    mean_count = float(np.mean([len(c) for c in held_out[names[0]]]))
    largest = max(len(c) for sets in (generated, held_out) for n in names for c in sets[n])
    most = max(len(sets[n]) for sets in (generated, held_out) for n in names)
    return Instrument(
        box=first.box,
        periodic=first.periodic,
        separation_edges=separation_edges(settings, first.box, mean_count),
        wavenumber_edges=wavenumber_edges(settings, first.box),
        mesh_size=settings.mesh_size,
        multipoles=settings.multipoles,
        batch_size=min(settings.batch_size, most),
        rows=-(-largest // 256) * 256,
    )


def _compare_split(
    name: str,
    generated: tuple[Catalogue, ...],
    held_out: tuple[Catalogue, ...],
    instrument: Instrument,
    settings: ValidationSettings,
) -> SplitComparison:
    mock, truth, base = (
        instrument.measure(clouds)
        for clouds in (
            [c.positions for c in generated],
            [c.positions for c in held_out],
            _uniform(held_out, settings.seed),
        )
    )
    rules = (settings.closure_target, settings.significance, settings.seed)
    correlation = compare_curves(
        "xi",
        "Mpc/h",
        instrument.separation_edges,
        (mock.correlation, truth.correlation, base.correlation),
        *rules,
    )
    power = tuple(
        compare_curves(f"P{ell}", "h/Mpc", instrument.wavenumber_edges, ratios, *rules)
        for ell, ratios in zip(
            settings.multipoles, zip(mock.power, truth.power, base.power, strict=True), strict=True
        )
    )
    return SplitComparison(
        name=name,
        held_out_number=len(held_out),
        generated_number=len(generated),
        matched=same_cosmologies(generated, held_out),
        cosmology=_cosmology_range(held_out),
        correlation=correlation,
        power=power,
        count=compare_counts(generated, held_out),
        marks=compare_marks(generated, held_out, settings.mark_bins, settings.seed),
    )


def _uniform(catalogues: tuple[Catalogue, ...], seed: int) -> list[Float[np.ndarray, "_ 3"]]:
    """Uniform clouds with the numbers of points of the catalogues."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(0, c.box, (len(c), 3)) for c in catalogues]


def _cosmology_range(catalogues: tuple[Catalogue, ...]) -> dict[str, tuple[float, float, float]]:
    """Least, mean and greatest of every parameter that all catalogues have."""
    names = [n for n in catalogues[0].cosmology if all(n in c.cosmology for c in catalogues)]
    values = {n: np.array([c.cosmology[n] for c in catalogues]) for n in names}
    return {n: (float(v.min()), float(v.mean()), float(v.max())) for n, v in values.items()}


def _responses(
    low: SplitComparison, high: SplitComparison, settings: ValidationSettings
) -> tuple[Response, ...]:
    """Response of xi, P0 and N from low to high."""
    rules = (settings.significance, settings.response_target)
    found = []
    pairs = (
        (low.correlation, high.correlation),
        (Comparison.monopole(low), Comparison.monopole(high)),
    )
    for first, second in pairs:
        truth = second.held_out.minus(first.held_out)
        mock = second.generated.minus(first.generated)
        found.append(respond(first.name, truth, mock, *rules))
    found.append(respond_counts(low.count, high.count, *rules))
    return tuple(found)
