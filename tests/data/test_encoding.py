"""Numbers of points far from those of training are told of, on the way and in the draws."""

import warnings

import numpy as np
import pytest

from galgen.data.cardinality import Cardinality
from galgen.data.encoding import CloudEncoding
from galgen.data.normalization import Standardizer

ENCODING = CloudEncoding(
    Standardizer(
        ("x", "y", "z"), (0.0,) * 3, (1.0,) * 3, ("omega_m",), (0.3,), (0.1,), ((0.2, 0.4),),
        (40, 80), (64.0,) * 3, (0.0,), True, {"x": "Mpc/h", "y": "Mpc/h", "z": "Mpc/h"},
    ),
    Cardinality((np.log(1000.0), 0.0), 1, 1),
    (64, 128),
)  # fmt: skip


@pytest.mark.parametrize(
    ("points", "far"), [(1, True), (19, True), (20, False), (60, False), (160, False), (161, True)]
)
def test_a_number_of_points_far_from_training_is_told_of(points: int, far: bool) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        (draw,) = ENCODING.plan([{"omega_m": 0.3}], 1, 0, points)
    (drawn,) = ENCODING.decode(draw, np.full(draw.shape, 0.5), {"run": "r"})
    assert drawn.provenance["run"] == "r" and len(drawn) == points
    caution = drawn.provenance.get("caution")
    assert [str(warning.message) for warning in told] == ([caution] if far else [])
    if far:
        assert caution is not None
        assert caution.startswith(f"{points} points") and "training had 40 to 80" in caution


def test_one_that_was_drawn_is_told_of_in_the_draw() -> None:
    """p(N | condition) may lead far out; the draw says so."""
    (draw,) = ENCODING.plan([{"omega_m": 0.3}], 1, 0)
    (drawn,) = ENCODING.decode(draw, np.full(draw.shape, 0.5), {})
    assert len(drawn) > 800 and drawn.provenance["caution"].startswith(f"{len(drawn)} points")
