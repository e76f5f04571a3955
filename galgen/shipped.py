"""Configurations that come with galgen, by name: ``demo`` is ``configs/demo.py``."""

from __future__ import annotations

import ast
from pathlib import Path

from galgen.errors import InputError
from galgen.option_errors import meant


def shipped_configs() -> dict[str, Path]:
    """The file of each configuration that comes with galgen, by name."""
    here = Path(__file__).parent
    # A wheel has them inside the package, a checkout beside it.
    inside = here / "configs"
    folder = inside if inside.is_dir() else here.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.py"))}


def find_config(name: str | Path) -> Path:
    """The file of a configuration: a path, or the name of one that comes with galgen.

    Raises:
        InputError: if there is no such file, and none of that name comes with galgen.
    """
    path = Path(name)
    if path.is_file():
        return path
    known = shipped_configs()
    if len(path.parts) == 1 and path.stem in known and path.suffix in ("", ".py"):
        return known[path.stem]
    if path.exists():
        raise InputError(f"expected a configuration file, got the folder {path}; name a file in it")
    hint = meant(path.stem, known)
    raise InputError(
        f"expected a configuration file, or the name of one that comes with galgen, found no "
        f"{path}; " + (f"{hint}, and " if hint else "") + "galgen train --list tells of them"
    )


def config_list() -> str:
    """One line for each configuration that comes with galgen: its name and what it is for."""
    known = shipped_configs()
    width = max(map(len, known))
    return "\n".join(f"{name:<{width}}  {_first_line(path)}" for name, path in known.items())


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")
