"""From a suite to batches: the same whether examples are kept in memory or read from the file."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.data.normalization import Standardizer
from galgen.data.suite import Suite, SuiteView, write_suite
from galgen.errors import InputError


def catalogue(points: int, seed: int) -> Catalogue:
    rng = np.random.default_rng(seed)
    columns = dict(zip("xyz", (rng.random((3, points)) * 50).astype(np.float32), strict=True))
    columns["mass"] = (10 ** rng.normal(13.5, 0.3, points)).astype(np.float32)
    for name in ("vx", "vy", "vz"):
        columns[name] = rng.normal(30.0, 250.0, points).astype(np.float32)
    cosmology = {"omega_m": 0.2 + 0.01 * seed, "sigma_8": 0.9 - 0.01 * seed, "h": 0.7}
    return Catalogue(columns, (50.0, 50.0, 50.0), 0.5, cosmology)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    numbers = np.random.default_rng(0).integers(20, 90, 24)
    write_suite(tmp_path / "suite.h5", [catalogue(int(n), i) for i, n in enumerate(numbers)])
    return tmp_path / "suite.h5"


def test_a_suite_larger_than_memory_gives_the_same_batches(path: Path) -> None:
    kept = CatalogueDataset(path).prepare(4, seed=3)
    read = dataclasses.replace(CatalogueDataset(path), memory=0.0).prepare(4, seed=3)
    assert kept.encoding == read.encoding
    for step in range(kept.source.batches_per_epoch + 2):
        for field in ("x", "mask", "condition"):
            a, b = (getattr(p.source.batch(step), field) for p in (kept, read))
            np.testing.assert_array_equal(a, b)


def test_one_pass_learns_the_moments_of_all_points(path: Path) -> None:
    with Suite(path) as suite:
        all_of_them = suite.catalogues()
        view = SuiteView(suite, np.arange(len(suite)))
        columns = ("x", "y", "z", "vx", "vy", "vz", "log_mass")
        found = Standardizer.fit(view, columns)
    log_mass = np.log10(np.concatenate([c.columns["mass"] for c in all_of_them]).astype(float))
    assert found.means[-1] == pytest.approx(log_mass.mean(), rel=1e-12)
    assert found.scales[-1] == pytest.approx(log_mass.std(), rel=1e-10)
    speeds = np.concatenate([c.velocities for c in all_of_them])
    assert found.scales[3:6] == pytest.approx([np.sqrt(np.mean(speeds**2))] * 3, rel=1e-10)
    assert found.fixed_cosmology == {"h": 0.7}
    assert found.points_range == (min(map(len, all_of_them)), max(map(len, all_of_them)))


def test_a_view_is_a_sequence_of_catalogues(path: Path) -> None:
    with Suite(path) as suite:
        view = SuiteView(suite, np.array([5, 2, 9]))
        assert (
            len(view) == 3 and view[1] == suite[2] and list(view) == [suite[i] for i in (5, 2, 9)]
        )
        assert list(view[1:]) == [suite[2], suite[9]]


def test_empty_catalogues_are_data(tmp_path: Path) -> None:
    """They tell how often there is no point, and what a posterior should make of none."""
    written = [catalogue(n, i) for i, n in enumerate((30, 0, 40, 35))]
    write_suite(tmp_path / "suite.h5", written)
    prepared = CatalogueDataset(tmp_path / "suite.h5").prepare(4, seed=0)
    assert prepared.encoding.cardinality.mean(np.zeros(2)) < 30
    assert prepared.encoding.standardizer.points_range == (0, 40)
    assert sorted(prepared.source.batch(0).mask.sum(axis=1)) == [0, 30, 35, 40]
    write_suite(tmp_path / "full.h5", [c for c in written if len(c)])
    full = CatalogueDataset(tmp_path / "full.h5").prepare(3, 0).encoding
    assert full.standardizer.means == prepared.encoding.standardizer.means
    write_suite(tmp_path / "none.h5", [catalogue(0, 0)] * 2)
    with pytest.raises(InputError, match="standardise, got none in 2 catalogues; check"):
        CatalogueDataset(tmp_path / "none.h5").prepare(2, seed=0)


def test_a_catalogue_unlike_all_others_is_said(tmp_path: Path) -> None:
    counts = [1200, *np.random.default_rng(0).poisson(30, 23)]
    write_suite(tmp_path / "suite.h5", [catalogue(n, i) for i, n in enumerate(counts)])
    with pytest.warns(UserWarning) as said:
        prepared = CatalogueDataset(tmp_path / "suite.h5").prepare(4, seed=0)
    first, second = (str(warning.message) for warning in said)
    assert "1 of 24 catalogues have numbers of points unlike all others, [1200], and are" in first
    assert "the largest catalogue has 1200 points where 3" in second
    assert prepared.encoding.sizes[-1] == 1200 and max(prepared.encoding.sizes[:-1]) <= 48
