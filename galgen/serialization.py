"""Frozen dataclass trees as JSON, and back to equal trees.

A dataclass becomes ``{"type": "module.Class", ...fields}``; tuples become lists and come back as
tuples. Flax Linen modules are dataclasses too. Only classes of galgen are rebuilt: reading a file
never runs anybody else's code.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from galgen.errors import InputError
from galgen.publishing import publish_text

HIDDEN = ("parent", "name")
"""Fields that Flax Linen adds to every module; a dataclass of galgen's own keeps a ``name``."""


def to_json(tree: Any) -> Any:
    """``tree`` as JSON values.

    Raises:
        TypeError: for a value that is neither a dataclass of galgen nor a plain JSON value.
    """
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        kind = type(tree)
        hidden = HIDDEN if hasattr(tree, "parent") else ()
        fields = [field for field in dataclasses.fields(tree) if field.name not in hidden]
        values = {field.name: to_json(getattr(tree, field.name)) for field in fields}
        return {"type": f"{kind.__module__}.{kind.__qualname__}", **values}
    if isinstance(tree, Mapping):
        return {str(key): to_json(value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return [to_json(value) for value in tree]
    if isinstance(tree, Path):
        return {"type": "path", "value": str(tree)}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"expected dataclasses of plain values, got {type(tree).__name__}: {tree!r}")


def from_json(value: Any) -> Any:
    """The inverse of :func:`to_json`.

    Raises:
        InputError: if a type is not one of galgen's, or its fields have changed.
    """
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" not in value:
        return {key: from_json(item) for key, item in value.items()}
    if value["type"] == "path":
        return Path(value["value"])
    fields = {key: from_json(item) for key, item in value.items() if key != "type"}
    try:
        return _find(value["type"])(**fields)
    except TypeError as error:
        raise InputError(
            f"expected fields of this version of galgen in {value['type']}, got {sorted(fields)} "
            f"({error}); read it with the version that wrote it"
        ) from error


def _find(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    if not module.startswith("galgen."):
        raise InputError(f"expected a class of galgen, got {name!r}; the file is not galgen's")
    try:
        found = getattr(importlib.import_module(module), kind)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"expected a class of this version of galgen, got {name!r}; "
            "read it with the version that wrote it"
        ) from error
    if not dataclasses.is_dataclass(found):
        raise InputError(f"expected a configuration class, got {name!r}; the file is not galgen's")
    return found


def write_json(path: Path, tree: Any) -> None:
    """Write ``tree`` to ``path``, whole or not at all."""
    publish_text(path, json.dumps(to_json(tree), indent=2) + "\n")


def read_json(path: Path) -> Any:
    """The tree that :func:`write_json` wrote.

    Raises:
        InputError: if the file is missing or is not galgen's.
    """
    try:
        return from_json(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise InputError(f"expected the file {path}, found none; run galgen train first") from error
    except json.JSONDecodeError as error:
        raise InputError(f"expected JSON in {path}, got {error}; the file is damaged") from error
