"""Boxes shifted, wrapped and cut: no point is lost that is not told."""

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.cutting import cut_into_cubes, grid_of, shift, thin, wrap
from galgen.errors import InputError


def points(number, box, seed=0):
    values = np.random.default_rng(seed).uniform(0, 1, (number, 3)) * box
    return dict(zip("xyz", values.T, strict=True)) | {"id": 2**60 + np.arange(number)}


@pytest.mark.parametrize(
    ("box", "side", "cells", "kept"),
    [
        ((1000.0,) * 3, 250.0, (4, 4, 4), 1.0),
        ((999.9997,) * 3, 250.0, (4, 4, 4), 1.0),
        ((1000.2,) * 3, 250.0, (4, 4, 4), 1.0),
        ((100.0, 50.0, 75.0), 25.0, (4, 2, 3), 1.0),
        ((99.0,) * 3, 25.0, (3, 3, 3), (75 / 99) ** 3),
        ((100.0, 99.0, 100.0), 25.0, (4, 3, 4), 75 / 99),
        ((0.3,) * 3, 0.1, (3, 3, 3), 1.0),
        ((100.0,) * 3, 100.0, (1, 1, 1), 1.0),
        ((99.9999,) * 3, 100.0, (1, 1, 1), 1.0),
    ],
)
def test_grids(box, side, cells, kept):
    grid = grid_of(box, side)
    assert grid.cells == cells and grid.kept == pytest.approx(kept, rel=1e-12)
    catalogue = Catalogue(points(4000, np.array(box)), box)
    cubes = cut_into_cubes(catalogue, side)
    assert len(cubes) == np.prod(cells) and {cube.box for cube in cubes} == {grid.sides}
    back = {}
    for cube in cubes:
        corner = np.array(cube.provenance["corner [Mpc/h]"].split(), float)
        back |= dict(zip(cube.columns["id"].tolist(), cube.positions + corner, strict=True))
    inside = np.all(catalogue.positions < np.array(cells) * grid.sides, axis=1)
    assert sorted(back) == catalogue.columns["id"][inside].tolist()
    found = np.array([back[number] for number in sorted(back)])
    np.testing.assert_allclose(found, catalogue.positions[inside], atol=1e-4 * side)


def test_the_last_point_of_a_box_is_in_its_last_cube():
    box = 999.9997
    edge = np.nextafter(box, 0)
    catalogue = Catalogue({name: np.array([edge, 0.0]) for name in "xyz"}, (box,) * 3)
    cubes = cut_into_cubes(catalogue, 250.0)
    assert [len(cubes[0]), len(cubes[-1]), sum(map(len, cubes))] == [1, 1, 2]


@pytest.mark.parametrize("side", [0.0, -1.0, np.nan, 101.0])
def test_cubes_that_cannot_be(side):
    with pytest.raises(InputError, match=r"positive cube side up to the box .*; pass a smaller"):
        grid_of((100.0,) * 3, side)


def test_shifted_and_wrapped():
    columns = points(100, np.array([100.0, 80.0, 120.0]))
    moved = shift({**columns, "x": columns["x"] - 50}, (-50, 0, 0))
    np.testing.assert_allclose(moved["x"], columns["x"], atol=1e-12)
    assert moved["id"] is columns["id"]
    out = {"x": [-1.0, 100.5, 99.0], "y": [-80.0, 80.0, 0.0], "z": [-1e-18, 239.0, 5.0]}
    out = {name: np.array(values) for name, values in out.items()}
    inside = wrap(out, (100, 80, 120))
    assert [inside[n].tolist() for n in "xyz"] == [[99, 0.5, 99], [0, 0, 0], [0, 119, 5]]
    with pytest.raises(InputError, match=r"one side, 100 Mpc/h, beyond .* column 'y' from 0"):
        wrap(columns | {"y": np.array([0.0, 201.0])}, 100.0)


def test_the_heaviest_stay_whatever_the_type_of_mass():
    columns = points(50, 10.0)
    for kind in (np.float32, np.uint64, np.int32):
        masses = (np.arange(50) * 10).astype(kind)
        heavy = thin(Catalogue(columns | {"mass": masses}, (10.0,) * 3), 100, 5)
        assert heavy.columns["mass"].tolist() == [450, 460, 470, 480, 490]
