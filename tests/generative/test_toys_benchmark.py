"""The benchmark of toys: its distance, and that one pair comes near the truth."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "toys.py"


@pytest.fixture(scope="module")
def toys() -> ModuleType:
    specification = importlib.util.spec_from_file_location("toys_benchmark", FILE)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


def test_distance_of_a_shifted_sample_is_the_shift(toys: ModuleType) -> None:
    """A translation is the optimal transport, whatever the order of the points."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    assert toys.wasserstein(x, rng.permutation(x) + np.array([0.3, -0.4])) == pytest.approx(0.5)


def test_s_curve_lies_on_its_half_circles(toys: ModuleType) -> None:
    x, labels = toys.SCurve(std=0.0).sample_with_labels(np.random.default_rng(0), 2000)
    centre = np.where(labels[:, None] == 1, np.array([0.0, -1.0]), np.array([0.0, 1.0]))
    assert np.allclose(np.linalg.norm(x - centre, axis=1), 1, atol=1e-5)
    assert np.allclose(x.min(axis=0), [-1, -2], atol=0.01)
    assert np.allclose(x.max(axis=0), [1, 2], atol=0.01)


@pytest.mark.slow
def test_transport_from_eight_gaussians_to_moons(toys: ModuleType) -> None:
    """Draws are about as far from held-out points as an independent draw of the data is."""
    options, pair = toys.Options(), toys.PAIRS["eight Gaussians to moons"]
    sets = pair.held_out(options.points)
    floor, _ = toys.distance(np.concatenate(sets[toys.SETS :]), sets[: toys.SETS])
    bridge = toys.FAMILIES["OT flow matching"](pair.base)
    denoiser, _ = toys.train(bridge, pair, options)
    sampler = toys.Sampler(toys.Heun(), 32)
    ways = toys.draw(bridge, sampler, denoiser, pair, toys.SETS * options.points)
    assert toys.distance(ways[0], sets[: toys.SETS])[0] > 5 * floor
    assert toys.distance(ways[-1], sets[: toys.SETS])[0] < 1.15 * floor
