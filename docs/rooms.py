"""The pages of the reference: one for each room of the house, by floor, and the index of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

FLOORS: Mapping[str, tuple[str, ...]] = {
    "Roof: the wiring and the commands": (
        "experiment",
        "drawing",
        "run",
        "run_folder",
        "model_file",
        "pretrained",
        "model_card",
        "card_page",
        "shipped",
        "trajectory",
        "evaluation",
        "configuration",
        "commands",
        "cli",
    ),
    "Floor 3: judging and inferring": ("validation", "inference"),
    "Floor 2: training, measuring catalogues, and from boxes to surveys": (
        "training",
        "measurements",
        "mocks",
        "lagrangian",
    ),
    "Floor 1: models, data, simulation, statistics": (
        "generative",
        "networks",
        "data",
        "simulation",
        "statistics",
    ),
    "Ground: words that everything shares": (
        "types",
        "masking",
        "losses",
        "geometry",
        "periodic",
        "mass_assignment",
        "neighbors",
        "collectives",
        "printing",
        "publishing",
        "checked",
        "public_types",
        "serialization",
        "plot_style",
        "errors",
        "version",
        "command_line",
        "option_errors",
        "places",
        "arrays",
        "units",
        "cosmology",
        "reading",
        "randomness",
        "resolution",
        "lazy",
    ),
}
"""The rooms of ``galgen`` from the roof down, for the reference and for the tests of the house."""


def modules_of(room: Path) -> list[Path]:
    """The files of a room, its ``__init__`` first."""
    return sorted(room.rglob("*.py"), key=lambda p: (p.parent, p.stem != "__init__", p.stem))


def dotted(module: Path, root: Path) -> str:
    """The name that imports a file."""
    parts = module.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def page(title: str, names: list[str]) -> str:
    """One room: a section for each of its modules, its own docstring first."""
    sections: list[str] = []
    packages = {name for name in names if any(n.startswith(name + ".") for n in names)}
    for name in names:
        heading, rule = (title, "=") if name == title else (name.removeprefix(title + "."), "-")
        sections += [heading, rule * len(heading), "", f".. automodule:: {name}"]
        # What a package exports is described where it is defined.
        sections += ["   :no-members:", ""] if name in packages else [""]
    return "\n".join(sections)


def write_rooms(root: Path, folder: Path) -> None:
    """Write the page of every room and ``index.md``.

    Raises:
        FileNotFoundError: if a room of :data:`FLOORS` is gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = ["# Reference", "", "One page for each room; imports go down only.", ""]
    for floor, rooms in FLOORS.items():
        index += [f"**{floor}**", ""]
        for room in rooms:
            place = root / "galgen" / room
            files = modules_of(place) if place.is_dir() else [place.with_suffix(".py")]
            names = [dotted(path, root) for path in files if path.name != "__main__.py"]
            (folder / f"galgen.{room}.rst").write_text(page(f"galgen.{room}", names))
            summary = (ast.get_docstring(ast.parse(files[0].read_text())) or "").splitlines()[0]
            plain = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", summary)
            index.append(f"- `{room}`: {plain}")
        index.append("")
        pages = [f"galgen.{room}" for room in rooms]
        index += ["```{toctree}", f":caption: '{floor}'", ":maxdepth: 1", "", *pages, "```", ""]
    names = [dotted(path, root) for path in modules_of(root / "data_prep")]
    names = [name for name in names if not name.endswith("__main__")]
    (folder / "data_prep.rst").write_text(page("data_prep", names))
    caption = ":caption: 'Beside the house: from raw files to suites'"
    index += ["```{toctree}", caption, ":maxdepth: 1", "", "data_prep", "```", ""]
    (folder / "index.md").write_text("\n".join(index))
