"""Frozen dataclass trees as JSON, and back to equal trees.

A dataclass becomes ``{"type": "Class", ...fields}``; tuples become lists and come back as tuples.
Flax Linen modules are dataclasses too. Only the classes of :mod:`galgen.public_types` are rebuilt:
reading a file never runs anybody else's code, unless the user trusts it, and then only classes
that the file names in full, ``package.module.Class``.

A file says ``"format": 1`` at its top; those of before have no format, and are read alike. What
comes back is checked by the constructors themselves (:mod:`galgen.checked`). Whatever is wrong with
a file is one line that names it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from galgen.checked import visible_fields
from galgen.errors import InputError
from galgen.public_types import FIELD_ALIASES, GONE, GONE_FIELDS, public_class, public_name
from galgen.publishing import publish_text
from galgen.reading import reading, regular_file

FORMAT = 1
"""Version of the files that are written; it grows when an older galgen would misread them."""
DEEPEST = 64
"""Trees within trees, at most."""
LARGEST = 1 << 26
"""Bytes of a file, at most."""
Trusted = bool | Collection[str]
"""Full names of classes that are not galgen's, or True for all."""


def to_json(tree: Any) -> Any:
    """``tree`` as JSON values.

    Raises:
        InputError: for a value that is neither a dataclass nor a plain JSON value.
    """
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        kind = type(tree)
        name = public_name(kind) or f"{kind.__module__}.{kind.__qualname__}"
        return {
            "type": name,
            **{field.name: to_json(getattr(tree, field.name)) for field in visible_fields(tree)},
        }
    if isinstance(tree, Mapping):
        return {str(key): to_json(value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return [to_json(value) for value in tree]
    if isinstance(tree, Path):
        return {"type": "path", "value": str(tree)}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise InputError(
        f"expected dataclasses of plain values, got {type(tree).__name__}: {repr(tree)[:100]}; it "
        "could not be read back: give an object of galgen in its place"
    )


def from_json(value: Any, trusted: Trusted = (), depth: int = 0) -> Any:
    """The inverse of :func:`to_json`.

    Args:
        value: JSON values.
        trusted: import classes that are not galgen's, by the full names that the value has: those
            named here, or all for True.
        depth: trees that this one is in.

    Raises:
        InputError: if a type is not one of galgen's, or its fields have changed.
    """
    if depth > DEEPEST:
        raise InputError(
            f"expected at most {DEEPEST} trees within trees, got more; the file is damaged"
        )
    if isinstance(value, list):
        return tuple(from_json(item, trusted, depth + 1) for item in value)
    if not isinstance(value, dict):
        return value
    fields = {key: from_json(v, trusted, depth + 1) for key, v in value.items() if key != "type"}
    if "type" not in value:
        return fields
    name = value["type"]
    if not isinstance(name, str):
        raise InputError(
            f"expected the name of a class as a type, got {repr(name)[:100]}; the file is damaged"
        )
    if name == "path":
        return _path(fields)
    if name.rpartition(".")[2] in GONE and not _is_foreign(name):
        return None
    if not _is_foreign(name):
        kind = public_class(name)
        now, gone = FIELD_ALIASES.get(kind.__name__, {}), GONE_FIELDS.get(kind.__name__, ())
        return _made(kind, {now.get(k, k): v for k, v in fields.items() if k not in gone})
    if trusted is not True and (trusted is False or name not in trusted):
        raise InputError(
            f"expected a configuration class of this version of galgen, got {name[:100]!r}; if it "
            "is your own and you trust whoever wrote the file, add --trust (in Python trust=True)"
        )
    return _made(_own_class(name), fields)


def _made(kind: Any, fields: Mapping[str, Any]) -> Any:
    known = {field.name for field in visible_fields(kind)}
    try:
        if unknown := sorted(set(fields) - known):
            raise TypeError(f"unknown {', '.join(unknown)[:100]}")
        return kind(**fields)
    except InputError:
        raise
    except Exception as error:  # a constructor that was not made for such values
        raise InputError(
            f"expected fields of this version of galgen in {kind.__name__}, got "
            f"{sorted(fields)} ({error}); read it with the version that wrote it"
        ) from error


def _path(fields: Mapping[str, Any]) -> Path:
    text = fields.get("value")
    if set(fields) != {"value"} or not isinstance(text, str) or "\0" in text:
        raise InputError(
            f"expected a path as one text, got {repr(dict(fields))[:100]}; the file is damaged"
        )
    return Path(text)


def foreign_names(value: Any) -> set[str]:
    """The names of classes in JSON values that are not galgen's."""
    if isinstance(value, list):
        return {name for item in value for name in foreign_names(item)}
    if not isinstance(value, dict):
        return set()
    inside = foreign_names([item for key, item in value.items() if key != "type"])
    name = value.get("type")
    return inside | ({name} if isinstance(name, str) and _is_foreign(name) else set())


def require_readable(tree: Any) -> None:
    """Refuse a tree that another process could not read back from JSON, or not equal.

    Raises:
        InputError: if a class is of a script, of a configuration file or of a function, cannot be
            imported, or does not come back equal; or a value is none of plain ones.
    """
    value = to_json(tree)
    for name in sorted(foreign_names(value)):
        module, _, kind = name.rpartition(".")
        if module == "__main__" or not hasattr(sys.modules.get(module), kind):
            raise InputError(
                f"expected classes that another process can import by name, got {name}; put it "
                "into a module of its own, on PYTHONPATH, and import it from there"
            )
    if from_json(parsed(json.dumps(value)), trusted=True) != tree:
        raise InputError(
            f"expected a configuration that reads back equal from JSON, got {repr(tree)[:100]}; "
            "use numbers, texts, tuples and dataclasses of them in classes of your own"
        )


def _is_foreign(name: str) -> bool:
    return "." in name and not name.startswith("galgen.")


def _own_class(name: str) -> Any:
    """A dataclass of the user's, by its full name."""
    module, _, kind = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), kind)
    except Exception as error:  # whatever the user's module does
        raise InputError(
            f"expected to import {name!r}, got {type(error).__name__}: {error}; put its folder on "
            "PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise InputError(
            f"expected a dataclass or a Flax Linen module, got {name!r}; name another class"
        )
    return found


def write_json(path: Path, tree: Any) -> None:
    """Write a dataclass to ``path``, whole or not at all.

    Raises:
        InputError: for a value that cannot be written, or a field of the name ``format``.
    """
    publish_text(path, as_text(tree, indent=2) + "\n")


def as_text(tree: Any, indent: int | None = None) -> str:
    """A dataclass as the JSON text of a file.

    Raises:
        InputError: for a value that cannot be written, or a field of the name ``format``.
    """
    value = to_json(tree)
    if "format" in value:
        raise InputError(
            f"expected a class without a field 'format', got {value['type']}; rename the field"
        )
    return json.dumps({"format": FORMAT, **value}, indent=indent)


def _of_known_format(value: Any) -> Any:
    """What a file holds, without its format.

    Raises:
        InputError: if the format is newer than this version of galgen, or is none.
    """
    if not isinstance(value, dict) or "format" not in value:
        return value  # of before there was one
    found = value.pop("format")
    if type(found) is not int or found < 1:
        raise InputError(
            f"expected a whole number as format, got {repr(found)[:100]}; the file is damaged"
        )
    if found > FORMAT:
        raise InputError(
            f"expected a file of format {FORMAT} or before, got format {found} of a newer galgen; "
            "upgrade galgen"
        )
    return value


def read_json(path: Path, kind: type | None = None, trusted: Trusted = ()) -> Any:
    """The tree that :func:`write_json` wrote.

    Args:
        path: of the file.
        kind: that the tree must be of; None for any.
        trusted: as of :func:`from_json`.

    Raises:
        InputError: if the file is missing, is damaged, is not galgen's or is of a newer galgen.
    """
    if not path.exists():
        raise InputError(f"expected the file {path}, found none; run galgen train first")
    what = "a file that galgen wrote"
    with reading(path, what):
        if regular_file(path, what).stat().st_size > LARGEST:
            raise InputError(f"expected at most {LARGEST} bytes, got more; the file is damaged")
        return from_text(path.read_text(encoding="utf-8"), kind, trusted)


def from_text(text: str, kind: type | None = None, trusted: Trusted = ()) -> Any:
    """The tree that :func:`as_text` wrote.

    Args:
        text: JSON.
        kind: that the tree must be of; None for any.
        trusted: as of :func:`from_json`.

    Raises:
        InputError: if the text is damaged, is not galgen's or is of a newer galgen.
    """
    tree = from_json(_of_known_format(parsed(text)), trusted)
    if kind is not None and not isinstance(tree, kind):
        raise InputError(
            f"expected {kind.__name__} in the file, got {type(tree).__name__}; name the "
            "folder of a run"
        )
    return tree


def parsed(text: str) -> Any:
    """The values of a JSON text, without what JSON has not: NaN and a name that is there twice.

    Raises:
        InputError: if it is no such text.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"expected JSON, got {reason}; the file is damaged") from error


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"expected each name once, got {twice[:100]!r} twice; the file is damaged")
    return found


def _constant(name: str) -> float:
    if name == "NaN":
        raise InputError("expected numbers, got NaN; the file is damaged")
    return float(name)


def called(tree: Any) -> str:
    """A tree of dataclasses as it may be written in Python, without fields at their default."""
    if isinstance(tree, tuple):
        return f"({', '.join(map(called, tree))})"
    if not dataclasses.is_dataclass(tree):
        return str(tree) if isinstance(tree, Path) else repr(tree)
    given = [
        f"{field.name}={called(value)}"
        for field in visible_fields(tree)
        if not _is_default(field, value := getattr(tree, field.name))
    ]
    return f"{type(tree).__name__}({', '.join(given)})"


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    made = field.default_factory
    default = field.default if made is dataclasses.MISSING else made()
    return type(default) is type(value) and bool(default == value)
