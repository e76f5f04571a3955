"""The command line: one subcommand for each source, the same cuts and splits for all."""

from __future__ import annotations

import abc
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from data_prep.boxes import cut_into_cubes, parse_numbers, parse_pairs, random_splits, thin
from data_prep.fastfood import read_fastfood
from data_prep.survey import cut_survey, read_survey
from data_prep.table import read_tables
from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source(abc.ABC):
    """Options that every source shares."""

    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Raw files."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The suite to write."""
    cut: float | None = None
    """Cut into open cubes of this side [Mpc/h]."""
    splits: str = "train=0.8,test=0.2"
    """Fractions of the catalogues, assigned at random by seed."""
    seed: int = 0
    """Of the splits, of random thinning and of grid shifts."""
    mass_min: float | None = None
    """Drop points below this mass [Msun/h]."""
    n_max: int | None = None
    """Keep at most so many points of a catalogue: the most massive, or random without masses."""

    @abc.abstractmethod
    def read(self) -> list[Catalogue]:
        """The catalogues of the inputs, cut if asked."""

    def cubes(self, boxes: Sequence[Catalogue]) -> list[Catalogue]:
        """The boxes above the mass limit, cut if asked."""
        limited = [thin(box, self.mass_min, None) for box in boxes]
        if self.cut is None:
            return limited
        return [cube for box in limited for cube in cut_into_cubes(box, self.cut)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSource(Source):
    """Text, FITS, .npy or .npz tables of a periodic box."""

    box: float
    """Side of the box [Mpc/h]."""
    columns: str = "x=x,y=y,z=z"
    """galgen name=column name or number from 0; log_mass=... is stored as mass."""
    redshift: float = 0.0
    """Of the box."""
    cosmology: str = ""
    """Parameters of every catalogue, e.g. omega_m=0.3,sigma_8=0.8."""
    array: str | None = None
    """Array of an .npz that holds (points, columns) or (catalogues, points, columns)."""
    parameters: str | None = None
    """Array of an .npz that holds one row of parameters per catalogue."""
    parameter_names: tuple[str, ...] = ()
    """Names of the columns of that array."""

    def read(self) -> list[Catalogue]:
        """The catalogues of the inputs, cut if asked."""
        parameters = None if self.parameters is None else (self.parameters, self.parameter_names)
        boxes: list[Catalogue] = []
        for path in self.inputs:
            boxes += read_tables(
                path,
                columns=parse_pairs(self.columns),
                box=self.box,
                redshift=self.redshift,
                cosmology=parse_numbers(self.cosmology),
                array=self.array,
                parameters=parameters,
            )
        return self.cubes(boxes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FastFoodSource(Source):
    """Corrfunc fast-food binaries of a periodic box."""

    box: float | None = None
    """Side of the box [Mpc/h], if not the header's."""

    def read(self) -> list[Catalogue]:
        """The catalogues of the inputs, cut if asked."""
        return self.cubes([read_fastfood(path, self.box) for path in self.inputs])


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurveySource(Source):
    """FITS survey catalogues with RA, DEC and Z, cut into cubes inside the footprint."""

    z_min: float
    """Lower end of the redshift range; the survey should be volume limited over it."""
    z_max: float
    """Upper end of the redshift range."""
    omega_m: float = 0.3
    """Of the flat cosmology that turns redshifts into distances."""
    nside: int = 32
    """HEALPix resolution of the footprint."""
    offsets: int = 1
    """Try so many shifts of the grid of cubes and keep the one with the most."""

    def read(self) -> list[Catalogue]:
        """The cubes inside the footprint."""
        if self.cut is None:
            raise InputError(
                "expected a cube side for a survey, got none; pass --cut, e.g. --cut 35 (Mpc/h)"
            )
        cubes: list[Catalogue] = []
        for path in self.inputs:
            survey = read_survey(path, self.z_min, self.z_max, self.omega_m, self.nside)
            edges, densities = survey.densities()
            print(f"{path.name}: {len(survey.positions)} galaxies; density in equal volumes")
            for low, high, density in zip(edges, edges[1:], densities, strict=False):
                print(f"  {low:7.1f} to {high:7.1f} Mpc/h  {density:.3e} h^3/Mpc^3")
            cubes += cut_survey(survey, self.cut, self.offsets, self.seed)
        return [thin(cube, self.mass_min, None) for cube in cubes]


SOURCES: dict[str, Callable[..., Source]] = {
    "table": TableSource,
    "fastfood": FastFoodSource,
    "survey": SurveySource,
}


def prepare(source: Source) -> None:
    """Read, cut, thin, split and write; then print what was written.

    Raises:
        InputError: if the inputs cannot be used.
    """
    if not source.inputs:
        raise InputError("expected an input file or more, got none; name them after the source")
    catalogues = [thin(c, None, source.n_max, source.seed + i) for i, c in enumerate(source.read())]
    kept = [c for c in catalogues if len(c)]
    fractions = parse_numbers(source.splits)
    write_suite(source.output, kept, random_splits(len(kept), fractions, source.seed))
    with Suite(source.output) as suite:
        print(summary(suite))
    if len(kept) < len(catalogues):
        print(f"  dropped     {len(catalogues) - len(kept)} catalogues without a point")


def summary(suite: Suite) -> str:
    """A screen of text on a suite."""
    counts, first = suite.counts, suite[0]
    box = " x ".join(f"{side:g}" for side in first.box)
    quartiles = np.percentile(counts, [25, 50, 75]).astype(int)
    splits = {name: int(np.sum(suite.splits == name)) for name in np.unique(suite.splits)}
    redshifts = [suite[i].redshift for i in range(len(suite))]
    columns = ", ".join(f"{name} [{unit}]" for name, unit in suite.units.items())
    lines = {
        "catalogues": f"{len(suite)} ({', '.join(f'{n} {k}' for n, k in splits.items())})",
        "points": f"{counts.min()} to {counts.max()}, quartiles {' '.join(map(str, quartiles))}",
        "total": f"{counts.sum()}",
        "box": f"{box} Mpc/h, {'periodic' if first.periodic else 'open'}",
        "density": f"{np.mean(counts) / first.volume:.4g} h^3/Mpc^3",
        "redshift": f"{min(redshifts):.4g} to {max(redshifts):.4g}",
        "columns": columns,
        "parameters": ", ".join(suite.parameter_names) or "none",
    }
    return "\n".join([f"wrote {suite.path}", *(f"  {k:11} {v}" for k, v in lines.items())])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a mistake in the input is one line and status 2."""
    source = tyro.extras.subcommand_cli_from_dict(
        SOURCES, prog="python -m data_prep", args=arguments, description=__doc__
    )
    try:
        prepare(source)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
