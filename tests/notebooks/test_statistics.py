"""10_statistics: what comes of a box and of a survey, without any file."""

import numpy as np
import pytest
from notebook_runs import run


@pytest.mark.slow
def test_a_box_is_clustered_and_unclustered_points_on_the_sky_are_not(
    monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("GALGEN_STATISTICS", str(tmp_path))
    names = run("10_statistics")
    assert names["xi"].xi[0, 0] > 1 and names["wp"].wp[0, 0] > names["wp"].wp[0, -1]
    assert np.all(names["spectrum"].power[0, 0][1:5] > 0)
    survey = names["survey"]
    assert np.all(np.isfinite(survey.mean)) and np.all(survey.error > 0)
    pull = survey.mean / survey.error
    # The first bins hold a few pairs, whose number is far from normal.
    assert np.abs(pull[3:]).max() < 3.5 and np.abs(survey.mean[-2:]).max() < 0.05
