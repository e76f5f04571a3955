"""Boxes to observe: points without clustering, and families of them that move."""

import numpy as np

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue

COSMOLOGY = {"omega_m": 0.3, "sigma_8": 0.8, "h": 0.7}


def box_of(positions, velocities=None, side=100.0, redshift=0.0, periodic=True, **columns):
    """A catalogue of given positions, wrapped into a box; ``side`` is one number or three."""
    sides = np.broadcast_to(np.asarray(side, float), 3)
    place = np.mod(positions, sides)
    place = np.where(place >= sides, 0.0, place)
    every = dict(zip(POSITIONS, place.T, strict=True))
    if velocities is not None:
        every |= dict(zip(VELOCITIES, velocities.T, strict=True))
    return Catalogue(every | columns, tuple(sides.tolist()), redshift, COSMOLOGY, periodic)


def uniform_box(number, side=100.0, seed=0, redshift=0.0, speed=300.0, **columns):
    """Points without clustering, Gaussian velocities of ``speed`` km/s per axis."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1, (number, 3)) * side
    return box_of(places, rng.normal(0, speed, (number, 3)), side, redshift, **columns)


def thomas_box(seed, side=160.0, parents=700, members=5.0, width=4.0, redshift=0.5, speed=350.0):
    """A Thomas process; members have random velocities about that of their parent."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, side, (parents, 3))
    family = np.repeat(np.arange(parents), rng.poisson(members, parents))
    places = centres[family] + rng.normal(0, width, (len(family), 3))
    velocities = rng.normal(0, speed, (parents, 3))[family]
    velocities = velocities + rng.normal(0, speed, (len(family), 3))
    return box_of(places, velocities, side, redshift)
