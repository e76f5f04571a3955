"""CPU-seconds until a command answers, as ratios to ``import numpy``.

    python benchmarks/startup.py

Each row is a process of its own, in turn with ``python -c "import numpy"``: user and system seconds
as the operating system counts them, medians of five. A small suite and a small run are made first.
About four minutes.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from galgen import Catalogue, write_suite

CONFIGS = Path(__file__).parents[1] / "configs"
NUMPY = ("-c", "import numpy")


def cpu_seconds(arguments: tuple[str, ...]) -> float:
    """User and system seconds of one process of Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def suite_and_run(folder: Path) -> None:
    """A suite of a few small catalogues, and a run of two steps on it."""
    rng = np.random.default_rng(0)
    catalogues = [
        Catalogue(
            dict(zip("xyz", rng.uniform(0, 100, (3, 20)), strict=True))
            | {"mass": 10 ** rng.normal(13.5, 0.2, 20)},
            (100.0,) * 3,
            cosmology={"omega_m": omega_m, "sigma_8": 0.8},
        )
        for omega_m in np.linspace(0.2, 0.4, 8)
    ]
    write_suite(folder / "suite.h5", catalogues, ["train"] * 6 + ["test"] * 2)
    train = f"train {CONFIGS / 'demo.py'} --data.path {folder / 'suite.h5'} --run {folder / 'run'}"
    small = "--trainer.steps 2 --trainer.warmup 1 --trainer.batch-size 2 --network.width 8"
    subprocess.run([sys.executable, "-m", "galgen", *f"{train} {small}".split()], check=True)


def main() -> None:
    """Print one row for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        suite_and_run(folder)
        suite, run, demo = folder / "suite.h5", folder / "run", CONFIGS / "demo.py"
        rows = [
            "--version",
            "--help",
            "wander",
            *(f"{c} --help" for c in ("simulate", "validate", "infer", "mock", "inspect", "demo")),
            *(f"{c} --wrong 1" for c in ("simulate", "validate a", "infer a b", "mock a")),
            "inspect a --wrong 1",
            f"inspect {suite}",
            f"inspect {run}",
            f"sample {run} --help",
            f"sample {run} --wrong 1",
            "train --help",
            f"train {demo} --help",
            f"train {demo} --wrong 1",
        ]
        commands = [("-c", "import galgen"), *(("-m", "galgen", *row.split()) for row in rows)]
        print(f"{'command':42}{'CPU-s':>8}{'ratio to numpy':>16}")
        for arguments in commands:
            pairs = [(cpu_seconds(arguments), cpu_seconds(NUMPY)) for _ in range(repeats)]
            seconds = statistics.median(pair[0] for pair in pairs)
            ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
            text = " ".join(arguments).removeprefix("-m ").removeprefix("-c ")
            text = text.replace(f"{folder}/", "").replace(f"{CONFIGS}/", "configs/")
            print(f"{text:42}{seconds:8.2f}{ratio:16.1f}", flush=True)


if __name__ == "__main__":
    main()
