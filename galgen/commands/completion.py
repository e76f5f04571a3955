"""galgen completion: what completes commands, options and files in a shell."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import typing
from dataclasses import MISSING
from typing import Any, Literal

import tyro

from galgen import commands
from galgen.checked import checked
from galgen.commands.command import COMMANDS, Command, class_name

FILES = {"complete -F": "complete -o default -F", "matches+=": '[ -z "$completion" ] || matches+='}
"""What tyro prints for bash, and what completes files where there is no option."""


@dataclasses.dataclass(frozen=True)
@checked
class Completion(Command):
    """Print what a shell reads to complete commands, options and files of galgen.

    Of train and sample only those options that all configurations and runs have.

    Example, for bash: galgen completion bash > ~/.local/share/bash-completion/completions/galgen

    Example, for zsh, in a folder of fpath: galgen completion zsh > ~/.zfunc/_galgen
    """

    shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]
    """The shell."""

    def run(self) -> None:
        kinds = {name: _options(name) for name in COMMANDS}
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            asked = ["--tyro-print-completion", self.shell]
            tyro.extras.subcommand_cli_from_dict(kinds, prog="galgen", args=asked)
        # A line of the script for each option: descriptions may not break theirs.
        script = re.sub(
            r"(?m)^COMPLETION_SPEC = .*$", lambda m: m[0].replace(r"\n", " "), printed.getvalue()
        )
        for before, after in FILES.items() if self.shell == "bash" else ():
            script = script.replace(before, after)
        print(script, end="")


def _options(name: str) -> Any:
    """A class with the options of a command that do not depend on its first argument."""
    if name == "sample":
        from galgen.commands.sample import with_conditions

        return with_conditions({})
    if name != "train":
        return getattr(commands, class_name(name))
    from galgen.experiment import Experiment

    fields = [
        (field.name, typing.get_type_hints(kind, include_extras=True)[field.name], field)
        for kind, left_out in ((commands.Train, "experiment"), (Experiment, "sampler"))
        for field in dataclasses.fields(kind)
        if field.name != left_out and (kind is commands.Train or field.default is not MISSING)
    ]
    return dataclasses.make_dataclass("Train", fields)
