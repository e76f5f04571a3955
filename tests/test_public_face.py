"""What ``import galgen`` and its packages give: every name is there, documented and lazy."""

import ast
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import blocks

import galgen

ROOT = Path(__file__).parents[1]
STUBS = sorted((ROOT / "galgen").rglob("*.pyi"))
PACKAGES = [".".join(path.parent.relative_to(ROOT).parts) for path in STUBS]


def names_in(stub: Path) -> dict[str, str]:
    """Every name that a type checker sees in a stub, and the module that it is of."""
    return {
        alias.asname: node.module
        for node in ast.parse(stub.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_common_tasks_are_at_the_top() -> None:
    tasks = "Catalogue Suite Run Experiment Trainer Bridge Sampler simulate sample compare infer "
    tasks += "power_spectrum two_point_correlation read_catalogue write_catalogue write_suite "
    tasks += "populate"
    assert set(tasks.split()) <= set(dir(galgen)) and len(dir(galgen)) < 50
    packages = {name for name in dir(galgen) if inspect.ismodule(getattr(galgen, name))}
    assert packages == {
        *("data", "generative", "inference", "lagrangian", "measurements", "mocks", "networks"),
        *("simulation", "statistics", "training", "validation"),
    }
    assert {f"galgen.{name}" for name in packages} <= set(PACKAGES)


@pytest.mark.parametrize(("stub", "package"), list(zip(STUBS, PACKAGES, strict=True)), ids=PACKAGES)
def test_names_of_the_stub_are_those_of_the_package(stub: Path, package: str) -> None:
    module, seen = importlib.import_module(package), names_in(stub)
    assert sorted(seen) == module.__all__ == dir(module)
    rooms = {room.name for room in pkgutil.iter_modules(module.__path__)}
    for name, place in seen.items():
        found = getattr(module, name)
        if inspect.ismodule(found):
            assert found.__name__ == f"{place}.{name}" and found.__doc__
        else:
            assert found is getattr(importlib.import_module(place), name)
            assert name not in rooms, f"{package}.{name} would be the module after its import"
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nowhere'"):
        _ = module.nowhere


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_exported_is_documented(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        found = getattr(module, name)
        if inspect.isclass(found) or inspect.isroutine(found):
            assert inspect.getdoc(found), name


def test_packages_with_a_stub_hold_nothing_else() -> None:
    for stub in STUBS:
        tree = ast.parse(stub.with_suffix(".py").read_text())
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert [ast.unparse(node) for node in imports] == ["from galgen.lazy import lazy_exports"]


def test_one_name_imports_its_own_room_alone() -> None:
    """In one process: what was imported after each step."""
    steps = (
        ("import galgen, galgen.generative, galgen.inference, galgen.validation", "numpy jax"),
        ("import galgen.mocks, galgen.networks, galgen.training, galgen.data", "numpy jax h5py"),
        ("galgen.Catalogue, galgen.data.shift", "jax astropy h5py scipy matplotlib"),
        ("galgen.Suite", "jax astropy scipy matplotlib"),
        ("galgen.networks.MLP", "e3nn_jax sympy diffrax orbax jraph matplotlib"),
        ("galgen.inference.Gaussian, galgen.generative.LinearPath", "blackjax orbax matplotlib"),
    )
    code = "import sys, json\nfound = []\n"
    code += "".join(f"{step}\nfound.append(sorted(sys.modules))\n" for step, _ in steps)
    done = subprocess.run(
        [sys.executable, "-c", code + "print(json.dumps(found))"],
        capture_output=True,
        text=True,
        check=True,
    )
    for (step, heavy), loaded in zip(steps, json.loads(done.stdout), strict=True):
        assert not set(heavy.split()) & set(loaded), step


def test_pages_and_notebooks_import_from_one_or_two_places() -> None:
    texts = dict(enumerate(text for _, text in blocks("python")))
    texts |= {path.stem: path.read_text() for path in (ROOT / "notebooks").glob("*.py")}
    for where, text in texts.items():
        places = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                places |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                places.add(node.module)
        places = {name for name in places if name.split(".")[0] == "galgen"}
        assert len(places) <= 2 and all(name.count(".") <= 1 for name in places), where
