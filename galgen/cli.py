"""The command line: galgen simulate | train | sample | validate | infer | mock | inspect | demo.

Each command is a frozen dataclass whose fields are its options, with a ``run`` method. Errors that
a user can mend are one line on standard error, with exit status 2.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tyro

from galgen import __version__
from galgen.commands import (
    Command,
    Demo,
    Infer,
    Inspect,
    Mock,
    Simulate,
    Train,
    Validate,
    sample_command,
)
from galgen.configuration import load_config
from galgen.errors import InputError

USAGE = """\
galgen: galaxy catalogues drawn from noise, conditioned on cosmology

A suite is one HDF5 file of catalogues, a run a folder with a trained network. In the usual order:

  galgen simulate  make a suite of halo catalogues over a range of cosmologies
  galgen train     train a network on a suite (or a toy, or digits) by a config file
  galgen sample    draw new catalogues from a trained run
  galgen validate  compare drawn catalogues with held-out ones; writes report.html
  galgen infer     from catalogues to posteriors of their cosmology, by a trained run
  galgen mock      turn boxes into survey catalogues: sky, redshifts, selection, randoms
  galgen inspect   print what a suite or a run holds
  galgen demo      simulate, train, sample and validate, in a quarter of an hour

examples:
  galgen simulate --output suite.h5 --train 400
  galgen train configs/demo.py --data.path suite.h5 --run runs/mine
  galgen train configs/demo.py --data.path suite.h5 --run runs/mine --resume
  galgen sample runs/mine --number 16 --omega-m 0.31 --sigma-8 0.81 --output mocks.h5
  galgen validate runs/mine --require "xi.closure > 0.85"
  galgen sample runs/mine --like suite.h5 --extrapolate --output like.h5
  galgen validate like.h5 suite.h5 --output report
  galgen infer runs/mine suite.h5 --splits test --first 20
  galgen mock mocks.h5 -o surveys --redshifts 0.4 0.6 --mask cmass.fits --populate
  galgen inspect mocks.h5

help:
  galgen COMMAND --help        what a command does, its options with types and defaults
  galgen train CONFIG --help   fields of a configuration: data, network, model, sampler, trainer
  galgen sample RUN --help     conditions of a run, with the ranges that it was trained over
  galgen --version

Exit status: 0; 1 where a requirement of validate is not met; 2 for input that cannot be used,
after one line that says what to mend.
"""

TRAIN = """\
usage: galgen train CONFIG [OPTIONS], e.g. galgen train configs/demo.py --run runs/mine

CONFIG is a Python file that builds an experiment: data, network, model, sampler, trainer. Every
field of it is an option, e.g. --trainer.steps 2000; galgen train CONFIG --help lists them.
"""

SAMPLE = """\
usage: galgen sample RUN [OPTIONS], e.g. galgen sample runs/demo --number 16 --output mocks.h5

RUN is the folder that galgen train wrote. Every condition that it was trained over is an option,
e.g. --omega-m 0.31; galgen sample RUN --help lists them with their ranges.
"""


def parse(arguments: Sequence[str]) -> Command:
    """The command that ``arguments`` ask for.

    Raises:
        InputError: for an unknown command or option, or a value of the wrong type.
        SystemExit: with status 0, after printing help.
    """
    name, rest = arguments[0], list(arguments[1:])
    simple: dict[str, type[Command]] = {
        "simulate": Simulate,
        "validate": Validate,
        "mock": Mock,
        "infer": Infer,
        "inspect": Inspect,
        "demo": Demo,
    }
    kind: Any
    default: Any = None
    if name in simple:
        kind = simple[name]
    elif name == "train":
        kind, config = Train, _positional(rest, TRAIN, Path("configs").glob("*.py"))
        default = Train(config=config, experiment=load_config(config))
    elif name == "sample":
        runs = (path.parent for path in Path("runs").glob("*/encoding.json"))
        kind = sample_command(_positional(rest, SAMPLE, runs))
    else:
        known = ", ".join((*simple, "train", "sample"))
        raise InputError(f"expected a command among {known}, got {name!r}; try galgen --help")
    return _parse_options(kind, default, name, rest)


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
    """tyro's parser, its boxed error reduced to one line."""
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            if default is None:
                return tyro.cli(kind, prog=f"galgen {name}", args=rest)
            return tyro.cli(kind, prog=f"galgen {name}", args=rest, default=default)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise InputError(_one_line(stderr.getvalue())) from None


def _one_line(box: str) -> str:
    """The first paragraph of tyro's error box, and what it says may have been meant."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)
    lines = [line.strip("│ ").strip() for line in plain.splitlines() if not line.startswith("╭")]
    text = " ".join(line for line in lines if not line.startswith("╰"))
    paragraphs = [part.strip() for part in re.split("─{3,}", text) if part.strip()]
    hints = re.findall(r"(?<!help )(--[\w.-]+)", " ".join(p for p in paragraphs if "meant" in p))
    meant = f"; perhaps you meant {hints[0]}" if hints else ""
    return (paragraphs[0] if paragraphs else "the options cannot be read") + meant


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if arguments[0] == "--version":
        print(f"galgen {__version__}")
        return 0
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        parse(arguments).run()
    except (InputError, FloatingPointError) as error:
        print(f"galgen: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"galgen: error: {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("galgen: stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
