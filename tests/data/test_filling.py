"""Whether points fill their box: no false alarm among filled boxes, every slab found."""

import numpy as np
import pytest

from galgen.data import filling
from galgen.data.catalogue import Catalogue
from galgen.data.filling import gaps_of


def box_of(values, side=1000.0):
    return Catalogue(dict(zip("xyz", np.transpose(values), strict=True)), (side,) * 3)


def test_filled_boxes_have_no_gaps():
    rng = np.random.default_rng(0)
    for number in [1, 2, 3, 5, 10, 20, 40, 80, 200, 1000, 4000] * 30:
        assert not gaps_of(box_of(rng.uniform(0, 1000, (number, 3))))
    assert not gaps_of(box_of(np.zeros((0, 3))))


def test_the_rate_of_false_alarms_is_below_the_one_that_is_stated(monkeypatch):
    monkeypatch.setattr(filling, "RATE", 0.1)
    monkeypatch.setattr(filling, "SHORTEST", 0.0)
    rng = np.random.default_rng(0)
    for number in (10, 100):
        boxes = [box_of(rng.uniform(0, 1000, (number, 3))) for _ in range(300)]
        assert 0.001 < np.mean([bool(gaps_of(box)) for box in boxes]) < 0.1


def test_clumps_are_no_gaps():
    rng = np.random.default_rng(1)
    for _ in range(100):
        centres = rng.uniform(0, 1000, (100, 3))
        places = np.repeat(centres, 20, axis=0) + rng.normal(0, 20, (2000, 3))
        assert not gaps_of(box_of(np.mod(places, 1000)))


@pytest.mark.parametrize("number", [60, 200, 5000])
@pytest.mark.parametrize("offset", [0, 300, 700])
def test_a_slab_is_found(number, offset):
    """A survey from 125 to 757 of 1000, wherever the axis begins."""
    values = np.random.default_rng(2).uniform(0, 1000, (number, 3))
    values[:, 2] = np.mod(125 + 0.632 * values[:, 2] + offset, 1000)
    (gap,) = gaps_of(box_of(values))
    assert gap.axis == "z" and f"no point has z {'from' if gap.high > gap.low else 'above'}" in str(
        gap
    )
    empty = np.mod(np.linspace(757, 1125, 200)[40:-40] + offset, 1000)
    wraps = gap.high <= gap.low
    inside = (empty >= gap.low) | (empty < gap.high) if wraps else (empty >= gap.low)
    assert np.all(inside if wraps else inside & (empty < gap.high))


def test_a_box_that_is_no_cube():
    values = np.random.default_rng(3).uniform(0, [100, 80, 120], (200, 3))
    assert [gap.axis for gap in gaps_of(box_of(values, 120.0))] == ["x", "y"]
    columns = dict(zip("xyz", values.T, strict=True))
    assert not gaps_of(Catalogue(columns, (100.0, 80.0, 120.0)))


def test_a_sheet_is_empty_on_both_of_its_sides():
    values = np.random.default_rng(4).uniform(0, 1000, (50, 3))
    values[:, 0] = 500.0
    (gap,) = gaps_of(box_of(values))
    assert (gap.axis, gap.low, gap.high) == ("x", 505.0, 500.0)
