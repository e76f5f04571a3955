"""11_from_a_linear_field: phases that stay, scatter that goes, and a posterior that is honest."""

import numpy as np
import pytest
from notebook_runs import run


@pytest.mark.slow
def test_from_a_linear_field(monkeypatch) -> None:
    monkeypatch.setenv("GALGEN_STEPS", "300")
    names = run("11_from_a_linear_field")
    few, many = names["universes"].values()
    assert len(many) > 1.2 * len(few) > 0
    # Of two independent universes of this size the correlation of counts in cells of 50 Mpc/h is
    # 0.1 or so.
    cells = [
        np.histogramdd(one.positions, bins=4, range=[(0, names["SIDE"])] * 3)[0].ravel()
        for one in (few, many)
    ]
    assert np.corrcoef(*cells)[0, 1] > 0.7
    assert np.mean(names["fewer"][:3]) > 1.5, names["fewer"]
    assert 0.5 < names["accepted"] < 0.98
    assert 0.7 < np.std(names["deviation"]) < 1.4
    assert names["correlation"] > 0.2
