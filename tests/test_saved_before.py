"""What earlier versions of galgen saved is read by this one: a run, its draws and its suite.

``saved/module_names`` is of a version that named classes by their modules, wrote suites of version
2 and drew other random numbers; ``saved/public_names`` of the one before classes and fields got the
names of the field. Each holds a suite of twelve catalogues, a run of four steps on it, and two
catalogues drawn from the run at omega_m 0.3 and 0.33 with seed 5.
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from galgen.data.suite import Suite
from galgen.run import Run

SAVED = Path(__file__).parent / "saved"
WEIGHTS = {"module_names": "d637b5c8", "public_names": "6e60d716"}
"""Hashes of the weights, as the version that trained them printed them."""


@pytest.fixture(params=WEIGHTS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unpacked files of one version."""
    folder = tmp_path / request.param
    with tarfile.open(SAVED / f"{request.param}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_a_run_of_an_earlier_version_is_loaded_and_drawn_from(saved: Path) -> None:
    run = Run.load(saved / "run")
    assert run.weights_hash.startswith(WEIGHTS[saved.name])
    drawn = run.sample([{"omega_m": 0.3}, {"omega_m": 0.33}], seed=5)
    assert run.encoding.condition_ranges["omega_m"] == (0.2, 0.34)
    assert [one.cosmology["omega_m"] for one in drawn] == [0.3, 0.33]
    if saved.name == "module_names":
        return  # Seeds became other random numbers after it.
    with Suite(saved / "drawn.h5") as then:
        for new, old in zip(drawn, (then[0], then[1]), strict=True):
            assert len(new) == len(old)
            np.testing.assert_allclose(new.positions, old.positions, rtol=2e-5)
            # The model draws log masses, here over ten decades; their rounding is the compiler's.
            new_mass, old_mass = (np.log10(one.columns["mass"]) for one in (new, old))
            np.testing.assert_allclose(new_mass, old_mass, rtol=0, atol=0.01)


def test_a_suite_of_an_earlier_version_is_read(saved: Path) -> None:
    rng = np.random.default_rng(0)
    with Suite(saved / "suite.h5") as suite:
        assert suite.splits.tolist() == ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
        for number, catalogue in enumerate(suite):
            points = 8 + number % 3
            positions = rng.uniform(0, 100, (points, 3)).astype(np.float32)
            masses = (10 ** rng.uniform(13, 14, points)).astype(np.float32)
            identifiers = rng.integers(2**40, 2**60, points)
            assert np.array_equal(catalogue.positions, positions)
            assert np.array_equal(catalogue.columns["mass"], masses)
            assert np.array_equal(catalogue.columns["id"], identifiers)
            assert catalogue.cosmology == {"omega_m": 0.2 + 0.02 * number, "sigma_8": 0.8}
            assert catalogue.redshift == 0.5 and catalogue.box == (100.0,) * 3
