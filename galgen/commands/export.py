"""galgen export: catalogues of a suite as files that other programs read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tyro

import galgen
from galgen.checked import Count, Names, checked
from galgen.commands.command import Command
from galgen.commands.options import Number, Output
from galgen.errors import InputError
from galgen.places import check_file
from galgen.printing import say


@dataclasses.dataclass(frozen=True)
@checked
class Export(Command):
    """Write catalogues of a suite as files of another format, columns and units kept.

    Each file is written whole or not at all. Box, cosmology and provenance are in the metadata of
    CSV (ECSV of commas), Parquet, FITS and ASDF; NumPy records have columns and units alone.

    Example: galgen export mocks.h5 --to fits --splits test --output mocks

    Example, the first catalogue: galgen export mocks.h5 --to csv -n 1 -o mock.csv
    """

    suite: tyro.conf.Positional[Path]
    """The suite, or the samples.h5 of a run."""
    to: Literal["csv", "parquet", "fits", "npy", "asdf"]
    """Format of the files."""
    output: Output[Path | None] = None
    """File for one catalogue, folder for several: mocks_000000.csv, ... of mocks.h5; named as the
    suite and beside it if not given."""
    splits: Names | None = None
    """Which splits of the suite; all if not given."""
    number: Number[Count | None] = None
    """No more than this many catalogues, the first; all if not given."""

    def run(self) -> None:
        from galgen.data.catalogue_io import FORMATS, write_catalogue

        chosen = FORMATS[f".{self.to}"]
        chosen.library()
        with galgen.Suite(self.suite) as suite:
            paths = self._paths(self._rows(suite)[: self.number])
            for path in paths.values():
                check_file(path, (self.suite,), chosen.signature)
            for row, path in paths.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_catalogue(path, suite[row])
        number = "1 catalogue" if len(paths) == 1 else f"{len(paths)} catalogues"
        say(f"{number} written to {path if len(paths) == 1 else path.parent}")

    def _rows(self, suite: galgen.Suite) -> Sequence[int]:
        """Numbers of the catalogues of the splits."""
        if self.splits is None:
            return range(len(suite))
        return sorted({row for split in self.splits for row in suite.indices(split).tolist()})

    def _paths(self, rows: Sequence[int]) -> dict[int, Path]:
        """The file of each catalogue, by its number."""
        suffix, one = f".{self.to}", len(rows) == 1
        output = self.output or self.suite.with_suffix(suffix if one else "")
        if one and output.suffix == suffix and not output.is_dir():
            return {rows[0]: output}
        if output.suffix and not output.is_dir():
            wanted = f"a file that ends in {suffix}" if one else f"a folder for {len(rows)} files"
            raise InputError(f"expected {wanted}, got {output}; name another with --output")
        return {row: output / f"{self.suite.stem}_{row:06d}{suffix}" for row in rows}
