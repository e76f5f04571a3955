"""Suites that grow: the parts of a long job, which outlive an interruption.

A job of many parts writes each part as a suite of its own, whole or not at all, in the folder
``<suite>.parts`` beside the suite, with a description of the job::

    suite.h5.parts/job.json        {"parts": 12, "job": {...}}
    suite.h5.parts/part-000007.h5  the suite of part 7

Started again with the same description it goes on where it was; with another it is refused, unless
there is no part yet. When all parts are there they are merged in order, in bounded memory, and the
folder goes.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from galgen.data.catalogue import Catalogue
from galgen.data.field import Field
from galgen.data.suite import Suite
from galgen.data.suite_writing import SuiteWriter, write_suite
from galgen.errors import InputError
from galgen.places import HDF5, check_file
from galgen.publishing import acquire, discard, own_folder, publish_text, release

FOLDER = ".parts"
OPEN_PARTS = 64
"""At most, while they are put in another order."""


class SuiteParts(contextlib.AbstractContextManager["SuiteParts"]):
    """The parts of a suite that is made piece by piece and can be interrupted at any moment.

    A context manager, which one process at a time may hold (where the file system knows no locks,
    that is for the user to see to)::

        with SuiteParts(path, number=12, job={"seed": 3}) as parts:
            for part in parts.missing:
                parts.write(part, *make(part))
            parts.finish()

    Attributes:
        path: of the suite.
        folder: of the parts.
        number: how many parts there will be.

    Raises:
        InputError: if the parts of another job are there, or another process is at work on them.
    """

    def __init__(self, path: str | Path, number: int, job: Mapping[str, Any]) -> None:
        self.path = Path(path)
        check_file(self.path, signature=HDF5)
        self.folder = self.path.with_name(self.path.name + FOLDER)
        self.number = number
        if number < 1:
            raise InputError(f"expected one part or more, got {number}; raise it")
        if not self.path.parent.is_dir():
            raise InputError(f"expected a folder {self.path.parent}, got none; create it first")
        own_folder(self.folder)
        lock = acquire(self.folder / "lock", wait=False)
        if lock is None:
            raise InputError(
                f"expected to be alone at work on {self.folder}, got another process that holds "
                "its lock; wait for it or stop it"
            )
        self._lock = lock
        try:
            self._describe({"parts": number, "job": json.loads(json.dumps(job))})
        except BaseException:
            self.close()
            raise

    def _describe(self, description: dict[str, Any]) -> None:
        place = self.folder / "job.json"
        if not place.exists():
            publish_text(place, json.dumps(description, indent=1))
            return
        try:
            found = json.loads(place.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            found = "something that is no JSON"
        if found == description:
            return
        if not self._made:  # nothing would be lost
            publish_text(place, json.dumps(description, indent=1))
        else:
            differences = "; ".join(_differences(found, description))
            raise InputError(
                f"expected the parts of this job in {self.folder}, got those of another "
                f"({differences}); ask for that job to go on with it, or remove the folder to "
                "start afresh"
            )

    @property
    def _made(self) -> list[Path]:
        """The parts that are there."""
        return sorted(self.folder.glob("part-*.h5"))

    def _place(self, part: int) -> Path:
        if not 0 <= part < self.number:
            raise InputError(f"expected a part below {self.number}, got {part}; number from 0")
        return self.folder / f"part-{part:06d}.h5"

    @property
    def missing(self) -> list[int]:
        """Numbers of the parts that are not there yet, in order."""
        return [part for part in range(self.number) if not self._place(part).exists()]

    def write(
        self,
        part: int,
        catalogues: Sequence[Catalogue],
        splits: Sequence[str] | str = "train",
        fields: Sequence[Field | None] | None = None,
    ) -> None:
        """Write one part, all or nothing (:func:`galgen.data.suite_writing.write_suite`)."""
        write_suite(self._place(part), catalogues, splits, fields)

    def read(self, part: int) -> Suite:
        """A part that is there, as a suite of its own."""
        return Suite(self._place(part))

    def finish(self, order: Sequence[tuple[int, int]] | None = None) -> None:
        """Merge the parts in order into the suite, and remove them.

        Args:
            order: for every catalogue of the suite, its part and its place in that; None for parts
                one after another.

        Raises:
            InputError: if a part is missing, or parts differ in columns, units, data types or
                cosmology names.
        """
        missing = self.missing
        if missing:
            raise InputError(
                f"expected all {self.number} parts in {self.folder}, got {len(missing)} missing "
                f"({missing[0]} first); write them before finishing"
            )
        with SuiteWriter(self.path) as writer:
            if order is None:
                self._add_parts(writer)
            else:
                self._add_ordered(writer, order)
        discard(self.folder, self.path)

    def _add_parts(self, writer: SuiteWriter) -> None:
        for part in range(self.number):
            with self.read(part) as suite:
                for block in suite.blocks():
                    writer.add_block(block)

    def _add_ordered(self, writer: SuiteWriter, order: Sequence[tuple[int, int]]) -> None:
        @functools.lru_cache(OPEN_PARTS)
        def opened(part: int) -> Suite:
            return self.read(part)

        for part, place in order:
            suite = opened(part)
            field = None if suite.field_mesh is None else suite.field(place)
            writer.add(suite[place], str(suite.splits[place]), field)

    def close(self) -> None:
        """Let another process go on; a folder without a part is removed."""
        if self.folder.is_dir() and not self._made:
            discard(self.folder, self.path)
        release(self._lock)

    def __exit__(self, *error: object) -> None:
        self.close()


def _differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    """Where two JSON trees differ, as ``name found, not wanted``."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        names = [*found, *(key for key in wanted if key not in found)]
        return [
            line
            for key in names
            for line in _differences(found.get(key), wanted.get(key), f"{name}.{key}".strip("."))
        ]
    return [] if found == wanted else [f"{name} {found}, not {wanted}"]
