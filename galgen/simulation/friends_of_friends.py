"""Friends of friends: groups of particles that chains of close pairs hold together.

Two particles closer than the linking length are friends, and friends of friends are of one group
(Davis et al. 1985, ApJ 292, 371). Groups are found exactly, in a periodic box.
"""

from __future__ import annotations

import numpy as np
import scipy
from jaxtyping import Float, Int

from galgen.periodic import minimum_image, wrap


def friends_of_friends(
    positions: Float[np.ndarray, "particles 3"], box: float, linking_length: float
) -> Int[np.ndarray, "particles"]:
    """The number of the group that each particle belongs to, from 0.

    Args:
        positions: in ``[0, box)``.
        box: side.
        linking_length: below half the box, in its unit.
    """
    # Neither a balanced nor a tight tree is worth its price: it is asked once.
    tree = scipy.spatial.cKDTree(
        positions, leafsize=24, compact_nodes=False, balanced_tree=False, boxsize=np.full(3, box)
    )
    first, second = tree.query_pairs(linking_length, output_type="ndarray").T
    number = len(positions)
    friends = scipy.sparse.coo_array(
        (np.ones(len(first), np.int8), (first, second)), (number, number)
    )
    return scipy.sparse.csgraph.connected_components(friends, directed=False)[1]


def group_means(
    groups: Int[np.ndarray, "particles"],
    smallest: int,
    positions: Float[np.ndarray, "particles 3"],
    velocities: Float[np.ndarray, "particles 3"],
    box: float,
) -> tuple[Int[np.ndarray, "groups"], Float[np.ndarray, "groups 3"], Float[np.ndarray, "groups 3"]]:
    """Sizes, mean positions and mean velocities of groups, largest first.

    Args:
        groups: number of the group of each particle.
        smallest: number of particles below which a group is left out.
        positions: in ``[0, box)``.
        velocities: in any unit.
        box: side; no group may reach across half of it.
    """
    sizes = np.bincount(groups)
    kept = np.flatnonzero(sizes >= smallest)
    kept = kept[np.argsort(-sizes[kept], kind="stable")]
    place = np.full(len(sizes), -1)
    place[kept] = np.arange(len(kept))
    members = np.flatnonzero(place[groups] >= 0)
    group, sizes = place[groups[members]], sizes[kept]

    def mean(values: Float[np.ndarray, "members 3"]) -> Float[np.ndarray, "groups 3"]:
        sums = [np.bincount(group, column, len(kept)) for column in values.T]
        return np.stack(sums, axis=1) / sizes[:, None]

    _, first = np.unique(group, return_index=True)
    anchors = positions[members[first]]
    offsets = minimum_image(positions[members] - anchors[group], box)
    return sizes, wrap(anchors + mean(offsets), box), mean(velocities[members])
