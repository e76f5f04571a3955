"""Remapped boxes: the same points, once each, in a cuboid of the published sides."""

import numpy as np
import pytest
from mock_boxes import box_of, uniform_box

from galgen.errors import InputError
from galgen.mocks import Remapping

VECTORS = [
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((1, 1, 0), (0, 0, 1), (1, 0, 0)),
    ((1, 1, 1), (1, 0, 0), (0, 1, 0)),
    ((2, 1, 0), (1, 1, 1), (1, 1, 0)),
    ((2, 2, 1), (1, -1, 0), (0, -1, 0)),
]
VECTORS = [v if np.linalg.det(v) > 0 else (v[0], v[2], v[1]) for v in VECTORS]
BOXES = [(100.0, 100.0, 100.0), (80.0, 100.0, 130.0)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("vectors", VECTORS)
def test_one_to_one_with_volume_and_local_distances(vectors, box):
    catalogue = uniform_box(3000, box, seed=1)
    remapping = Remapping(vectors)
    cuboid = remapping(catalogue)
    # Sides by areas and the volume: |u1|, |u1 x u2| / |u1|, V / |u1 x u2|.
    lattice = np.array(vectors) * box
    area = np.linalg.norm(np.cross(lattice[0], lattice[1]))
    length = np.linalg.norm(lattice[0])
    np.testing.assert_allclose(cuboid.box, (length, area / length, np.prod(box) / area))
    assert cuboid.volume == pytest.approx(catalogue.volume) and not cuboid.periodic
    # Each point is moved by whole sides, then turned: the turn comes from the positions alone.
    moves = remapping.moves(catalogue.positions, box)
    moved = catalogue.positions + moves * np.array(box)
    turn = np.linalg.lstsq(moved, cuboid.positions, rcond=None)[0]
    np.testing.assert_allclose(moved @ turn, cuboid.positions, atol=1e-9)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(cuboid.velocities, catalogue.velocities @ turn, atol=1e-9)
    np.testing.assert_allclose(
        np.mod(cuboid.positions @ turn.T + 1e-9, box), catalogue.positions + 1e-9, atol=1e-7
    )
    # Points that moved together keep their distances.
    cell = np.unique(moves, axis=0, return_inverse=True)[1].ravel()
    for label in range(min(cell.max() + 1, 4)):
        here = cell == label
        before, after = (c.positions[here][:50] for c in (catalogue, cuboid))
        np.testing.assert_allclose(
            np.linalg.norm(before[:, None] - before, axis=-1),
            np.linalg.norm(after[:, None] - after, axis=-1),
            atol=1e-9,
        )


@pytest.mark.parametrize("vectors", VECTORS)
def test_no_other_image_of_a_point_is_in_the_cuboid(vectors):
    """Brute force over all images: just one is inside, and it is the one that was chosen."""
    catalogue = uniform_box(40, 1.0, seed=2)
    remapping = Remapping(vectors)
    cuboid = remapping(catalogue)
    shifts = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), axis=-1).reshape(-1, 3)
    moves = remapping.moves(catalogue.positions, catalogue.box)
    moved = catalogue.positions + moves
    turn = np.linalg.lstsq(moved, cuboid.positions, rcond=None)[0]
    images = (catalogue.positions[:, None] + shifts) @ turn
    inside = np.all((images > -1e-12) & (images < np.array(cuboid.box) - 1e-12), axis=-1)
    np.testing.assert_array_equal(inside.sum(axis=1), 1)
    np.testing.assert_array_equal(shifts[inside.argmax(axis=1)], moves)


def test_points_on_faces_and_a_lattice_fill_the_cuboid_evenly():
    """A lattice of 12³ points has the density of the box in every eighth of the cuboid."""
    axis = np.arange(12) / 12 + 1 / 31
    lattice = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    cuboid = Remapping(VECTORS[3])(box_of(lattice, None, 1.0))
    octant = (cuboid.positions > np.array(cuboid.box) / 2) @ np.array([1, 2, 4])
    counts = np.bincount(octant, minlength=8)
    assert counts.sum() == 12**3 and np.abs(counts - 216).max() < 40
    faces = box_of(np.array([[0.0, 0, 0], [0.5, 0, 0], [0, 0.5, 0.5]]), None, 1.0)
    for vectors in VECTORS:
        assert len(Remapping(vectors)(faces)) == 3


def test_closest_finds_the_published_shapes():
    """Sides sqrt 2, 1, 1 / sqrt 2 and sqrt 3, sqrt(2/3), 1 / sqrt 2 exist; a cube is itself."""
    cube = (100.0, 100.0, 100.0)
    for shape in ((1, 1, 1), (2**0.5, 1, 2**-0.5), (3**0.5, (2 / 3) ** 0.5, 2**-0.5)):
        found = Remapping.closest(shape, cube, largest=1)
        np.testing.assert_allclose(found.sides(cube), 100 * np.array(shape), rtol=1e-12)
    long = (3.0, 2**0.5 / 3, 2**-0.5)
    found = Remapping.closest(long, cube, largest=2)
    np.testing.assert_allclose(found.sides(cube), 100 * np.array(long), rtol=1e-12)


def test_what_cannot_be_remapped_is_named():
    with pytest.raises(InputError, match=r"u1 . \(u2 x u3\) = 1, got -1 .* swap two of them"):
        Remapping(((0, 1, 0), (1, 0, 0), (0, 0, 1)))
    with pytest.raises(InputError, match=r"u1 . \(u2 x u3\) = 1, got 2 .* see Remapping.closest"):
        Remapping(((2, 0, 0), (0, 1, 0), (0, 0, 1)))
    with pytest.raises(InputError, match="a periodic box to remap, got an open one"):
        Remapping(VECTORS[1])(uniform_box(5).replace(periodic=False))
    with pytest.raises(InputError, match="positive sides and a range of 1 or 2"):
        Remapping.closest((1.0, 0.0, 1.0), (1.0, 1.0, 1.0))
