"""Pages of a report: a template, whose parts are filled by name and must all be given."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from string import Template

from galgen.validation.verdict import Status, Verdict
from galgen.validation.words import HEADINGS, Row, cell, lines

DOCUMENT = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 66rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.summary { font-size: 1.05rem; border-left: 4px solid #1b1b1b; padding-left: 0.8rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.86rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.28rem 0.6rem;
  border-bottom: 1px solid #ddd; }
thead th { border-bottom: 2px solid #1b1b1b; }
[data-label=Verdict], td.bad { font-weight: 600; }
.good [data-label=Verdict], td.good { color: #20603a; }
.bad [data-label=Verdict], td.bad { color: #a3271a; }
tr.bad, td.bad { background: #fbeeec; }
details { margin: 1rem 0; } summary { cursor: pointer; font-weight: 600; }
figure { margin: 0.6rem 0; } img { max-width: 100%; height: auto; }
figcaption { font-size: 0.88rem; color: #444; } .verdict { font-size: 0.92rem; }
td { overflow-wrap: anywhere; }
@media (max-width: 44rem) { /* a phone: a row is a card, and pictures scroll sideways */
  thead { display: none; } table, tbody, tr, td, th { display: block; }
  tr { border-bottom: 1px solid #ddd; padding: 0.5rem 0.4rem; }
  td, th { border: 0; padding: 0.05rem 0; }
  td[data-label] { display: inline-block; margin-right: 0.9rem; }
  td:first-child, td:last-child { display: block; } td:empty { display: none; }
  td[data-label]::before { content: attr(data-label) ": "; color: #666; font-weight: 400; }
  td[data-label]:first-child { font-weight: 600; } td:first-child::before { content: none; }
  figure { overflow-x: auto; } figure img { min-width: 46rem; }
}
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")
REPORT = Template("""<p class="summary">$summary</p>
$findings
$figures
<h2>Verdicts</h2>
<div class="wide">
$verdicts
</div>
$details""")


CLASSES = {Status.BAD: "bad", Status.GOOD: "good"}


def side_by_side(verdicts: Sequence[Verdict], where: Mapping[str, str] | None = None) -> str:
    """One line a measure, its splits side by side; marked in words and not in colour alone.

    Args:
        verdicts: of all splits.
        where: what the splits are called.
    """
    found = lines(verdicts)
    splits = [*dict.fromkeys(name for line in found for name in line.verdicts)]
    headings = ["Measure", *((where or {}).get(name, name) for name in splits)]
    body = []
    for line in found:
        cells = f'<td data-label="Measure">{_text(line.measure)}</td>'
        for name, heading in zip(splits, headings[1:], strict=True):
            known = line.verdicts.get(name)
            text = "" if known is None else cell(known)
            mark = "other" if known is None else CLASSES.get(known.status, "other")
            cells += f'<td data-label="{_text(heading)}" class="{mark}">{_text(text)}</td>'
        body.append(f"<tr>{cells}</tr>")
    rows = "\n".join(body)
    return f"<table>\n{_head(headings)}\n<tbody>\n{rows}\n</tbody>\n</table>"


def verdict_table(rows: Iterable[Row]) -> str:
    """Every verdict with its figures and how it is to be read."""
    headings = [name.capitalize() for name in HEADINGS]
    body = "\n".join(
        f'<tr class="{CLASSES.get(Status(r.status), "other")}">'
        + _cells(headings, (r.measure, r.worst, r.p_value, r.good_to, r.finds, r.status, r.note))
        + "</tr>"
        for r in rows
    )
    return f"<table>\n{_head(headings)}\n<tbody>\n{body}\n</tbody>\n</table>"


def folded(title: str, body: str) -> str:
    """A part of the page that opens on a click."""
    heading = f"<summary>{_text(title)}</summary>"
    return f'<details>\n{heading}\n<div class="wide">\n{body}\n</div>\n</details>'


def plain_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text."""
    body = "\n".join(f"<tr>{_cells(headings, row)}</tr>" for row in rows)
    return f"<table>\n{_head(headings)}\n<tbody>\n{body}\n</tbody>\n</table>"


def definitions(pairs: Mapping[str, str]) -> str:
    """Names and values as a two-column table."""
    rows = "\n".join(
        f'<tr><th scope="row">{_text(k)}</th><td>{_text(v)}</td></tr>' for k, v in pairs.items()
    )
    return f"<table>\n<tbody>\n{rows}\n</tbody>\n</table>"


def figure_section(title: str, image: str, caption: str, verdict: str) -> str:
    """A heading, the embedded image, its caption and its verdict."""
    return (
        f"<h2>{_text(title)}</h2>\n<figure>\n"
        f'<img alt="{_text(title)}" src="data:image/png;base64,{image}">\n'
        f"<figcaption>{_text(caption)}</figcaption>\n</figure>\n"
        f'<p class="verdict"><strong>Verdict.</strong> {_text(verdict)}</p>'
    )


def notes_list(notes: Sequence[str]) -> str:
    """The notes as a list; nothing for none."""
    if not notes:
        return ""
    return "<ul>" + "".join(f"<li>{_text(note)}</li>" for note in notes) + "</ul>"


def fill(title: str, summary: str, sections: Mapping[str, str]) -> str:
    """The whole page.

    Raises:
        KeyError: a section of the template that was not given.
    """
    return document(title, REPORT.substitute(summary=_text(summary), **sections))


def document(title: str, body: str) -> str:
    """A page with this heading and what comes below it, in HTML."""
    return DOCUMENT.substitute(title=_text(title), body=body)


def link(address: str, words: str) -> str:
    """A paragraph that leads to a page beside this one."""
    return f'<p><a href="{_text(address)}">{_text(words)}</a></p>'


def _cells(headings: Sequence[str], row: Sequence[str]) -> str:
    """The cells of a row, each with its heading, which narrow screens show beside it."""
    return "".join(
        f'<td data-label="{_text(heading)}">{_text(cell)}</td>'
        for heading, cell in zip(headings, row, strict=True)
    )


def _head(names: Sequence[str]) -> str:
    cells = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _text(value: str) -> str:
    return html.escape(value.replace("+-", "±").replace(">=", "≥"))
