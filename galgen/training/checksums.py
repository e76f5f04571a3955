"""SHA-256 of every file of a checkpoint, written inside it before it is published.

Orbax reads back whatever bytes it finds: one bit that turned on a disk or in a copy would become
another weight. The sums are taken of the files, in the thread that writes them, at some 1 GB/s.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_args import register_with_handler

SUMS = "sha256.json"
"""The file of the sums, beside the files that it lists."""


class SummedHandler(ocp.StandardCheckpointHandler):
    """Orbax's own handler of arrays, which leaves the sums of its files among them."""

    def finalize(self, directory: Any) -> None:
        """Write the sums: in one process, when all have written, before the folder is renamed."""
        super().finalize(directory)
        folder = Path(directory)
        sums = {
            str(path.relative_to(folder)): sha256_of(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        (folder / SUMS).write_text(json.dumps(sums, indent=1) + "\n")


@register_with_handler(SummedHandler, for_save=True)
@dataclasses.dataclass
class SummedSave(ocp.args.StandardSave):
    """What :class:`SummedHandler` saves."""


@register_with_handler(SummedHandler, for_restore=True)
@dataclasses.dataclass
class SummedRestore(ocp.args.StandardRestore):
    """What :class:`SummedHandler` restores."""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damage(checkpoint: Path) -> str | None:
    """What is not as it was written, in a few words; None if all is, or no sums were kept."""
    for listing in sorted(checkpoint.glob(f"*/{SUMS}")):
        try:
            sums = {
                str(name): str(wanted) for name, wanted in json.loads(listing.read_text()).items()
            }
        except (ValueError, AttributeError, RecursionError):
            return f"{listing.relative_to(checkpoint)} that is no list of sums"
        for name, wanted in sums.items():
            path = listing.parent / name
            if not path.resolve().is_relative_to(listing.parent.resolve()):
                return (
                    f"{listing.relative_to(checkpoint)} that names {name}, outside the checkpoint"
                )
            if not path.is_file():
                return f"no file {path.relative_to(checkpoint)}"
            if sha256_of(path) != wanted:
                return f"other bytes in {path.relative_to(checkpoint)}"
    return None
