"""The tutorial on many devices, in a process of its own, which has to start with them."""

import subprocess
import sys

import pytest
from notebook_runs import NOTEBOOKS
from training_on_meshes import environment

CHECK = """
import runpy, sys
import numpy as np
names = runpy.run_path(sys.argv[1])
first, *others = names["losses"].values()
assert len(first) == 10 and first[-1] < first[0]
assert all(np.abs(values - first).max() < 1e-5 for values in others)
assert names["held"] < 0.52 * names["total"]
assert names["largest_gap"] < 1e-5
assert names["large"].shape == (1, 4096, 3) and len(names["large"].sharding.device_set) == 4
alone, spread = names["needed"].values()
assert spread[-1] < 0.6 * alone[-1]
print("held")
"""


@pytest.mark.slow
def test_scale() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK, str(NOTEBOOKS / "08_scale.py")],
        env=environment(4) | {"GALGEN_POINTS": "4096"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith("held\n"), done.stderr[-2000:]
