"""Pair counts by NumPy's full matrix and by scipy's tree: references for the tests."""

import itertools

import numpy as np
from scipy.spatial import cKDTree


def separations(first, second, box):
    """Second minus first for all pairs, the nearest image where a box is given."""
    apart = second[None] - first[:, None]
    return apart if box is None else apart - box * np.round(apart / box)


def brute_force(points, edges, box, periodic, other=None, weights=None, other_weights=None):
    """Ordered pairs, or sums of products of weights, by the full matrix in float64."""
    apart = separations(points, points if other is None else other, box if periodic else None)
    squared = (apart**2).sum(-1)
    if other is None:
        squared[np.diag_indices(len(points))] = np.inf
    first = np.ones(len(squared)) if weights is None else weights
    second = np.ones(squared.shape[1]) if other is None else other_weights
    second = first if other is None else (np.ones(len(other)) if second is None else second)
    product = first[:, None] * second
    return np.array(
        [
            np.sum(product[(squared >= low**2) & (squared < high**2)])
            for low, high in itertools.pairwise(edges)
        ]
    )


def counts_by_tree(points, edges, box=None):
    """Ordered pairs of one catalogue by scipy's dual tree."""
    edges = np.asarray(edges, float)
    if box is not None:
        box = np.broadcast_to(np.asarray(box, float), (3,))
        points = points - box * np.floor(points / box)
        points = np.where(points >= box, 0.0, points)
    tree = cKDTree(points, boxsize=box)
    # scipy counts separation <= radius; the next number below makes it separation < edge.
    below = np.asarray(tree.count_neighbors(tree, np.nextafter(edges, -1.0)), np.int64)
    return np.diff(np.where(edges > 0, below - len(points), 0))
