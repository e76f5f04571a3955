"""What a suite holds, in a screen of text."""

from __future__ import annotations

from collections import Counter

import numpy as np

from galgen.data.suite import Suite
from galgen.data.suite_layout import FORMAT
from galgen.printing import printable

LOOK = 10_000
"""The most catalogues whose provenance is looked at."""


def suite_summary(suite: Suite) -> str:
    """Size, splits, columns, counts, boxes, and ranges of redshift and parameters."""
    counts = suite.counts
    lines = {
        "format": f"{FORMAT} version {suite.version}, {suite.path.stat().st_size / 1e6:.4g} MB",
        "splits": _tally(suite.splits),
        "points": _points(counts),
        "columns": ", ".join(
            f"{name} [{unit}] {suite.dtypes[name]}" if unit else f"{name} {suite.dtypes[name]}"
            for name, unit in suite.units.items()
        ),
        "boxes": _boxes(suite),
        "density": f"{counts.mean() / suite.boxes.prod(axis=1).mean():.4g} h^3/Mpc^3",
        "redshift": _range(suite.redshifts),
    }
    for name in suite.parameter_names:
        lines[name] = _range(suite.parameter_table([name])[:, 0])
    if not suite.parameter_names:
        lines["parameters"] = "none"
    if suite.field_mesh is not None:
        lines["field"] = _field(suite)
    lines["sources"] = _sources(suite)
    assumed = _assumed(suite)
    if assumed:
        lines["assumed"] = assumed
    head = f"{suite.path}: {len(suite)} catalogues, {counts.sum()} points"
    told = [head, *(f"  {name}: {text}" for name, text in lines.items())]
    return "\n".join(map(printable, told))


def _points(counts: np.ndarray) -> str:
    quartiles = " ".join(str(int(value)) for value in np.percentile(counts, [25, 50, 75]))
    empty = int(np.sum(counts == 0))
    note = f"; none in {empty} of them" if empty else ""
    return f"{counts.min()} to {counts.max()} per catalogue, quartiles {quartiles}{note}"


def _boxes(suite: Suite) -> str:
    kinds = [
        f"{' x '.join(f'{side:g}' for side in box)} Mpc/h, {'periodic' if periodic else 'open'}"
        for *box, periodic in np.unique(
            np.column_stack([suite.boxes, suite.periodic]), axis=0
        ).tolist()
    ]
    return kinds[0] if len(kinds) == 1 else f"{len(kinds)} kinds, {kinds[0]} to {kinds[-1]}"


def _field(suite: Suite) -> str:
    mesh, of = suite.field_mesh, suite.field_of
    assert mesh is not None
    cells = suite.boxes[:, 0] / mesh
    low, high = cells.min(), cells.max()
    cell = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    return (
        f"{of['kind']} density contrast at redshift {of['redshift']:g}, {mesh}^3 cells of {cell} "
        f"Mpc/h, smoothing {of['smoothing']:g} Mpc/h"
    )


def _range(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    different = len(np.unique(values))
    return f"{low:.5g}" if low == high else f"{low:.5g} to {high:.5g} ({different} values)"


def _sources(suite: Suite) -> str:
    found = Counter(text.get("source", "") for text in suite.provenance(0, LOOK))
    named = [name for name in found if name]
    if not named:
        return "not recorded"
    more = "" if found.total() == len(suite) else f" in the first {found.total()} catalogues"
    few = ", ".join(named[:3]) + (", ..." if len(named) > 3 else "")
    return f"{len(named)} raw {'files' if len(named) > 1 else 'file'}{more} ({few})"


def _assumed(suite: Suite) -> str:
    """What raw files did not say, as the provenance of the first catalogues tells it."""
    texts = dict.fromkeys(text.get("assumed", "") for text in suite.provenance(0, LOOK))
    return "; ".join(text for text in texts if text)


def _tally(names: np.ndarray) -> str:
    return ", ".join(
        f"{name} {number}"
        for name, number in zip(*np.unique(names, return_counts=True), strict=True)
    )
