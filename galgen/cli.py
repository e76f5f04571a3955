"""The command line: galgen simulate | train | sample | validate | infer | mock | export | ...

Each command is a frozen dataclass whose fields are its options, with a ``run`` method. Errors that
a user can mend are one line on standard error, with exit status 2.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import galgen
from galgen import command_line
from galgen.commands.command import COMMANDS, class_name
from galgen.errors import InputError
from galgen.option_errors import meant, read_options, refuse_unknown
from galgen.shipped import config_list, shipped_configs

if TYPE_CHECKING:
    from galgen.commands import Command

USAGE = """\
galgen: galaxy catalogues drawn from noise, conditioned on cosmology

A suite is one HDF5 file of catalogues, a run a folder with a trained network. In the usual order:

  galgen simulate  make a suite of halo catalogues over a range of cosmologies
  galgen train     train a network on a suite (or a toy, or digits) by a config file
  galgen sample    draw new catalogues from a trained run
  galgen validate  compare drawn catalogues with held-out ones; writes report.html
  galgen infer     from catalogues to posteriors of their cosmology, by a trained run
  galgen mock      turn boxes into survey catalogues: sky, redshifts, selection, randoms
  galgen export    turn a suite into CSV, Parquet, FITS, NumPy or ASDF for other programs
  galgen inspect   print what a suite or a run holds
  galgen demo      simulate, train, sample and validate, in a quarter of an hour

Trained models come with galgen. Their names stand for a run: galgen sample haloes-small

  galgen models      list the trained models
  galgen model-card  print what was measured of one, or of a run
  galgen scorecards  set the verdicts of many reports side by side
  galgen package     turn a run and its report into a model file, to be used by name
  galgen completion  print what completes commands and options in bash, zsh or fish

examples:
  galgen sample haloes-small --number 4 --omega-m 0.31 --output mocks.h5
  galgen simulate --output suite.h5 --train 400
  galgen train demo --data.path suite.h5 --run runs/mine
  galgen train demo --data.path suite.h5 --run runs/mine --resume
  galgen sample runs/mine --number 16 --omega-m 0.31 --sigma-8 0.81 --output mocks.h5
  galgen validate runs/mine --require "verdicts.bad == 0 and all.P0.p > 0.01"
  galgen sample runs/mine --like suite.h5 --extrapolate --output like.h5
  galgen validate like.h5 suite.h5 --output report
  galgen infer runs/mine suite.h5 --splits test --number 20
  galgen mock mocks.h5 --output surveys --redshifts 0.4 0.6 --mask cmass.fits --populate
  galgen export mocks.h5 --to fits
  galgen inspect mocks.h5

help:
  galgen COMMAND --help        what a command does, its options with types and defaults
  galgen train --list          the configurations that come with galgen
  galgen train CONFIG --help   fields of a configuration: data, network, model, sampler, trainer
  galgen sample RUN --help     conditions of a run, with the ranges that it was trained over
  galgen --version             versions of galgen, JAX and Python, and the device
  galgen COMMAND ... --verbose also how many programs it compiled, and how many it read

Exit status: 0; 1 where validate finds its --require not met, or infer --strict gives a warning; 2
for input that cannot be used, after one line that says what to mend; 70 for an error of galgen
itself (GALGEN_TRACEBACK=1 adds the traceback); 130 after Ctrl-C.
"""

TRAIN = """\
usage: galgen train CONFIG [OPTIONS], e.g. galgen train demo --run runs/mine

CONFIG is a Python file that builds an experiment: data, network, model, sampler, trainer; or the
name of one that comes with galgen (galgen train --list). Every field of it is an option, e.g.
--trainer.steps 2000; galgen train CONFIG --help lists them.
"""

SAMPLE = """\
usage: galgen sample RUN [OPTIONS], e.g. galgen sample runs/demo --number 16 --output mocks.h5

RUN is the folder that galgen train wrote, a model file, or the name of a trained model
(galgen models). Every condition that it was trained over is an option,
e.g. --omega-m 0.31; galgen sample RUN --help lists them with their ranges.
"""


VERBOSE = "--verbose"

FORMER: Mapping[str, Mapping[str, str]] = {
    "simulate": {"--processes": "--workers"},
    "train": {"--seed": "--trainer.seed"},
    "sample": {"--n": "--number"},
    "validate": {"--train": "--training", "--further": "--statistics"},
    "infer": {"--first": "--number"},
    "demo": {"--processes": "--workers", "--folder": "--run"},
}
"""Options as they once were or as one may expect them, and as they are."""


def parse(arguments: Sequence[str]) -> Command:
    """The command that ``arguments`` ask for.

    Raises:
        InputError: for an unknown command or option, or a value of the wrong type.
        SystemExit: with status 0, after printing help.
    """
    name, rest = arguments[0], list(arguments[1:])
    if name not in COMMANDS:
        hint = meant(name, COMMANDS) or "galgen --help tells of them"
        raise InputError(f"expected a command among {', '.join(COMMANDS)}, got {name!r}; {hint}")
    from galgen import commands

    rest = _renamed(name, rest)
    if name == "train":
        if rest[:1] == ["--list"]:
            print(config_list())
            raise SystemExit(0)
        config = _positional(rest, TRAIN, Path("configs").glob("*.py"))
        refuse_unknown(shipped_configs().get(str(config), config), rest[1:])
        with commands.telling_others(rest):
            default = commands.Train(config=config, experiment=galgen.load_config(config))
            return _parse_options(commands.Train, default, name, rest)
    if name == "simulate":
        engine = commands.Simulate.of_engine(rest)
        return _parse_options(commands.Simulate, engine, name, rest)
    if name == "sample":
        runs = (path.parent for path in Path("runs").glob("*/encoding.json"))
        folder = _positional(rest, SAMPLE, runs)
        kind = commands.sample_command(folder, "--trust" in rest)
    else:
        kind = getattr(commands, class_name(name))  # imports this one alone
    return _parse_options(kind, None, name, rest)


def _renamed(name: str, words: Sequence[str]) -> list[str]:
    """Options by the names that they have now."""
    now = FORMER.get(name, {})
    parted = [word.partition("=") for word in words]
    return [now.get(option, option) + equals + value for option, equals, value in parted]


def _positional(rest: Sequence[str], usage: str, here: Iterable[Path]) -> Path:
    """The first argument, which says what the options are; help without it names those ``here``."""
    if rest and rest[0] in ("-h", "--help"):
        found = [f"  {path}" for path in sorted(here)]
        print("\n".join([usage, *(["here:"] if found else []), *found]))
        raise SystemExit(0)
    if not rest or rest[0].startswith("-"):
        wanted = usage.splitlines()[0].removeprefix("usage: ")
        raise InputError(f"expected {wanted}, got {rest[:1] or 'nothing'}; name it first")
    return Path(rest[0])


def _parse_options(kind: Any, default: Any, name: str, rest: list[str]) -> Command:
    """The command of this kind, by tyro."""
    import tyro

    program = f"galgen {name}"
    more = {} if default is None else {"default": default}
    return read_options(
        program, rest, lambda words: tyro.cli(kind, prog=program, args=words, **more)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    return command_line.run("galgen", sys.argv[1:] if arguments is None else arguments, _run)


def _run(arguments: Sequence[str]) -> None:
    words = [word for word in arguments if word != VERBOSE]
    if not arguments or words[:1] in (["-h"], ["--help"]):
        print(USAGE)
    elif not words:
        raise InputError(f"expected a command, got {VERBOSE} alone; galgen --help tells of them")
    elif words[0] == "--version":
        from galgen.version import version_line

        print(version_line())
    else:
        from galgen.commands.compilation import compilations_told, keep_compiled

        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        command = parse(words)
        keep_compiled()
        with compilations_told() if VERBOSE in arguments else contextlib.nullcontext():
            command.run()


if __name__ == "__main__":
    sys.exit(main())
