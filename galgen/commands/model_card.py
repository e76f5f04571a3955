"""galgen model-card: what was measured of a trained model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import tyro

from galgen.checked import checked
from galgen.commands.command import Command
from galgen.commands.options import Output
from galgen.errors import InputError
from galgen.places import check_file
from galgen.pretrained import model_file
from galgen.printing import say
from galgen.publishing import publish_text


@dataclasses.dataclass(frozen=True)
@checked
class ModelCard(Command):
    """Print the card of a trained model: what it draws, how good it is, where it may be used.

    That of a run is made of measured numbers alone: of the report that galgen validate wrote, the
    log of the training, and a few draws that are timed now.

    Example: galgen model-card haloes-small
    """

    folder: tyro.conf.Positional[Path]
    """The run, a model file, or the name of a trained model."""
    report: Path | None = None
    """The comparison.json of the run; that in <run>/report if not given."""
    output: Output[Path | None] = None
    """A file to write, Markdown; printed if not given."""
    trust: bool = False
    """Import classes of other packages that the run names."""

    def run(self) -> None:
        from galgen.card_page import as_markdown

        if self.output is not None:
            check_file(self.output)
        text = as_markdown(self._card())
        if self.output is None:
            say(text)
            return
        publish_text(self.output, text)
        say(f"card written to {self.output}")

    def _card(self) -> dict[str, Any]:
        if (model := model_file(self.folder)) is None:
            import galgen
            from galgen.model_card import model_card

            run = galgen.Run.load(self.folder, trust=self.trust)
            return model_card(run, run.name, self.report)
        if self.report is not None:
            raise InputError(
                f"expected a run for --report, got {self.folder}, which has its card; leave it out"
            )
        return dict(model.card)
