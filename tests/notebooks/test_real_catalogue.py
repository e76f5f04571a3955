"""05_real_catalogue: a survey to cubes to a model, on the stand-in that it makes itself."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from notebook_runs import run

from galgen.configuration import load_config
from galgen.data.catalogue import POSITIONS

CONFIG = Path(__file__).parents[2] / "configs" / "sub_boxes.py"


@pytest.fixture(scope="module")
def names():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GALGEN_SURVEY", raising=False)
        patch.setenv("GALGEN_STEPS", "60")
        return run("05_real_catalogue")


@pytest.mark.slow
def test_cubes_hold_the_galaxies_of_the_file_once_each(names) -> None:
    rows, survey = fits.getdata(names["path"], "LSS"), names["survey"]
    assert {"RA", "DEC", "Z", "WEIGHT"} <= set(rows.names)
    assert len(rows) == len(survey.positions) > 10_000
    np.testing.assert_allclose(survey.redshift, rows["Z"])
    direction = np.radians(rows["RA"]), np.radians(rows["DEC"])
    distance = np.linalg.norm(survey.positions, axis=1)
    np.testing.assert_allclose(survey.positions[:, 2] / distance, np.sin(direction[1]), atol=1e-6)
    suite, corners, side = names["suite"], names["corners"], names["SIDE"]
    assert len(suite) > 100 and set(suite.splits) == {"train", "test"}
    for number in range(0, len(suite), 10):
        place = survey.positions - corners[number]
        inside = np.all((place >= 0) & (place < side), axis=1)
        found = np.sort(suite[number].positions[:, 0])
        np.testing.assert_allclose(found, np.sort(place[inside, 0]), atol=1e-3)
    gaps = np.abs(corners[:, None] - corners).max(axis=-1)
    assert gaps[~np.eye(len(corners), dtype=bool)].min() > side * (1 - 1e-4), "cubes do not overlap"


@pytest.mark.slow
def test_galaxies_are_clustered(names) -> None:
    counts, xi = names["counts"], names["xi"]
    assert counts.std() > 2 * np.sqrt(counts.mean())
    assert np.all(xi.mean > 5 * xi.error) and np.all(np.diff(xi.mean) < 0)


@pytest.mark.slow
def test_the_model_is_that_of_the_configuration(names) -> None:
    here, there = names["experiment"], load_config(CONFIG)
    assert (here.network, here.model, here.sampler) == (there.network, there.model, there.sampler)
    assert here.data.columns == there.data.columns == POSITIONS


@pytest.mark.slow
def test_draws_are_judged_against_held_out(names) -> None:
    drawn, held_out, comparison = names["drawn"], names["held_out"], names["comparison"]
    assert len(drawn) == len(held_out) == np.sum(names["suite"].splits == "test")
    for cube in drawn:
        assert not cube.periodic and cube.box == held_out[0].box
        assert np.all((cube.positions >= 0) & (cube.positions <= names["SIDE"]))
    count = comparison.main.count
    assert abs(count.ratio - 1) < 3 * count.ratio_error
    # Sixty steps are enough to leave the uniform base, and not enough to be the truth.
    xi = comparison.main.correlation
    assert np.all(np.abs(xi.base.mean) < 4 * xi.base.error + 0.05)
    clustered = xi.generated.mean / xi.generated.error
    assert np.all(clustered[2:] > 3), np.round(clustered, 1)
    assert "memorisation" in (names["report"].parent / "comparison.json").read_text()
