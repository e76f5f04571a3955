"""Friends of friends against a brute-force union-find, and the means of groups."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from galgen.simulation.friends_of_friends import friends_of_friends, group_means

BOX = 50.0


def clustered(number, seed):
    """Points about centres, across every face of the box."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.0, BOX, (12, 3))
    centres[0] = 0.0
    points = centres[rng.integers(0, 12, number)] + rng.normal(0.0, 3.0, (number, 3))
    return np.mod(points, BOX)


def distances(points):
    difference = points[:, None] - points[None]
    difference -= BOX * np.rint(difference / BOX)
    return np.linalg.norm(difference, axis=-1)


def union_find(close):
    """The least number of each point's group, by merging pair after pair."""
    parent = list(range(len(close)))

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for i, j in zip(*np.nonzero(close), strict=True):
        a, b = sorted((root(i), root(j)))
        parent[b] = a
    return np.array([root(i) for i in range(len(close))])


@pytest.mark.parametrize("length", [0.3, 1.0, 2.0])
def test_groups_are_those_of_brute_force(length):
    points = clustered(400, 1)
    close = distances(points) < length
    found = friends_of_friends(points, BOX, length)
    expected = union_find(close)
    together = found[:, None] == found[None]
    np.testing.assert_array_equal(together, expected[:, None] == expected[None])
    assert found.max() + 1 == connected_components(close)[0] > 1


def test_means_hold_across_the_faces():
    """A group that shifts, wraps and turns up elsewhere has the same shape there."""
    points, velocities = clustered(600, 2), np.random.default_rng(3).normal(size=(600, 3))
    groups = friends_of_friends(points, BOX, 1.0)
    sizes, x, v = group_means(groups, 5, points, velocities, BOX)
    shift = np.array([13.0, -31.0, 44.0])
    _, moved, same = group_means(groups, 5, np.mod(points + shift, BOX), velocities, BOX)
    np.testing.assert_allclose(np.mod(moved - x - shift + 1.0, BOX), 1.0, atol=1e-9)
    np.testing.assert_array_equal(same, v)
    assert np.all(np.diff(sizes) <= 0) and sizes.min() >= 5
    assert np.all((x >= 0.0) & (x < BOX))
    largest = groups == np.bincount(groups).argmax()
    np.testing.assert_allclose(v[0], velocities[largest].mean(axis=0), rtol=1e-9)
    assert sizes[0] == largest.sum()
    assert sizes.sum() == sum(n for n in np.bincount(groups) if n >= 5)


def test_no_group_is_large_enough():
    points = clustered(20, 4)
    sizes, x, v = group_means(np.arange(20), 2, points, points, BOX)
    assert len(sizes) == 0 and x.shape == v.shape == (0, 3)
