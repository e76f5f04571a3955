"""Sphinx: how the pages that docs/build.py has laid out become a site. Run by ``make docs``."""

import contextlib
import typing
from typing import Any

from sphinx.application import Sphinx
from sphinx.domains.python import PyObject

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


def bare_types(app: Sphinx, function: Any, bound_method: bool) -> None:
    """A signature with types alone: what fields are checked for, their documentation says."""
    with contextlib.suppress(NameError, TypeError, ValueError, AttributeError):
        function.__annotations__ = typing.get_type_hints(function)


def short_arrays(
    app: Sphinx, what: str, name: str, value: Any, options: Any, arguments: Any, returned: Any
) -> tuple[Any, Any]:
    """JAX's array by the name that it is imported by."""
    found = [text and text.replace("jaxlib._jax.Array", "Array") for text in (arguments, returned)]
    return found[0], found[1]


def setup(app: Sphinx) -> None:
    """Tell Sphinx of it."""
    app.connect("autodoc-process-docstring", keep_bars)
    app.connect("autodoc-before-process-signature", bare_types)
    app.connect("autodoc-process-signature", short_arrays)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"  # the heading in the docstrings
