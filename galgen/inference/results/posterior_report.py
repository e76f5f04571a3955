"""The posteriors of catalogues as a table and as pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

from galgen.inference.calibration import (
    Ranks,
    Tarp,
    plot_coverage,
    plot_ranks,
    plot_tarp,
    ranks_of,
    tarp,
)
from galgen.inference.priors.prior import Prior
from galgen.inference.results.corner_plot import corner_plot
from galgen.inference.results.posterior_file import CataloguePosterior
from galgen.inference.sampling.diagnosis import moving
from galgen.plot_style import DOTS_PER_INCH, STYLE
from galgen.publishing import Publication
from galgen.randomness import Role, random_generator
from galgen.resolution import SINGLE, spread

FEWEST = 10
"""Catalogues of known parameters, of which coverage is told."""
RANKED = 99
"""Draws of each posterior, at most, among which the truth is ranked."""


def summary_table(posteriors: Mapping[int, CataloguePosterior]) -> Table:
    """One row per catalogue and parameter: truth, mean, std, quantiles, diagnostics, warnings."""
    rows = []
    for number, posterior in sorted(posteriors.items()):
        warnings = "; ".join(map(str, posterior.samples.warnings))
        for name, columns in posterior.samples.summary().items():
            truth = posterior.truth.get(name, float("nan"))
            row = {"catalogue": number, "parameter": name, "truth": truth, **columns}
            rows.append({"mean_noise": float("nan"), **row, "warnings": warnings})
    order = [name for name in rows[0] if name not in ("mean_noise", "warnings")]
    table = Table(rows, names=[*order[:5], "mean_noise", *order[5:], "warnings"])
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name].format = ".5g"
    return table


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The calibration of posteriors, tested by catalogues of known parameters.

    Attributes:
        ranks: of the truths; None where too few catalogues are left.
        distances: to random points; None with them.
        notes: what was left out, and why.
    """

    ranks: Ranks | None
    distances: Tarp | None
    notes: tuple[str, ...] = ()


def calibration_of(posteriors: Mapping[int, CataloguePosterior]) -> Calibration | None:
    """Ranks and TARP over the catalogues whose parameters are known; None for fewer than ten.

    Posteriors with draws that are not finite are left out, and parameters that are the same in all
    catalogues: a test among the others says nothing of either.
    """
    known = {
        number: p
        for number, p in sorted(posteriors.items())
        if set(p.samples.names) <= set(p.truth) and len(p.samples.flat)
    }
    if len(known) < FEWEST:
        return None
    notes = []
    broken = [number for number, p in known.items() if not np.all(np.isfinite(p.samples.flat))]
    if broken:
        notes.append(
            f"left out {len(broken)} of {len(known)} catalogues, whose draws are not all finite: "
            f"{', '.join(map(str, broken[:5]))}{', ...' * (len(broken) > 5)}"
        )
    usable = [p for number, p in known.items() if number not in broken]
    names = usable[0].samples.names if usable else ()
    truths = np.array([[p.truth[name] for name in names] for p in usable])
    varied = spread(truths, SINGLE) > 0 if usable else np.zeros(0, bool)
    constant = [name for name, varies in zip(names, varied, strict=True) if not varies]
    if constant:
        notes.append(f"left out {', '.join(constant)}, the same in all catalogues")
    if len(usable) < FEWEST or not varied.any():
        notes.append("coverage was not tested: too few catalogues are left, or none that differ")
        return Calibration(None, None, tuple(notes))
    rng = random_generator(Role.RANKED_DRAWS, 0)
    ranked = min(RANKED, *(len(p.samples.flat) for p in usable))
    draws = np.stack([rng.choice(p.samples.flat, ranked, replace=False) for p in usable])
    draws, truths = draws[..., varied], truths[:, varied]
    tested = tuple(name for name, varies in zip(names, varied, strict=True) if varies)
    return Calibration(ranks_of(tested, draws, truths), tarp(draws, truths), tuple(notes))


def write_table(path: Path, table: Table) -> None:
    """Write a table as ECSV, which keeps names and types; whole or not at all."""
    with Publication(path) as publication:
        draft = publication.folder / path.name
        table.write(draft, format="ascii.ecsv")
        publication.publish(draft)


def write_figures(
    folder: Path,
    posteriors: Mapping[int, CataloguePosterior],
    prior: Prior | None,
    most: int = 4,
) -> list[Path]:
    """Corner figures of the first ``most`` catalogues, and calibration where truths are known.

    A catalogue whose draws of a parameter are all alike, or not finite, has no corner figure.

    Returns:
        What was written.
    """
    written = []
    with matplotlib.rc_context(dict(STYLE)):
        for number in sorted(posteriors)[:most]:
            posterior = posteriors[number]
            if not np.all(moving(posterior.samples.samples)):  # a warning of it says so
                continue
            figure = corner_plot(
                {f"catalogue {number}": posterior.samples}, prior, posterior.truth or None
            )
            written.append(_save(figure, folder / f"corner_{number:03d}.png"))
        found = calibration_of(posteriors)
        if found is not None and found.ranks is not None and found.distances is not None:
            written.append(_save(plot_ranks(found.ranks), folder / "ranks.png"))
            written.append(_save(plot_coverage(found.ranks), folder / "coverage.png"))
            figure = plot_tarp([found.distances], ["all parameters"])
            written.append(_save(figure, folder / "tarp.png"))
    return written


def calibration_text(found: Calibration) -> Sequence[str]:
    """The results of calibration, line by line."""
    lines, ranks, distances = list(found.notes), found.ranks, found.distances
    if ranks is None or distances is None:
        return lines
    inside = "within" if distances.within_band else "outside"
    return [
        *lines,
        f"TARP over {len(distances.fractions)} catalogues: {inside} the 99% band "
        f"(distance {distances.distance:.3f}, band {distances.half_width:.3f}, "
        f"p = {distances.p_value:.2g})",
        *(
            f"{name}: ranks p = {p:.2g}, coverage p = {ranks.coverage_p_values[name]:.2g}"
            for name, p in ranks.p_values.items()
        ),
    ]


def _save(figure: Figure, path: Path) -> Path:
    with Publication(path) as publication:
        draft = publication.folder / path.name
        figure.savefig(draft, dpi=DOTS_PER_INCH)
        publication.publish(draft)
    return path
