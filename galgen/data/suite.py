"""A suite: many catalogues in one HDF5 file, read at random without loading the rest.

Columns are contiguous over all catalogues; row ``offsets[i]:offsets[i + 1]`` belongs to catalogue
``i``::

    /columns/<name>    (total points,)  attribute unit
    /offsets           (n + 1,) int64
    /box               (n, 3)           side lengths [Mpc/h]
    /periodic          (n,) bool
    /redshift          (n,)
    /cosmology/<name>  (n,)
    /split             (n,) text        train, validation, test, ...
    /provenance        (n,) JSON text

The root attributes are ``format = "galgen-suite"`` and ``version = 1``. A suite is written to a
temporary file beside its place and moved there when complete, so that a reader never sees half.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from jaxtyping import Float, Int

from galgen.data.catalogue import Catalogue
from galgen.data.suite_writing import FORMAT, VERSION, write_suite
from galgen.errors import InputError

__all__ = ["Suite", "write_suite"]


class Suite:
    """A suite opened read-only: ``suite[i]`` is a :class:`Catalogue`.

    A context manager. Everything but the columns is read, and checked, when it is opened.

    Raises:
        InputError: if the file is missing, is not a galgen suite, or is truncated.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = _open(self.path)
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        file, path = self._file, self.path
        found = (file.attrs.get("format"), file.attrs.get("version"))
        if found != (FORMAT, VERSION):
            raise InputError(
                f"expected a suite of format {FORMAT!r} version {VERSION} in {path}, got format "
                f"{found[0]!r} version {found[1]}; write it with galgen or data_prep"
            )
        wanted = ("columns", "offsets", "box", "periodic", "redshift", "cosmology", "split")
        missing = [name for name in (*wanted, "provenance") if name not in file]
        if missing:
            raise _truncated(path, f"no {', '.join(missing)}")
        self._offsets = np.asarray(file["offsets"][()], dtype=np.int64)
        number = len(self._offsets) - 1
        self._box = np.asarray(file["box"][()], dtype=np.float64)
        self._periodic = np.asarray(file["periodic"][()], dtype=bool)
        self._redshift = np.asarray(file["redshift"][()], dtype=np.float64)
        self._cosmology = {n: np.asarray(d[()], np.float64) for n, d in file["cosmology"].items()}
        self._splits = np.array(file["split"].asstr()[()], dtype=str)
        self._provenance = list(file["provenance"].asstr()[()])
        self._units = {n: str(d.attrs.get("unit", "")) for n, d in file["columns"].items()}
        tables: dict[str, Sequence[object] | np.ndarray] = {
            "box": self._box,
            "periodic": self._periodic,
            "redshift": self._redshift,
            "split": self._splits,
            "provenance": self._provenance,
            **self._cosmology,
        }
        for name, table in tables.items():
            if len(table) != number:
                raise _truncated(path, f"{len(table)} entries of {name} for {number} catalogues")
        self._check_offsets()

    def _check_offsets(self) -> None:
        offsets = self._offsets
        if len(offsets) < 2 or offsets[0] != 0 or np.any(np.diff(offsets) < 0):
            raise _truncated(self.path, "offsets that do not rise from 0")
        if not self._units:
            raise _truncated(self.path, "no columns")
        for name in self._units:
            rows = self._file[f"columns/{name}"].shape[0]
            if rows != offsets[-1]:
                raise _truncated(
                    self.path, f"{rows} rows of column {name!r} where offsets end at {offsets[-1]}"
                )
        empty = np.flatnonzero(np.diff(offsets) == 0)
        if len(empty):
            raise InputError(
                f"expected at least one point in every catalogue of {self.path}, got none in "
                f"catalogue {empty[0]}; drop it and write the suite again"
            )

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: int) -> Catalogue:
        """Catalogue ``index``, negative from the end.

        Raises:
            IndexError: if there is no such catalogue.
            InputError: if its values are not finite or its positions are outside its box.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"expected an index below {len(self)}, got {index}")
        i = int(index) % len(self)
        rows = slice(int(self._offsets[i]), int(self._offsets[i + 1]))
        side_x, side_y, side_z = (float(side) for side in self._box[i])
        try:
            return Catalogue(
                columns={name: self._file[f"columns/{name}"][rows] for name in self._units},
                box=(side_x, side_y, side_z),
                redshift=float(self._redshift[i]),
                cosmology={name: float(v[i]) for name, v in self._cosmology.items()},
                periodic=bool(self._periodic[i]),
                units=self._units,
                provenance=json.loads(self._provenance[i]),
            )
        except InputError as error:
            raise InputError(f"{self.path}, catalogue {i}: {error}") from error

    def __iter__(self) -> Iterator[Catalogue]:
        return (self[i] for i in range(len(self)))

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return list(self._units)

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each column."""
        return dict(self._units)

    @property
    def counts(self) -> Int[np.ndarray, " catalogues"]:
        """Number of points of each catalogue."""
        return np.diff(self._offsets)

    @property
    def splits(self) -> np.ndarray:
        """The split of each catalogue, as text."""
        return self._splits

    @property
    def parameter_names(self) -> list[str]:
        """Names of the cosmological parameters."""
        return list(self._cosmology)

    def parameter_table(self, names: Sequence[str]) -> Float[np.ndarray, "catalogues parameters"]:
        """The named parameters of every catalogue.

        Raises:
            InputError: if a name is absent; the message lists those present.
        """
        for name in names:
            if name not in self._cosmology:
                raise InputError(
                    f"expected a parameter {name!r} in {self.path}, got {self.parameter_names}; "
                    "choose among these or write the suite with it"
                )
        columns = [self._cosmology[name] for name in names]
        return np.stack(columns, axis=-1) if columns else np.zeros((len(self), 0))

    def indices(self, split: str) -> Int[np.ndarray, " chosen"]:
        """Indices of the catalogues in a split.

        Raises:
            InputError: if no catalogue is in it; the message lists those present.
        """
        present = sorted(set(self._splits.tolist()))
        if split not in present:
            raise InputError(
                f"expected a split {split!r} in {self.path}, got {present}; choose one of these"
            )
        return np.flatnonzero(self._splits == split)

    def catalogues(self, split: str | None = None) -> list[Catalogue]:
        """The catalogues of a split, or all."""
        chosen = range(len(self)) if split is None else self.indices(split).tolist()
        return [self[i] for i in chosen]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Suite:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        splits = ", ".join(
            f"{name} {np.sum(self._splits == name)}" for name in sorted(set(self._splits.tolist()))
        )
        return (
            f"Suite({str(self.path)!r}: {len(self)} catalogues ({splits}) of {self.counts.min()} "
            f"to {self.counts.max()} points; columns {' '.join(self._units)}; "
            f"parameters {' '.join(self._cosmology) or 'none'})"
        )


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise InputError(f"expected a suite at {path}, got no such file; check the path")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"expected an HDF5 file at {path}, got one that HDF5 cannot open (another format, or "
            "truncated); write it again with galgen or data_prep"
        ) from error


def _truncated(path: Path, found: str) -> InputError:
    return InputError(f"expected a whole suite in {path}, got {found}; write it again")
