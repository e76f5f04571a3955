"""galgen models: the trained models that can be used by name."""

from __future__ import annotations

import dataclasses

from galgen.checked import checked
from galgen.commands.command import Command
from galgen.pretrained import listed
from galgen.printing import say


@dataclasses.dataclass(frozen=True)
@checked
class Models(Command):
    """List the trained models that can be used by name, in place of a run.

    The variable GALGEN_MODELS of the environment adds those of a folder, or of an address on the
    web, that galgen package wrote to.

    Example: galgen models
    """

    def run(self) -> None:
        known = listed()
        width = max(map(len, known), default=0)
        for name, model in sorted(known.items()):
            where = f" ({model.place})" if model.is_remote else ""
            say(f"{name:<{width}}  {model.size / 1e6:5.2f} MB  {model.about}{where}")
        say("\ngalgen model-card NAME tells what was measured of one")
