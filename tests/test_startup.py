"""A command imports only what it needs; ``benchmarks/startup.py`` says what that costs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from galgen import Experiment
from galgen.data import ArrayEncoding, Catalogue, ToyDataset, TwoMoons, write_suite
from galgen.generative import Bridge, LinearPath
from galgen.networks import MLP
from galgen.serialization import write_json

TRAINING = "e3nn_jax sympy diffrax orbax grain blackjax matplotlib astropy"
LIBRARIES = f"jax flax optax scipy.fft scipy.special h5py {TRAINING}"
STEPS = (
    ("--version", f"numpy tyro {LIBRARIES}"),
    ("--help", f"numpy tyro {LIBRARIES}"),
    ("--wrong", f"numpy tyro {LIBRARIES}"),
    ("wander", f"numpy tyro {LIBRARIES}"),
    ("train --help", f"numpy tyro {LIBRARIES}"),
    ("train config.py --wrong 1", f"numpy tyro {LIBRARIES}"),
    ("sample --help", f"numpy tyro {LIBRARIES}"),
    ("validate --help", LIBRARIES),
    ("validate suite.h5 --wrong 1", LIBRARIES),
    ("infer --help", LIBRARIES),
    ("infer run suite.h5 --wrong 1", LIBRARIES),
    ("simulate --help", LIBRARIES),
    ("simulate --wrong 1", LIBRARIES),
    ("mock --help", LIBRARIES),
    ("mock --wrong 1", LIBRARIES),
    ("sample run --help", LIBRARIES),
    ("sample run --wrong 1", LIBRARIES),
    ("export --help", LIBRARIES),
    ("export suite.h5 --wrong 1", LIBRARIES),
    ("completion --help", LIBRARIES),
    ("inspect --help", f"jax {TRAINING}"),
    ("inspect suite.h5", f"jax {TRAINING}"),
)
"""Command lines in the order of what they import, and libraries that none of them has yet."""
RUN = (("inspect run", "e3nn_jax sympy diffrax grain blackjax matplotlib astropy scipy.stats"),)

SCRIPT = """
import contextlib, io, json, sys
import galgen.cli

found = []
for line in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = galgen.cli.main(line.split())
        except SystemExit as stop:
            status = stop.code or 0
    found.append((status, sorted(sys.modules)))
print(json.dumps(found))
"""


@pytest.mark.parametrize("steps", [STEPS, RUN], ids=["most", "inspect a run"])
def test_a_command_waits_for_no_library_that_it_does_not_need(steps, tmp_path: Path) -> None:
    """In one process, which does one line after the other."""
    columns = dict(zip("xyz", np.random.default_rng(0).random((3, 9)), strict=True))
    write_suite(tmp_path / "suite.h5", [Catalogue(columns, (1.0,) * 3)])
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run/encoding.json", ArrayEncoding((2,), 0.0, 1.0))
    experiment = Experiment(ToyDataset(TwoMoons()), MLP(), Bridge(LinearPath()))
    write_json(tmp_path / "run/experiment.json", experiment)
    (tmp_path / "config.py").write_text("import galgen\nexperiment = galgen.Experiment()\n")
    lines = [line for line, _ in steps]
    command = [sys.executable, "-c", SCRIPT, json.dumps(lines)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    for (line, without), (status, loaded) in zip(steps, found, strict=True):
        assert set(without.split()).isdisjoint(loaded), (line, set(without.split()) & set(loaded))
        assert (status == 2) == ("wrong" in line or line == "wander"), line
