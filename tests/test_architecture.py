"""The house stands: imports go down only, and rooms of one floor do not know each other."""

import ast
import builtins
import dis
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).parents[1]
_STOREYS = list(runpy.run_path(str(ROOT / "docs" / "rooms.py"))["FLOORS"].values())
GROUND = _STOREYS[-1]
FLOORS: dict[str, int] = {"__main__": len(_STOREYS) - 1} | {
    name: floor for floor, names in enumerate(reversed(_STOREYS)) for name in names
}
# A simulator makes catalogues, and a validator reads them: both know what a catalogue is.
ALLOWED = {("simulation", "data")}
MODULES = sorted((ROOT / "galgen").rglob("*.py")) + sorted((ROOT / "galgen").rglob("*.pyi"))
"""And the stubs, where packages list what they export."""


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports from galgen, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("galgen.")}


def room(path: Path) -> str:
    relative = path.relative_to(ROOT / "galgen")
    return relative.parts[0].split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    assert here in FLOORS, f"{here} is in no floor: add it to FLOORS in docs/rooms.py"
    for name in imported(path):
        there = name.split(".")[1]
        if there in (here, "__version__"):
            continue
        same_floor = FLOORS[there] == FLOORS[here]
        ground = FLOORS[here] == 0 and same_floor
        roof = FLOORS[here] == 4 and same_floor
        assert FLOORS[there] < FLOORS[here] or ground or roof or (here, there) in ALLOWED, (
            f"{path.relative_to(ROOT)} (floor {FLOORS[here]}) imports {name} "
            f"(floor {FLOORS[there]})"
        )


def test_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        graph.setdefault(dotted.removesuffix(".__init__"), set()).update(imported(path))
    edges = {
        module: {other for other in graph if any(f"{n}.".startswith(f"{other}.") for n in names)}
        for module, names in graph.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done:
            return
        # A package's own __init__ gathers its rooms; a room importing its package would be caught.
        for other in edges[module] - {module}:
            if not module.startswith(other + "."):
                visit(other, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", sorted((ROOT / "data_prep").rglob("*.py")), ids=lambda p: p.name)
def test_data_prep_knows_data_and_the_ground_floor(path: Path) -> None:
    rooms = {name.split(".")[1] for name in imported(path)}
    assert rooms <= {"data", *GROUND}


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


@pytest.mark.parametrize("folder", ["galgen", "data_prep"])
def test_every_name_is_defined(folder: str) -> None:
    """ruff and mypy leave undefined names alone: the shapes of jaxtyping are texts full of them."""
    undefined = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        module = compile(path.read_text(), str(path), "exec")
        made = {s.argval for s in dis.get_instructions(module) if s.opname == "STORE_NAME"}
        known = made | set(dir(builtins)) | {"__file__", "__path__"}
        undefined += [
            f"{path.relative_to(ROOT)}: {step.argval}"
            for code in codes(module)
            for step in dis.get_instructions(code)
            if step.opname == "LOAD_GLOBAL" and step.argval not in known
        ]
    assert not undefined
