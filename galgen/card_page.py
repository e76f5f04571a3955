"""The card of a trained model (:mod:`galgen.model_card`) as a page."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a printed card.

    Attributes:
        heading: of the part.
        headings: of its table.
        rows: of its table.
    """

    heading: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def sections(card: Mapping[str, Any]) -> list[Section]:
    """A card as tables of text."""
    pairs = ("", "")
    found = [
        Section("What it draws", pairs, _rows(card["draws"])),
        Section("Trained on", pairs, _rows(card["data"])),
    ]
    judged, use = card["judged"], card["use"]
    if "curves" in judged:
        headings = ("statistic", "split", "median error", "worst error", "where", "spread ratio")
        rows = [
            (
                c["statistic"],
                c["split"],
                f"{c['median']:.1%} (noise {c['median_noise']:.1%})",
                f"{c['worst']:+.1%} ± {c['worst_noise']:.1%}",
                c["where"],
                "-" if c["spread"] is None else f"{c['spread']:.2f}",
            )
            for c in judged["curves"]
        ]
        found.append(Section("Measured against held-out", headings, rows))
        found += _numbers(judged["numbers"])
    elif judged:
        found.append(Section("Measured against held-out", pairs, _rows(judged)))
    if use:
        percent = f"{use['tolerance']:.0%}"
        columns = ("statistic", f"good to {percent}", f"off by more than {percent}", "cannot tell")
        rows = [
            (name, *("; ".join(parts[k]) or "-" for k in ("good", "off", "cannot tell")))
            for name, parts in use.items()
            if name != "tolerance"
        ]
        found.append(Section("Where it may be used, and where not", columns, rows))
    about = {name: card[name] for name in ("licence", "cite", "galgen")}
    return [
        *found,
        Section("Cost", pairs, _rows(card["cost"])),
        Section("Model", pairs, _rows(card["model"])),
        Section("Licence and citation", pairs, _rows(about)),
    ]


def _numbers(numbers: Mapping[str, float | None]) -> list[Section]:
    """Number of points, whole catalogues, marks and memorisation, split by split."""
    parted = {name: name.split(".", 1) for name in numbers}
    splits = list(dict.fromkeys(split for split, _ in parted.values()))
    marks = sorted({rest[:-3] for _, rest in parted.values() if rest.endswith(".ks")})
    headings = ["split", "mean N", "std of N", "PQMass p", *(f"{mark} KS (null)" for mark in marks)]

    def one(split: str, name: str, digits: int = 3) -> str:
        value = numbers.get(f"{split}.{name}")
        return "-" if value is None else f"{value:.{digits}f}"

    rows = [
        [
            split,
            f"{one(split, 'N.ratio')} ± {one(split, 'N.ratio_error')}",
            one(split, "N.std_ratio", 2),
            one(split, "pqmass.p"),
            *(f"{one(split, f'{m}.ks')} ({one(split, f'{m}.ks_null')})" for m in marks),
        ]
        for split in splits
    ]
    found = [
        Section("Numbers of points, catalogues and columns (generated / held-out)", headings, rows)
    ]
    names = {
        "fraction": "nearest of all catalogues is one of training",
        "expected": "expected of a model that repeats nothing",
        "copies": "copies",
    }
    memory = [
        (words, one(split, f"memorisation.{name}", 2))
        for split in splits
        for name, words in names.items()
        if f"{split}.memorisation.{name}" in numbers
    ]
    return [*found, Section("Memorisation", ("", ""), memory)] if memory else found


def _rows(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, _said(value)) for name, value in tree.items() if value not in ({}, None)]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_said(v)}".strip() for k, v in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(map(_said, value)) if len(value) == 2 else " x ".join(map(_said, value))
    return str(value)


def as_markdown(card: Mapping[str, Any]) -> str:
    """A card as a page of Markdown."""
    lines = [f"# {card['name']}", "", f"{card['about']}.", ""]
    if summary := card["judged"].get("summary"):
        lines += [summary, ""]
    for section in sections(card):
        head = "| " + " | ".join(section.headings) + " |"
        rule = "|" + "---|" * len(section.headings)
        body = ["| " + " | ".join(c.replace("|", "/") for c in row) + " |" for row in section.rows]
        lines += [f"## {section.heading}", "", head, rule, *body, ""]
    return "\n".join(lines)


def as_html(card: Mapping[str, Any]) -> str:
    """A card as a page, in the style of a report."""
    from galgen.validation.report.page import definitions, document, plain_table

    parts = [f"<p>{html.escape(card['about'])}.</p>"]
    if summary := card["judged"].get("summary"):
        parts.append(f'<p class="summary">{html.escape(summary)}</p>')
    for section in sections(card):
        plain = not any(section.headings)
        rows = [(row[0], row[1]) for row in section.rows]
        table = definitions(dict(rows)) if plain else plain_table(section.headings, section.rows)
        parts.append(f'<h2>{section.heading}</h2>\n<div class="wide">\n{table}\n</div>')
    return document(card["name"], "\n".join(parts))
