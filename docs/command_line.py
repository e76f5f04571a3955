"""The page of the command line: the help of every command, as it is printed."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_prep.command import SOURCES
from data_prep.command import main as prepare
from galgen.cli import USAGE, main
from galgen.commands.command import COMMANDS
from galgen.data.cardinality import Cardinality
from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CloudEncoding
from galgen.data.normalization import Standardizer
from galgen.serialization import write_json

CONFIG = Path(__file__).parents[1] / "configs" / "demo.py"


def printed(command: Callable[[list[str]], int], arguments: list[str]) -> str:
    """What a command prints before it ends, without colours."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        command(arguments)
    return re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue()).strip()


def example_run(folder: Path) -> Path:
    """A run of omega_m and sigma_8, as far as its help needs one."""
    columns = {name: np.linspace(1.0, 99.0, 8) for name in "xyz"}
    catalogues = [
        Catalogue(columns, (100.0,) * 3, 0.0, {"omega_m": omega_m, "sigma_8": sigma_8})
        for omega_m, sigma_8 in ((0.2, 0.7), (0.2, 0.9), (0.4, 0.7), (0.4, 0.9))
    ]
    standardizer = Standardizer.fit(catalogues, columns=("x", "y", "z"))
    conditions = [
        standardizer.encode_condition(standardizer.condition_values(c)) for c in catalogues
    ]
    cardinality = Cardinality.fit([8] * 4, np.stack(conditions))
    write_json(folder / "encoding.json", CloudEncoding(standardizer, cardinality, (8,)))
    return folder


def write_help(path: Path) -> None:
    """Write the page."""
    sections = ["# Command line", "", "```text", USAGE.strip(), "```", ""]
    with tempfile.TemporaryDirectory() as scratch:
        first = {"train": [str(CONFIG)], "sample": [str(example_run(Path(scratch)))]}
        for command in COMMANDS:
            text = printed(main, [command, *first.get(command, []), "--help"])
            sections += [f"## galgen {command}", "", "```text", text, "```", ""]
    text = printed(prepare, ["--help"])
    sections += ["## python -m data_prep", "", "```text", text, "```", ""]
    for source in SOURCES:
        text = printed(prepare, [source, "--help"])
        sections += [f"### data_prep {source}", "", "```text", text, "```", ""]
    path.write_text("\n".join(sections))
