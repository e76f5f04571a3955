"""galgen from its wheel: built, installed into a new environment, used from another folder.

The environment sees the libraries of this one but not its checkout of galgen, and has no network.
"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from documents import ROOT


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def bin_folder(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of a new environment with galgen from the wheel."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", paths))
    # A line of a .pth file adds a folder, whose own .pth files (an editable galgen) are not read.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = built.glob("*.whl")
    command = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", wheel], check=True)
    return Path(sysconfig.get_path("scripts", "venv", paths))


def run(program: Path, *words: object, folder: Path) -> str:
    """What a program prints; without the checkout on the path, without a network."""
    unset = ("PYTHONPATH", "JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [program, *map(str, words)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, (words, done.stderr[-2000:])
    return done.stdout


def test_wheel_and_sdist_hold_what_galgen_needs(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    names = set(zipfile.ZipFile(wheel).namelist())
    source = {path.relative_to(ROOT).as_posix() for path in (ROOT / "galgen").rglob("*.py*")}
    assert {name for name in source if "__pycache__" not in name} <= names
    assert {"galgen/configs/demo.py", "galgen/py.typed", "data_prep/command.py"} <= names
    assert "galgen/pretrained/index.json" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "configs/"))]
    assert wheel.stat().st_size < 11_000_000
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"configs/demo.py", "tests/test_wheel.py", "constraints.txt", "LICENSE"} <= inside


def test_first_mocks_from_the_wheel(bin_folder: Path, tmp_path: Path) -> None:
    """Four mocks on disk, by the command line and in three lines of Python, offline."""
    start = time.perf_counter()
    line = "sample haloes-small --omega-m 0.31 --sigma-8 0.81 -n 4"
    assert "4 draws" in run(bin_folder / "galgen", *line.split(), folder=tmp_path)
    print(f"four mocks after {time.perf_counter() - start:.0f} s")
    assert (tmp_path / "runs/haloes-small/samples.h5").stat().st_size > 10_000
    text = (
        "import galgen as gg\n"
        "mocks = gg.sample('haloes-small', [{'omega_m': 0.31, 'sigma_8': 0.81}] * 4)\n"
        "gg.write_suite('mocks.h5', mocks)\n"
        "import pathlib; assert str(pathlib.Path.cwd()) not in gg.__file__; print(gg.__file__)"
    )
    place = run(bin_folder / "python", "-c", text, folder=tmp_path)
    assert Path(place.strip()).is_relative_to(bin_folder.parent)
    assert (tmp_path / "mocks.h5").exists()
    assert "haloes-small" in run(bin_folder / "galgen", "models", folder=tmp_path)
    assert "demo " in run(bin_folder / "galgen", "train", "--list", folder=tmp_path)


@pytest.mark.slow
def test_every_command_of_the_pages_runs_from_the_wheel(bin_folder: Path, tmp_path: Path) -> None:
    """As in the checkout (``test_readme.py``), in another folder and without it."""
    test = ROOT / "tests" / "test_readme.py"
    options = ("-q", "-n", "0", "-m", "slow or not slow", "-k", "test_every_command")
    words = ("-m", "pytest", *options, "-p", "no:cacheprovider", "--basetemp", tmp_path / "t", test)
    assert "2 passed" in run(bin_folder / "python", *words, folder=tmp_path)
