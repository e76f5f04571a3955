"""The command line: one subcommand for each source, the same cuts and splits for all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import tyro

from data_prep.options import joined
from data_prep.preparation import prepare
from data_prep.simulations.abacus import AbacusSource
from data_prep.simulations.cosmobench import CosmoBenchSource
from data_prep.simulations.fastfood import FastFoodSource
from data_prep.simulations.predecessors import PredecessorsSource
from data_prep.simulations.quijote import QuijoteSource
from data_prep.simulations.rockstar import RockstarSource
from data_prep.simulations.subfind import SubfindSource
from data_prep.source import Source
from data_prep.surveys.source import SurveySource
from data_prep.tables.source import TableSource
from galgen import command_line
from galgen.errors import InputError
from galgen.option_errors import meant, read_options
from galgen.places import HDF5, check_file

PROGRAM = "python -m data_prep"
SOURCES: dict[str, Callable[..., Source]] = {
    "quijote": QuijoteSource,
    "rockstar": RockstarSource,
    "subfind": SubfindSource,
    "abacus": AbacusSource,
    "cosmobench": CosmoBenchSource,
    "npy": PredecessorsSource,
    "fastfood": FastFoodSource,
    "survey": SurveySource,
    "table": TableSource,
}


def parse(arguments: Sequence[str]) -> Source:
    """The source that ``arguments`` ask for.

    Raises:
        InputError: for an unknown source or option, or a value of the wrong type.
        SystemExit: with status 0, after printing help.
    """
    first = arguments[0] if arguments else "nothing"
    if first not in ("-h", "--help", *SOURCES):
        hint = meant(first, SOURCES) or f"{PROGRAM} --help tells of them"
        raise InputError(f"expected a source among {', '.join(SOURCES)}, got {first!r}; {hint}")

    def read(words: Sequence[str]) -> Source:
        words = [first, *joined(words)]
        parsed = tyro.extras.subcommand_cli_from_dict
        return parsed(SOURCES, prog=PROGRAM, args=words, description=__doc__)

    return read_options(f"{PROGRAM} {first}", arguments[1:], read)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return command_line.run("data_prep", arguments, _run)


def _run(arguments: Sequence[str]) -> None:
    source = parse(arguments)
    check_file(source.output, source.inputs, HDF5)
    prepare(source)
