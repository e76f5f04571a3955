"""SciPy's k-d tree, called back on the host from compiled code."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int
from scipy.spatial import cKDTree

from galgen.checked import checked
from galgen.neighbors.method import Method
from galgen.neighbors.pairs import NOBODY
from galgen.periodic import wrap


@dataclasses.dataclass(frozen=True)
@checked
class Tree(Method):
    """An independent reference on the host; its time is not the compiler's. For CPU."""

    def search(self, positions, real, k, geometry, asking=None):
        shape = jax.ShapeDtypeStruct((*real.shape, k), jnp.int32)
        host = functools.partial(_search_clouds, k=k, periodic=geometry.periodic)
        found = jax.pure_callback(host, shape, positions, real, vmap_method="sequential")
        return found if asking is None else found[:, asking]


def _search_clouds(
    positions: np.ndarray | Array, real: np.ndarray | Array, k: int, periodic: bool
) -> Int[np.ndarray, "batch points k"]:
    positions, real = np.asarray(positions, np.float64), np.asarray(real)
    if periodic:
        positions = wrap(positions)
    found = np.full((*real.shape, k), NOBODY, np.int32)
    for cloud, rows, into in zip(positions, map(np.flatnonzero, real), found, strict=True):
        if not rows.size:
            continue
        tree = cKDTree(cloud[rows], boxsize=1.0 if periodic else None, balanced_tree=False)
        _, nearest = tree.query(cloud[rows], k + 1)
        # Of more than k duplicates a point itself need not be among the k + 1 nearest.
        drop = nearest == np.arange(rows.size)[:, None]
        drop[:, -1] |= ~drop.any(axis=1)
        others = nearest[~drop].reshape(rows.size, k)
        into[rows] = np.append(rows, NOBODY)[others]
    return found
