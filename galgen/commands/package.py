"""galgen package: a run and its report as one model file, to be used by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

import galgen
from galgen.checked import checked
from galgen.commands.command import Command
from galgen.commands.options import Output
from galgen.places import check_file
from galgen.printing import say


@dataclasses.dataclass(frozen=True)
@checked
class Package(Command):
    """Turn a run and its report into one model file: weights, configuration, card.

    The file is listed in index.json beside it, so that GALGEN_MODELS=FOLDER makes it known by name.

    Example: galgen package runs/mine --output models/my-haloes.safetensors
    """

    folder: tyro.conf.Positional[Path]
    """The run."""
    output: Output[Path]
    """The file to write; its name is that of the model."""
    report: Path | None = None
    """The comparison.json of the run; that in <run>/report if not given."""
    licence: str = "MIT"
    """Licence of the weights."""
    best: bool = False
    """Take the checkpoint that the evaluation in training found best."""
    trust: bool = False
    """Import classes of other packages that the run names."""

    def run(self) -> None:
        from galgen.model_card import model_card
        from galgen.model_file import SUFFIX, write_model_file
        from galgen.pretrained import add_to_index, check_name

        path = Path(f"{self.output}".removesuffix(SUFFIX) + SUFFIX)
        check_name(path)
        check_file(path)
        run = galgen.Run.load(self.folder, best=self.best, trust=self.trust)
        card = model_card(run, path.name.removesuffix(SUFFIX), self.report, self.licence)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_model_file(path, card["name"], run.experiment, run.encoding, run.params, card)
        add_to_index(path, card["about"])
        say(f"{path.stat().st_size / 1e6:.2f} MB written to {path}")
