"""Latin hypercubes, and suites that do not depend on the number of processes."""

import subprocess
import sys

import numpy as np
import pytest

from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.simulator import HaloSimulator
from galgen.simulation.suite import latin_hypercube, simulate_suite

SIMULATOR = HaloSimulator(box=64.0, mesh=32, mass_min=3e13)
RANGES = {"omega_m": (0.2, 0.4), "sigma_8": (0.7, 0.9)}


def test_every_interval_of_every_axis_holds_one_point():
    cosmologies = latin_hypercube(RANGES, 40, seed=1)
    for name, (low, high) in RANGES.items():
        values = np.array([getattr(c, name) for c in cosmologies])
        cells = np.floor((values - low) / (high - low) * 40).astype(int)
        assert sorted(cells) == list(range(40))
    assert {c.h for c in cosmologies} == {Cosmology().h}
    assert cosmologies == latin_hypercube(RANGES, 40, seed=1)
    assert cosmologies != latin_hypercube(RANGES, 40, seed=2)


def test_suite_is_the_same_for_any_number_of_processes():
    cosmologies = latin_hypercube(RANGES, 6, seed=3)
    one = list(simulate_suite(SIMULATOR, cosmologies, range(6)))
    two = list(simulate_suite(SIMULATOR, cosmologies, range(6), processes=2))
    assert [Cosmology(**c.cosmology) for c in one] == cosmologies
    for first, second in zip(one, two, strict=True):
        assert first.cosmology == second.cosmology
        for name, column in first.columns.items():
            np.testing.assert_array_equal(column, second.columns[name])


def test_workers_do_not_import_jax():
    code = "import sys, galgen.simulation.suite; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("ranges", "number", "message"),
    [
        ({"Omega_m": (0.2, 0.4)}, 4, "got 'Omega_m'; check its spelling"),
        ({"omega_m": (0.4, 0.2)}, 4, "range of omega_m that rises"),
        ({}, 4, "got none"),
        (RANGES, 0, "1 or more cosmologies, got 0"),
    ],
)
def test_hypercube_messages(ranges, number, message):
    with pytest.raises(InputError, match=message):
        latin_hypercube(ranges, number, seed=0)


def test_suite_refuses_before_it_simulates():
    with pytest.raises(InputError, match="got 2 cosmologies and 1 seeds"):
        simulate_suite(SIMULATOR, [Cosmology()] * 2, [0])
    with pytest.raises(InputError, match="1 or more processes, got 0"):
        simulate_suite(SIMULATOR, [Cosmology()], [0], processes=0)
    with pytest.raises(InputError, match="expected a mesh of"):
        light = HaloSimulator(box=64.0, mesh=32, mass_min=2e13)
        simulate_suite(light, [Cosmology(), Cosmology(omega_m=0.9)], [0, 1])
