"""The command line: one subcommand for each source, the same cuts and splits for all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import tyro

from data_prep.abacus import AbacusSource
from data_prep.cosmobench import CosmoBenchSource
from data_prep.fastfood import FastFoodSource
from data_prep.predecessors import PredecessorsSource
from data_prep.quijote import QuijoteSource
from data_prep.rockstar import RockstarSource
from data_prep.source import Source, prepare
from data_prep.subfind import SubfindSource
from data_prep.survey import SurveySource
from data_prep.table import TableSource
from galgen.errors import InputError

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


def parse(arguments: Sequence[str] | None = None) -> Source:
    """The source that ``arguments`` ask for, those of the process if None.

    Raises:
        SystemExit: after printing help, with status 0, or what cannot be read, with another.
    """
    return tyro.extras.subcommand_cli_from_dict(
        SOURCES, prog="python -m data_prep", args=arguments, description=__doc__
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a mistake in the input is one line and status 2."""
    source = parse(arguments)
    try:
        prepare(source)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
