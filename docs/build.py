"""``make docs``: lay out the pages as the repository has them, run Sphinx, and follow every link.

The pages are copied into one folder with the paths that they have in the repository, so that every
link between them is right on the site and where the repository is read. The README is the front.
Warnings are errors, and so are links within the site that lead nowhere.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from command_line import write_help
from links import dead_links
from rooms import write_rooms
from sphinx.cmd.build import main as sphinx

from galgen.card_page import as_markdown
from galgen.model_file import ModelFile
from galgen.pretrained import find_model, listed

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
BUILD = DOCS / "_build"
COPIED = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "SECURITY.md",
    "LICENSE",
    "benchmarks/*.md",
    "benchmarks/*.html",
    "docs/*.md",
    "docs/pictures/**/*",
    "notebooks/*.py",
    "configs/*.py",
)
CONTENTS = """
```{toctree}
:hidden:
:caption: Trained models
:glob:

docs/models
docs/models/*
```

```{toctree}
:hidden:
:caption: Guides

docs/data
docs/simulators
docs/training
docs/generative
docs/fields
docs/statistics
docs/inference
OTHERS
```

```{toctree}
:hidden:
:caption: Look up

docs/command_line
reference/index
docs/gallery
```

```{toctree}
:hidden:
:caption: Measured and promised

benchmarks/RESULTS
benchmarks/SCALING
docs/promises
docs/gpu
```

```{toctree}
:hidden:
:caption: The house

CONTRIBUTING
SECURITY
CHANGELOG
```
"""
"""Of the front page; OTHERS are the pages of docs/ that it does not name."""


def lay_out(source: Path) -> None:
    """Copy and write every page."""
    shutil.rmtree(source.parent, ignore_errors=True)
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            if path.is_file():
                place = source / path.relative_to(ROOT)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
    pages = [f"docs/{path.stem}" for path in sorted(DOCS.glob("*.md"))]
    others = "\n".join(page for page in pages if page not in CONTENTS.splitlines())
    (source / "index.md").write_text(
        (ROOT / "README.md").read_text() + CONTENTS.replace("OTHERS", others)
    )
    write_rooms(ROOT, source / "reference")
    write_help(source / "docs" / "command_line.md")
    for name in listed():
        card = ModelFile.open(find_model(name)).card
        place = source / "docs" / "models" / f"{name}.md"
        place.parent.mkdir(exist_ok=True)
        place.write_text(as_markdown(card))


def main() -> int:
    """Build; the exit status."""
    lay_out(BUILD / "source")
    options = ["-b", "html", "-c", str(DOCS), "-d", str(BUILD / "doctrees")]
    strict = ["-W", "--keep-going", "--quiet"]
    status = sphinx([*strict, *options, str(BUILD / "source"), str(BUILD / "html")])
    dead = dead_links(BUILD / "html")
    print("\n".join(dead), file=sys.stderr)
    return status or bool(dead)


if __name__ == "__main__":
    sys.exit(main())
