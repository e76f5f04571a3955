"""Pair counts of a small catalogue by Corrfunc, frozen for the tests.

    pip install Corrfunc
    python benchmarks/make_pair_references.py

writes tests/statistics/reference/pair_counts.json, which names the code and its version. The
catalogue comes from a seed, see :func:`catalogue`; the file holds numbers only that this script
computed. Positions are float64, the line of sight is z, counts are of ordered pairs.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import Float

FILE = Path(__file__).parents[1] / "tests" / "statistics" / "reference" / "pair_counts.json"
BOX = 100.0
EDGES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 25.0, 40.0])
MU_BINS = 10
PI_MAX = 20.0


def catalogue(number: int = 2000, seed: int = 2026) -> Float[np.ndarray, "points 3"]:
    """Points in forty blobs, 3 Mpc/h across and 5 along z."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, BOX, (40, 3))
    scatter = rng.normal(0, 1, (number, 3)) * np.array([3.0, 3.0, 5.0])
    return (centres[rng.integers(0, 40, number)] + scatter) % BOX


def weights(number: int = 2000) -> Float[np.ndarray, "points"]:
    """One for each point."""
    return np.random.default_rng(7).uniform(0.5, 2.0, number)


def main() -> None:
    """Write the file."""
    from Corrfunc.theory import DD, DDrppi, DDsmu, wp, xi

    points, other, weight = catalogue(), catalogue(1500, 2027), weights()
    columns, others = list(points.T.copy()), list(other.T.copy())
    box = {"periodic": True, "boxsize": BOX}
    radial = DD(1, 1, EDGES, *columns, **box)
    weighted = DD(1, 1, EDGES, *columns, weights1=weight, weight_type="pair_product", **box)
    second = dict(zip(("X2", "Y2", "Z2"), others, strict=True))
    cross = DD(0, 1, EDGES, *columns, **second, **box)
    angle = DDsmu(1, 1, EDGES, 1.0, MU_BINS, *columns, **box)
    across = DDrppi(1, 1, PI_MAX, EDGES, *columns, **box)
    projected = wp(BOX, PI_MAX, 1, EDGES, *columns)
    content = {
        "code": "Corrfunc",
        "version": version("Corrfunc"),
        "script": "benchmarks/make_pair_references.py",
        "sum_of_positions": float(points.sum()),
        "pairs": radial["npairs"].tolist(),
        "weighted": (weighted["npairs"] * weighted["weightavg"]).tolist(),
        "cross": cross["npairs"].tolist(),
        "xi": xi(BOX, 1, EDGES, *columns)["xi"].tolist(),
        "s_mu": angle["npairs"].reshape(-1, MU_BINS).tolist(),
        "rp_pi": across["npairs"].reshape(-1, int(PI_MAX)).tolist(),
        "wp": projected["wp"].tolist(),
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
