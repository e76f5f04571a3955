"""What each command of ``galgen`` does; :mod:`galgen.cli` parses them."""

from galgen.commands.command import Command
from galgen.commands.demo import Demo
from galgen.commands.infer import Infer
from galgen.commands.inspect import Inspect
from galgen.commands.mock import Mock
from galgen.commands.sample import Sample, conditions_of, sample_command
from galgen.commands.simulate import Simulate
from galgen.commands.train import Train, telling_others
from galgen.commands.validate import Validate

__all__ = [
    "Command",
    "Demo",
    "Infer",
    "Inspect",
    "Mock",
    "Sample",
    "Simulate",
    "Train",
    "Validate",
    "conditions_of",
    "sample_command",
    "telling_others",
]
