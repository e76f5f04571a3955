"""``make docs``: lay out the pages as the repository has them, then run Sphinx, warnings as errors.

The pages are copied into one folder with the paths that they have in the repository, so that every
link between them is right on the site and where the repository is read. The README is the front.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from command_line import write_help
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
    "docs/*.md",
    "docs/pictures/**/*",
    "notebooks/*.py",
    "configs/*.py",
)
CONTENTS = """
```{toctree}
:hidden:
:caption: Guide
:glob:

docs/*
```

```{toctree}
:hidden:
:caption: Reference

reference/index
```

```{toctree}
:hidden:
:caption: Measured, and to add

benchmarks/RESULTS
benchmarks/SCALING
CONTRIBUTING
SECURITY
CHANGELOG
```
"""


def lay_out(source: Path) -> None:
    """Copy and write every page."""
    shutil.rmtree(source.parent, ignore_errors=True)
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            if path.is_file():
                place = source / path.relative_to(ROOT)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
    (source / "index.md").write_text((ROOT / "README.md").read_text() + CONTENTS)
    write_rooms(ROOT, source / "reference")
    write_help(source / "docs" / "command_line.md")
    for name in listed():
        card = ModelFile.open(find_model(name)).card
        place = source / "docs" / "models" / f"{name}.md"
        place.parent.mkdir(exist_ok=True)
        place.write_text(as_markdown(card))


def main() -> int:
    """Build; the exit status of Sphinx."""
    lay_out(BUILD / "source")
    options = ["-b", "html", "-c", str(DOCS), "-d", str(BUILD / "doctrees")]
    strict = ["-W", "--keep-going", "--quiet"]
    return sphinx([*strict, *options, str(BUILD / "source"), str(BUILD / "html")])


if __name__ == "__main__":
    sys.exit(main())
