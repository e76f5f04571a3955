"""Warnings that travel with a result, each by a name that scripts can test."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.data.features import LOG_PREFIX, physical_column, source_column
from galgen.data.normalization import Standardizer
from galgen.errors import InputError
from galgen.resolution import resolved


@dataclasses.dataclass(frozen=True)
class ResultWarning:
    """A named warning that travels with a result.

    Attributes:
        name: one word, for scripts.
        text: what was expected, what came, what it may do.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


SEVERITY = ("unlike", "constant", "redshift", "cosmology", "range", "points", "edge")
"""Of warnings by name: those of catalogues unlike training come first, in this order."""


def most_severe_first(warnings: Sequence[ResultWarning]) -> tuple[ResultWarning, ...]:
    """In the order of :data:`SEVERITY`; others, such as those of noise, follow as they were."""
    rank = {name: place for place, name in enumerate(SEVERITY)}
    return tuple(sorted(warnings, key=lambda warning: rank.get(warning.name, len(rank))))


def check_catalogue(standardizer: Standardizer, catalogue: Catalogue) -> tuple[ResultWarning, ...]:
    """Warnings of differences between a catalogue and those that a model was trained on.

    Raises:
        InputError: where the model cannot be applied: no point, another box, an open box for a
            periodic one, a column that is missing or in another unit.
    """
    if not len(catalogue):
        raise InputError("expected a catalogue with points, got none; leave it out")
    if catalogue.periodic != standardizer.periodic:
        kinds = {True: "periodic", False: "open"}
        raise InputError(
            f"expected a {kinds[standardizer.periodic]} box as in training, got one that is "
            f"{kinds[catalogue.periodic]}; train on boxes of that kind"
        )
    needed = [source_column(name) for name in standardizer.columns]
    for name in needed:
        catalogue.column(name)
        if catalogue.units[name] != standardizer.units.get(name, catalogue.units[name]):
            raise InputError(
                f"expected column {name!r} in {standardizer.units[name]!r} as in training, got "
                f"{catalogue.units[name]!r}; convert it"
            )
    standardizer.encode(catalogue)  # raises for another box
    found = (_redshift, _columns, _constant, _points, _cosmology)
    return tuple(c for check in found if (c := check(standardizer, catalogue)) is not None)


def _redshift(standardizer: Standardizer, catalogue: Catalogue) -> ResultWarning | None:
    low, high = min(standardizer.redshifts), max(standardizer.redshifts)
    if low - 1e-3 <= catalogue.redshift <= high + 1e-3:
        return None
    trained = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    text = f"trained at redshift {trained}, the catalogue is at {catalogue.redshift:g}"
    return ResultWarning("redshift", text)


def _columns(standardizer: Standardizer, catalogue: Catalogue) -> ResultWarning | None:
    known = {source_column(name) for name in standardizer.columns}
    extra = [name for name in catalogue.columns if name not in known]
    if not extra:
        return None
    return ResultWarning("columns", f"the model does not look at {', '.join(extra)}")


def _constant(standardizer: Standardizer, catalogue: Catalogue) -> ResultWarning | None:
    """Columns that were the same in all training and are not so here."""
    differing = []
    for name, scale, mean in zip(
        standardizer.columns, standardizer.scales, standardizer.means, strict=True
    ):
        if scale == 0:
            gap = float(np.max(np.abs(physical_column(catalogue, name) - mean)))
            if resolved(gap, max(abs(mean), 1.0 if name.startswith(LOG_PREFIX) else 0.0)):
                differing.append(f"{name} was {mean:g} in all training, here {gap:.2g} off")
    return left_out(differing)


def left_out(differing: Sequence[str]) -> ResultWarning | None:
    """The warning of what was constant in training, which the model does not see; None if none."""
    if not differing:
        return None
    return ResultWarning("constant", f"{'; '.join(differing)}: the model does not look at it")


def _points(standardizer: Standardizer, catalogue: Catalogue) -> ResultWarning | None:
    fewest, most = standardizer.points_range
    if fewest <= len(catalogue) <= most:
        return None
    kind = "too few" if len(catalogue) < fewest else "many"
    return ResultWarning(
        "points", f"{kind} points: {len(catalogue)}, trained on {fewest} to {most}"
    )


def _cosmology(standardizer: Standardizer, catalogue: Catalogue) -> ResultWarning | None:
    other = {
        name: (value, catalogue.cosmology[name])
        for name, value in standardizer.fixed_cosmology.items()
        if name in catalogue.cosmology and abs(catalogue.cosmology[name] - value) > 1e-6
    }
    if not other:
        return None
    each = [f"{name} {trained:g}, got {got:g}" for name, (trained, got) in other.items()]
    return ResultWarning("cosmology", f"all training had {'; '.join(each)}")
