"""galgen inspect: what a suite or a run holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

import galgen
from galgen.checked import checked
from galgen.commands.command import Command
from galgen.commands.runs import encoding_of, run_details
from galgen.errors import InputError
from galgen.model_file import SUFFIX
from galgen.places import check_file
from galgen.printing import say
from galgen.publishing import Publication


@dataclasses.dataclass(frozen=True)
@checked
class Inspect(Command):
    """Print what a suite of catalogues, or a run, holds.

    Example: galgen inspect suite.h5 --picture suite.png
    """

    path: tyro.conf.Positional[Path]
    """A suite (HDF5 file), a run (folder), or a trained model by its name."""
    picture: Path | None = None
    """Draw the suite to this file (PNG, PDF, SVG): slabs, counts and parameters."""
    trust: bool = False
    """Import classes of other packages that the run names."""

    def run(self) -> None:
        named = not self.path.exists() and not self.path.suffix
        if self.path.is_dir() or self.path.suffix == SUFFIX or named:
            if self.picture is not None:
                raise InputError(
                    f"expected a suite for --picture, got the run {self.path}; leave it out"
                )
            encoding = encoding_of(self.path, self.trust)
            say(f"run {self.path}")
            for name, text in run_details(self.path, self.trust).items():
                say(f"  {name}: {text}")
            for name, (low, high) in encoding.condition_ranges.items():
                say(f"  condition {name}: trained from {low:.4g} to {high:.4g}")
            return
        if self.picture is not None:
            check_picture(self.picture)
        from galgen.data.suite_summary import suite_summary

        with galgen.Suite(self.path) as suite:
            say(suite_summary(suite))
            if self.picture is not None:
                draw(suite, self.picture)
                say(f"picture written to {self.picture}")


def check_picture(path: Path) -> None:
    """Refuse a file that cannot be a picture.

    Raises:
        InputError: for a folder, or a suffix that is no format of pictures.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    check_file(path)
    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in known:
        raise InputError(
            f"expected a picture that ends in one of {', '.join(sorted(known))}, got "
            f"{path.name!r}; rename it"
        )


def draw(suite: galgen.Suite, path: Path) -> None:
    """The picture of a suite.

    Raises:
        InputError: if there is no folder for it, or its suffix is no format of pictures.
    """
    import matplotlib

    from galgen.plot_style import DOTS_PER_INCH, STYLE

    check_picture(path)
    with matplotlib.rc_context(dict(STYLE)), Publication(path) as publication:
        figure = galgen.validation.suite_figure(suite)
        draft = publication.folder / path.name
        figure.savefig(draft, dpi=DOTS_PER_INCH)
        publication.publish(draft)
