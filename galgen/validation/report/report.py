"""Write a comparison as one offline page, ``report.html``, and as JSON.

All are written beside their place and moved there when complete.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import platform
from collections.abc import Mapping
from pathlib import Path

import jax
import matplotlib
import numpy as np

import galgen
from galgen.plot_style import encode
from galgen.publishing import publish_text
from galgen.validation.checks.phases import PhaseComparison
from galgen.validation.comparison import Comparison
from galgen.validation.curves import CurveComparison
from galgen.validation.marks import LEVELS
from galgen.validation.report.figures import report_figures
from galgen.validation.report.page import (
    definitions,
    figure_section,
    fill,
    folded,
    link,
    notes_list,
    plain_table,
    side_by_side,
    verdict_table,
)
from galgen.validation.report.scorecard import SCORECARD, scorecard
from galgen.validation.report.table import as_json
from galgen.validation.sets import Sets
from galgen.validation.words import bad_first, finding, places, row, sentences

UNJUDGED = "For the eye only; nothing is judged here."


def write_report(
    comparison: Comparison,
    generated: Sets,
    held_out: Sets,
    folder: str | Path,
    title: str,
    details: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> Path:
    """Write the report and the figures of a comparison.

    Args:
        comparison: of these very sets.
        generated, held_out: for the slices and the provenance.
        folder: made if it is not there.
        title: of the page.
        details: what else a reader should know: the configuration, the checkpoint, the hardware.
        links: words that lead to other pages of the folder, by the name of their file.

    Returns:
        The path of ``report.html``; ``comparison.json``, of all figures, and ``scorecard.json``, of
        the verdicts alone, lie beside it.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    figures = [
        figure_section(
            f.title,
            f.figure if isinstance(f.figure, str) else encode(f.figure),
            f.caption,
            sentences(f.verdicts) or UNJUDGED,
        )
        for f in report_figures(comparison, generated, held_out)
    ]
    known = {**(details or {}), **_settings(comparison), **versions()}
    sections = {
        "findings": notes_list(_findings(comparison))
        + "".join(link(*each) for each in (links or {}).items()),
        "figures": "\n".join(figures),
        "verdicts": side_by_side(comparison.verdicts, places(comparison.splits)),
        "details": "\n".join(
            [
                notes_list(comparison.notes),
                folded("Every verdict", verdict_table(map(row, comparison.verdicts))),
                folded("What was compared", _sets(comparison, generated, held_out)),
                folded("Every bin and number", _tables(comparison)),
                folded("Settings, provenance and versions", definitions(known)),
            ]
        ),
    }
    tree = {**as_json(comparison), "title": title, "versions": versions(), "details": details or {}}
    card = scorecard(comparison, title, {**versions(), **(details or {})})
    publish_text(place / SCORECARD, json.dumps(card, indent=1, allow_nan=False))
    publish_text(place / "comparison.json", json.dumps(tree, indent=1, allow_nan=False))
    publish_text(place / "report.html", fill(title, comparison.summary, sections))
    return place / "report.html"


def _findings(comparison: Comparison) -> list[str]:
    """Every fault, the worst first."""
    where = places(comparison.splits)
    return [f"{finding(v, where)}." for v in bad_first(comparison.verdicts)]


def versions() -> dict[str, str]:
    """Versions of what measured and drew."""
    return {
        "galgen": galgen.__version__,
        "Python": platform.python_version(),
        "JAX": jax.__version__,
        "NumPy": np.__version__,
        "Matplotlib": matplotlib.__version__,
    }


def _settings(comparison: Comparison) -> dict[str, str]:
    """Settings as given, and the bins that came of them."""
    main, settings = comparison.main, comparison.settings
    sides = " x ".join(f"{side:g}" for side in comparison.box)
    bins = {
        "box": f"{sides} Mpc/h, {'periodic' if comparison.periodic else 'open'}",
        "separation edges [Mpc/h]": _numbers(main.correlation.axis.edges),
        "wavenumber edges [h/Mpc]": _numbers(main.monopole.axis.edges),
    }
    fields = [f.name for f in dataclasses.fields(settings) if not f.name.endswith("_edges")]
    return bins | {name.replace("_", " "): str(getattr(settings, name)) for name in fields}


def _sets(comparison: Comparison, generated: Sets, held_out: Sets) -> str:
    """Numbers of catalogues, points and cosmologies of each split, and where they came from."""
    rows = []
    for split in comparison.splits:
        cosmology = "; ".join(
            f"{name} {low:.4g}" if low == high else f"{name} {low:.4g} to {high:.4g}"
            for name, (low, _, high) in split.cosmology.items()
        )
        numbers = (split.count.generated, split.count.held_out)
        for kind, sets, number in zip(
            ("generated", "held-out"), (generated, held_out), numbers, strict=True
        ):
            origin = sorted({_origin(c.provenance) for c in sets[split.name]})
            more = f" and {len(origin) - 3} more" if len(origin) > 3 else ""
            rows.append(
                (
                    split.name,
                    kind,
                    str(len(number)),
                    f"{number.mean():.1f} ({number.std(ddof=1):.1f})",
                    (cosmology or "not given") if kind == "held-out" else _matching(split.matched),
                    "; ".join(origin[:3]) + more,
                )
            )
    names = ("Split", "Set", "Catalogues", "Points, mean (std)", "Cosmology", "Provenance")
    return plain_table(names, rows)


def _matching(matched: bool) -> str:
    return "the same as held-out" if matched else "not the same as held-out"


def _origin(provenance: Mapping[str, str]) -> str:
    """Where a catalogue came from, without what differs from one to the next."""
    kept = {name: value for name, value in provenance.items() if name not in ("seed", "index")}
    return ", ".join(f"{name} {value}" for name, value in kept.items()) or "not given"


def _tables(comparison: Comparison) -> str:
    """Bins of every curve of every split, quantiles of the marks, and the numbers by name."""
    curves = [_bins(curve, split.name) for split in comparison.splits for curve in split.curves]
    phases = [_phases(s.phases, s.name) for s in comparison.splits if s.phases is not None]
    named_rows = [
        (name, f"{value:.5g}" if np.isfinite(value) else "not measured")
        for name, value in comparison.numbers.items()
    ]
    named = plain_table(("Number, as --require knows it", "Value"), named_rows)
    return "\n".join([*curves, *phases, _quantiles(comparison), named])


def _quantiles(comparison: Comparison) -> str:
    """Quantiles of every mark of the main split."""
    rows = []
    for mark in comparison.main.marks:
        for kind, values in (
            ("generated", mark.generated_quantiles),
            ("held-out", mark.held_out_quantiles),
        ):
            rows.append((mark.name, kind, *(f"{value:.5g}" for value in values)))
    if not rows:
        return ""
    return plain_table(("Mark", "Set", *(f"{level:.0%}" for level in LEVELS)), rows)


def _bins(curve: CurveComparison, split: str) -> str:
    """Every bin of a curve in figures."""
    means = [
        [f"{m:.4g} ± {e:.2g}" for m, e in zip(mean, error, strict=True)]
        for mean, error in (
            (curve.generated.mean, curve.generated.error),
            (curve.held_out.mean, curve.held_out.error),
            (curve.ratio, curve.ratio_error),
            (curve.closure, curve.closure_error),
        )
    ]
    rows = [
        (
            curve.axis.bin_name(i),
            *(column[i] for column in means),
            f"{curve.floor[i]:.2f}",
            f"{curve.std[i]:+.1f}",
            f"{curve.bias[i]:+.2f}",
            f"{curve.spread.variance_ratio[i]:.2f} ± {curve.spread.variance_ratio_error[i]:.2f}",
            "yes" if curve.means.strong[i] else "no",
        )
        for i in range(len(curve.centre))
    ]
    names = [
        *("Generated", "Held-out", "Ratio", "Closure", "Half on half", "Difference / error"),
        *("Bias / cosmic scatter", "Variance ratio", "Far from zero"),
    ]
    return plain_table((f"{curve.name}, {split} [{curve.axis.unit}]", *names), rows)


def _phases(phases: PhaseComparison, split: str) -> str:
    """r and T of every bin in figures; empty where there is no ceiling, or no mode of the field."""
    columns = {
        "With truth": phases.coefficient,
        "Two draws": phases.ceiling,
        "Difference": phases.difference,
        "Draw with the field": phases.generated,
        "Held-out with the field": phases.held_out,
        "T": phases.transfer,
    }
    cells = [
        [] if curve is None else [
            f"{m:.3f} ± {e:.3f}" for m, e in zip(curve.mean, curve.error, strict=True)
        ]
        for curve in columns.values()
    ]  # fmt: skip
    rows = itertools.zip_longest(phases.axis.bin_names, *cells, fillvalue="")
    return plain_table((f"r, {split} [{phases.axis.unit}]", *columns), rows)


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
