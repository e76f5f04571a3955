"""Power spectra of a small catalogue by abacusutils, frozen for the tests.

    pip install abacusutils
    python benchmarks/make_references.py

writes tests/statistics/reference/power_spectrum.json, which names the code and its version. The
catalogue comes from a seed, see :func:`catalogue`; the file holds numbers only that this script
computed. Two sets of multipoles, of triangular-shaped clouds, interlaced and compensated:

- ``calc_power``: the public function. It paints and transforms in float32 whatever dtype it is
  given, so it is good to about 1e-5 of P + shot noise.
- ``double``: the functions that it is made of (painting, half-cell phase, binning) in float64, with
  the window sinc^3 of this script, because theirs is rounded to float32. To be met to 1e-10.

Its multipoles hold the shot noise, as ``raw_power`` does; its bins are (low, high], galgen's are
[low, high): edges half-way between modes make them one.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import Float

FILE = Path(__file__).parents[1] / "tests" / "statistics" / "reference" / "power_spectrum.json"
BOX = 100.0
MESH_SIZE = 32
MULTIPOLES = (0, 2, 4)
EDGES = 2 * np.pi / BOX * np.sqrt(np.array([0.5, 2.5, 10.5, 30.5, 70.5, 120.5, 200.5]))


def catalogue() -> Float[np.ndarray, "points 3"]:
    """Two thousand points in forty blobs, 3 Mpc/h across and 5 along z."""
    rng = np.random.default_rng(2026)
    centres = rng.uniform(0, BOX, (40, 3))
    scatter = rng.normal(0, 1, (2000, 3)) * np.array([3.0, 3.0, 5.0])
    return (centres[rng.integers(0, 40, 2000)] + scatter) % BOX


def by_calc_power(points: Float[np.ndarray, "points 3"]) -> dict[str, np.ndarray]:
    """Multipoles and mode counts by the public function."""
    from abacusnbody.analysis.power_spectrum import calc_power

    table = calc_power(
        points, BOX, kbins=EDGES, mubins=1, poles=list(MULTIPOLES), paste="TSC", nmesh=MESH_SIZE,
        compensated=True, interlaced=True, nthread=1,
    )  # fmt: skip
    return {"poles": table["poles"].T, "modes": table["N_mode_poles"]}


def in_double(points: Float[np.ndarray, "points 3"]) -> np.ndarray:
    """Multipoles by the functions that calc_power is made of, in float64."""
    from abacusnbody.analysis.power_spectrum import bin_kmu, get_field, shift_field_fft
    from scipy.fft import rfftn

    half_cell = 0.5 * BOX / MESH_SIZE
    field, shifted = (
        rfftn(get_field(points, BOX, MESH_SIZE, "TSC", d=d, nthread=1, dtype=np.float64))
        for d in (0.0, half_cell)
    )
    shift_field_fft(field, shifted, MESH_SIZE, BOX, 2 * half_cell, dtype=np.float64)
    window = np.sinc(np.fft.fftfreq(MESH_SIZE)) ** 3
    field /= window[:, None, None] * window[:, None] * window[: MESH_SIZE // 2 + 1]
    results = bin_kmu(
        MESH_SIZE, BOX, EDGES, np.array([0.0, 1.0]), np.abs(field) ** 2, np.array(MULTIPOLES),
        dtype=np.float64, nthread=1,
    )  # fmt: skip
    return results[2] * BOX**3


def main() -> None:
    """Write the file."""
    points = catalogue()
    public = by_calc_power(points)
    content = {
        "code": "abacusutils",
        "version": version("abacusutils"),
        "script": "benchmarks/make_references.py",
        "sum_of_positions": float(points.sum()),
        "modes": public["modes"].tolist(),
        "calc_power": public["poles"].tolist(),
        "double": in_double(points).tolist(),
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
