"""Sphinx: how the pages that docs/build.py has laid out become a site. Run by ``make docs``."""

from typing import Any

from sphinx.application import Sphinx

from galgen import __version__

project = "galgen"
author = "The galgen developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
html_theme = "furo"
html_title = f"galgen {__version__}"
html_static_path: list[str] = []

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_class_signature = "mixed"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
# "box, periodic: of every catalogue" is read as a field and its type, which no object need match.
suppress_warnings = ["ref.python"]
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

LITERAL = "``"


def keep_bars(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Docstrings write |x| for a modulus, which reStructuredText takes for a substitution."""
    for i, line in enumerate(lines):
        parts = line.split(LITERAL)
        parts[::2] = [part.replace("|", "\N{DIVIDES}") for part in parts[::2]]
        lines[i] = LITERAL.join(parts)


def setup(app: Sphinx) -> None:
    """Tell Sphinx of it."""
    app.connect("autodoc-process-docstring", keep_bars)
