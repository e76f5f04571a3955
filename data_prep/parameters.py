"""Tables of cosmological parameters, joined to files by the simulation that is in their path.

======================  =====================================================================
table                   the simulation of a row
======================  =====================================================================
a column ``Name``,      its text, ``LH_12`` (CAMELS)
``id`` or ``sim``
none of these           its number from 0 (Quijote's ``latin_hypercube_params.txt``)
======================  =====================================================================

Text is split at white space, or at commas in ``.csv``; the first line, ``#`` or not, has the names.
Names are made galgen's: lower case, ``Om``, ``s8``, ... written out. ``seed`` is no parameter.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.files import existing
from galgen.errors import InputError

IDENTITIES = ("name", "id", "sim", "simulation")
SYNONYMS = {
    "om": "omega_m",
    "omegam": "omega_m",
    "omega0": "omega_m",
    "ob": "omega_b",
    "omegab": "omega_b",
    "s8": "sigma_8",
    "sigma8": "sigma_8",
    "ns": "n_s",
    "h0": "h",
    "hubbleparam": "h",
}


def parameter_name(name: str) -> str:
    """A parameter's name as galgen spells it."""
    plain = name.strip().lstrip("#").strip().lower()
    return SYNONYMS.get(plain, plain)


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
    def read(cls, path: Path) -> ParameterTable:
        """The table of a text file.

        Raises:
            InputError: if it is missing, a row has more or fewer values than there are names, a
                value is no number, or a simulation comes twice.
        """
        existing(path, "a table of parameters")
        lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
        names, *rows = [_split(line, path) for line in lines] or [[]]
        labels = [parameter_name(name) for name in names]
        if not rows or any(re.fullmatch(r"[-+.\d]+(e[-+]?\d+)?", label) for label in labels):
            raise InputError(
                f"expected names in the first line of {path} and a row per simulation, got "
                f"{names[:6]}; write the names there"
            )
        table: dict[str, dict[str, float]] = {}
        identity = next((label for label in labels if label in IDENTITIES), None)
        for number, row in enumerate(rows):
            found = dict(zip(labels, row, strict=False))
            if len(row) != len(labels):
                raise InputError(
                    f"expected {len(labels)} values in row {number} of {path}, got {len(row)}; "
                    "mend it"
                )
            simulation = str(number) if identity is None else found.pop(identity)
            if simulation in table:
                raise InputError(f"expected {simulation!r} once in {path}, got it again; mend it")
            # pandas writes its index as a column without a name.
            found = {name: value for name, value in found.items() if name not in ("", "seed")}
            table[simulation] = _numbers(found, number, path)
        return cls(path, table)

    def of(self, simulation: str) -> Mapping[str, float] | None:
        """The parameters of a simulation, if the table has it; ``007`` is ``7``."""
        plain = str(int(simulation)) if simulation.isdecimal() else simulation
        return self.rows.get(simulation, self.rows.get(plain))

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


def _split(line: str, path: Path) -> list[str]:
    if path.suffix.lower() == ".csv":
        return [word.strip().strip('"') for word in line.split(",")]
    return line.lstrip("#").split()


def _numbers(row: Mapping[str, str], number: int, path: Path) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in row.items()}
    except ValueError as error:
        raise InputError(
            f"expected numbers in row {number} of {path}, got {dict(row)}; mend it, or name the "
            "column of text 'name'"
        ) from error
