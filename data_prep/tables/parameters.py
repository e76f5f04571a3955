"""Tables of cosmological parameters, joined to files by the simulation that is in their path.

==========================  =================================================================
table                       the simulation of a row
==========================  =================================================================
a column ``Name``, ``id``,  its text, ``LH_12`` (CAMELS)
``sim``, ``sim_name``, ...
a first column without a    its number, as pandas writes its index
name
none of these               its number from 0 (Quijote's ``latin_hypercube_params.txt``)
==========================  =================================================================

Names of parameters are those of :mod:`galgen.cosmology`; one that looks like cosmology and
is not known is refused, or left out by name. What is no cosmology, ``A_SN1``, is a parameter too,
in lower case. A random seed is none.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data_prep.tables.columns import alike
from data_prep.tables.files import Choice, open_table
from galgen.cosmology import canonical_parameters
from galgen.errors import InputError
from galgen.reading.columns import Column

IDENTITIES = (
    *("name", "sim_name", "simname", "sim", "sim_id", "simulation", "simulation_name"),
    *("simulation_id", "id", "root", "index", ""),
)
"""Names of the column that says which simulation a row is of, without case; the first counts."""
SEEDS = ("seed", "random_seed", "randomseed", "unnamed: 0")


@dataclasses.dataclass(frozen=True)
class ParameterTable:
    """The parameters of simulations.

    Attributes:
        path: of the table.
        rows: simulation -> parameters.
    """

    path: Path
    rows: Mapping[str, Mapping[str, float]]

    @classmethod
    def read(
        cls, path: Path, ignore: Sequence[str] = (), names: Sequence[str] = ()
    ) -> ParameterTable:
        """The table of a file, of text or another format of :mod:`data_prep.tables.files`.

        Args:
            path: of the file.
            ignore: columns to leave out.
            names: of all columns, if the file does not have them.

        Raises:
            InputError: if it is missing, has no names, a row has more or fewer values than there
                are names, a value is no number or cannot be what it is named, or a simulation
                comes twice.
        """
        table = open_table(path, Choice(names=tuple(names), naming="--parameter-names"))
        if table.numbered:
            raise InputError(
                f"expected names in the first line of {path}, got none; write them there, or pass "
                "--parameter-names"
            )
        labels = [name.strip().lstrip("#").strip() for name in table.names]
        absent = [name for name in ignore if alike(name) not in map(alike, labels)]
        if absent:
            raise InputError(
                f"expected columns of {path} ({', '.join(labels)}) to ignore, got "
                f"{', '.join(absent)}; mend --ignore"
            )
        columns = table.read(range(len(labels)))
        identity = _identity(labels)
        if identity is None and table.skipped:
            raise InputError(
                f"expected a row of {path} for each simulation in turn, got {table.skipped} lines "
                "with # among them; take them out, or give the rows a column 'id'"
            )
        left_out = {*map(alike, ignore), *SEEDS, *IDENTITIES}
        kept = [i for i, label in enumerate(labels) if alike(label) not in left_out]
        numbers = {i: _values(columns[i], labels[i], path) for i in kept}
        rows: dict[str, Mapping[str, float]] = {}
        for row in range(len(columns[0].values)):
            where = f"row {row} (from 0) of {path}"
            simulation = _key(str(row if identity is None else columns[identity].values[row]))
            if simulation in rows:
                raise InputError(f"expected {simulation!r} once in {path}, got it again; mend it")
            pairs = [(labels[i], float(numbers[i][row])) for i in kept]
            rows[simulation] = canonical_parameters(_once(pairs, where), where)
        return cls(path, rows)

    def of(self, simulation: str) -> Mapping[str, float] | None:
        """The parameters of a simulation, if the table has it; ``007`` is ``7``."""
        return self.rows.get(_key(simulation))

    def join(self, inputs: Sequence[Path], pattern: str) -> dict[Path, Mapping[str, float]]:
        """The parameters of each input.

        Args:
            inputs: files or folders.
            pattern: regular expression, searched for in the path; its group is the simulation.

        Raises:
            InputError: naming every input whose path has no simulation, or one that is not in the
                table.
        """
        simulations = {path: simulation_of(path, pattern) for path in inputs}
        without = [str(path) for path, simulation in simulations.items() if simulation is None]
        if without:
            raise InputError(
                f"expected paths that match {pattern!r}, got {', '.join(without)}; pass an "
                "--id-pattern with a group around the simulation"
            )
        found = {path: self.of(simulation or "") for path, simulation in simulations.items()}
        missing = [str(simulations[path]) for path, row in found.items() if row is None]
        if missing:
            few = list(self.rows)
            raise InputError(
                f"expected simulations of {self.path} ({few[0]} to {few[-1]}), got "
                f"{', '.join(dict.fromkeys(missing))}; check --id-pattern {pattern!r} or the table"
            )
        return {path: row for path, row in found.items() if row is not None}


def simulation_of(path: Path, pattern: str) -> str | None:
    """The simulation that a path names, if it does."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"expected a regular expression, got {pattern!r}; {error}") from error
    if compiled.groups != 1:
        raise InputError(f"expected one group in {pattern!r}, got {compiled.groups}; e.g. LH_(.*)/")
    match = compiled.search(path.resolve().as_posix())
    return match.group(1) if match else None


def together(
    known: Mapping[str, float], more: Mapping[str, float], sources: tuple[str, str], remedy: str
) -> dict[str, float]:
    """The parameters of one simulation from two places, by the library's names.

    Args:
        known: of the first.
        more: of the second, which counts where they differ by rounding.
        sources: what the places are called, for errors.
        remedy: for errors.

    Raises:
        InputError: if they differ by more than a thousandth, or together make no cosmology.
    """
    for name, value in known.items():
        if name in more and abs(more[name] - value) > 1e-3 * abs(value):
            raise InputError(
                f"expected the {name} of {sources[1]}, {more[name]:g}, got {value:g} in "
                f"{sources[0]}; {remedy}"
            )
    merged = {**known, **more}
    # By this name it is taken for Omega_b, which it is, however small.
    spelled = {"Omega_b" if name == "omega_b" else name: v for name, v in merged.items()}
    return canonical_parameters(spelled, f"{sources[0]} with {sources[1]}")


def _key(simulation: str) -> str:
    plain = simulation.strip()
    return str(int(plain)) if plain.isdecimal() and plain.isascii() else plain


def _identity(labels: Sequence[str]) -> int | None:
    """The column that says which simulation a row is of."""
    folded = [alike(label) for label in labels]
    first = "unnamed: 0" if folded[:1] == ["unnamed: 0"] else ""
    for name in (*IDENTITIES[:-1], first):
        if name in folded and (name != "" or folded[0] == ""):
            return folded.index(name)
    return None


def _values(column: Column, label: str, path: Path) -> np.ndarray:
    if column.missing is not None and np.any(column.missing):
        raise InputError(
            f"expected a value of {label!r} in every row of {path}, got none in "
            f"{int(np.sum(column.missing))}; mend the table, or pass --ignore {label}"
        )
    try:
        return dataclasses.replace(column, name=label).numbers()
    except InputError as error:
        raise InputError(f"{path}: {error}; or pass --ignore {label}") from error


def _once(pairs: Sequence[tuple[str, float]], where: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for label, value in pairs:
        if found.setdefault(label, value) != value:
            raise InputError(
                f"expected one column {label!r}, got {found[label]:g} and {value:g} in {where}; "
                "rename one or leave it out"
            )
    return found
