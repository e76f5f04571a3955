"""A scorecard: the verdicts of a comparison as small JSON, to set models side by side.

``scorecard.json`` is written beside every report, of any two suites; ``galgen scorecards``
tabulates many. ``scorecard.schema.json`` beside this file is its JSON Schema. Version 1::

    format        "galgen-scorecard"
    version       1
    title         of the report
    summary       the judgement in words
    tolerance     relative error up to which a measure is good
    box           three sides [Mpc/h]; "periodic" beside it
    splits        for each its name, catalogues of both sets, and cosmology from, mean, to
    scores        for each measure of each split:
                  kind, statistic, split, status, p, and for those with a percentage
                  error, noise, where    of the worst bin, relative
                  good_to                the least tolerance to which it is shown good
                  finds                  the least error that would be found with 80%
    details       versions, the command, the model, the hardware: texts by name
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from galgen.errors import InputError
from galgen.reading import reading, regular_file
from galgen.serialization import parsed
from galgen.validation.comparison import Comparison
from galgen.validation.report.table import plain
from galgen.validation.verdict import Kind, Status, Verdict

SCORECARD = "scorecard.json"
FORMAT = "galgen-scorecard"
VERSION = 1
WHAT = "the scorecard.json that galgen validate wrote"


def scorecard(comparison: Comparison, title: str, details: Mapping[str, str]) -> dict[str, Any]:
    """The scorecard of a comparison.

    Args:
        comparison: whose verdicts it holds.
        title: of the report.
        details: texts by name.
    """
    card = {
        "format": FORMAT,
        "version": VERSION,
        "title": title,
        "summary": comparison.summary,
        "tolerance": comparison.settings.tolerance,
        "box": comparison.box,
        "periodic": comparison.periodic,
        "splits": [
            {
                "name": split.name,
                "generated": split.generated_number,
                "held_out": split.held_out_number,
                "cosmology": split.cosmology,
            }
            for split in comparison.splits
        ],
        "scores": [_score(verdict) for verdict in comparison.verdicts],
        "details": details,
    }
    return {name: plain(value) for name, value in card.items()}


def _score(verdict: Verdict) -> dict[str, Any]:
    statistic = verdict.statistic
    if verdict.kind is Kind.GRADIENT:
        statistic += f" by {verdict.result.parameter}"
    score = {
        "kind": verdict.kind.value,
        "statistic": statistic,
        "split": " to ".join(verdict.splits),
        "status": verdict.status.value,
        "p": verdict.p_value,
    }
    if verdict.agreement is not None:
        where, error, noise, _ = verdict.worst
        score |= {
            "error": error,
            "noise": noise,
            "where": where,
            "good_to": verdict.agreement.tolerance,
            "finds": verdict.finds,
        }
    return score


def read_scorecard(path: Path) -> dict[str, Any]:
    """A scorecard.

    Raises:
        InputError: a file that is none, or of another version.
    """
    with reading(regular_file(path, WHAT), WHAT):
        tree = parsed(path.read_text(encoding="utf-8"))
        if not isinstance(tree, dict) or tree.get("format") != FORMAT:
            raise InputError(f"expected {WHAT}, got another file; run galgen validate")
        if tree.get("version") != VERSION:
            raise InputError(
                f"expected {WHAT} of version {VERSION}, got {str(tree.get('version'))[:20]}; run "
                "galgen validate anew"
            )
        scores = tree.get("scores")
        if not isinstance(scores, list) or not all(map(_whole, scores)):
            raise InputError(f"expected {WHAT} with its scores, got a damaged one; run it anew")
        return tree


def _whole(score: Any) -> bool:
    """Whether a score has the words and numbers that a table needs."""
    if not isinstance(score, dict):
        return False
    words = (score.get(name) for name in ("kind", "statistic", "split"))
    numbers = (score.get(name) for name in ("p", "error", "good_to"))
    return (
        all(isinstance(word, str) for word in words)
        and score.get("status") in [*Status]
        and all(number is None or isinstance(number, int | float) for number in numbers)
    )


def tabulated(cards: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Rows of a table: a heading, the counts of each status, then every measure of any of them.

    Args:
        cards: by name.
    """
    names = list(cards)
    rows = [("measure", "split", *names)]
    scores = {
        name: {(s["kind"], s["statistic"], s["split"]): s for s in card["scores"]}
        for name, card in cards.items()
    }
    for status in Status:
        counts = (sum(s["status"] == status for s in scores[name].values()) for name in names)
        rows.append((status.value, "", *map(str, counts)))
    keys = dict.fromkeys(key for name in names for key in scores[name])
    rows += [
        (f"{key[1]} {key[0]}", key[2], *(_said(scores[name].get(key)) for name in names))
        for key in keys
    ]
    return rows


def _said(score: Mapping[str, Any] | None) -> str:
    """A score in a few characters."""
    if score is None:
        return "-"
    if score["status"] == Status.BAD:
        error = score.get("error")
        return "BAD" if error is None else f"BAD {error:+.0%}"
    good_to = score.get("good_to")
    if "good_to" in score:
        reach = "" if good_to is None else f" {good_to:.1%}"
        return ("good" if score["status"] == Status.GOOD else "?") + reach
    return "no fault" if score["status"] == Status.NO_FAULT else "?"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
