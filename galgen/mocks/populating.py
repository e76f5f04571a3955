"""Haloes become galaxies: centrals at rest in the middle, satellites on the halo's profile.

The number of galaxies is that of :mod:`galgen.mocks.occupation`; where satellites are and how fast
they move is in :mod:`galgen.mocks.halo_profile`. Every draw has its own generator: a change of the
velocity bias moves no galaxy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.mocks.halo_profile import (
    circular_velocity,
    concentration,
    radius_of_fraction,
    velocity_dispersion,
    virial_radius,
)
from galgen.mocks.occupation import HaloOccupation
from galgen.periodic import wrap
from galgen.randomness import Role, random_generator
from galgen.serialization import to_json


def populate(haloes: Catalogue, occupation: HaloOccupation, seed: int) -> Catalogue:
    """Galaxies in haloes: columns x y z, vx vy vz, halo_mass, central, halo.

    Galaxies of haloes lighter than the lightest of the catalogue are not there.

    ``halo`` is the row of the halo, ``halo_mass`` its mass. Centrals come first. Haloes without
    velocities give galaxies without. In a periodic box satellites are wrapped into it; those that
    leave an open box are lost.

    Args:
        haloes: with the column ``mass`` in Msun/h (200 times the mean matter) and ``omega_m``.
        occupation: how many galaxies of which mass.
        seed: the same one gives the same galaxies.

    Raises:
        InputError: no mass, masses that are logarithms, no omega_m, or a seed below zero.
    """
    mass, omega_m = _masses(haloes), _omega_m(haloes)
    roles = Role.CENTRALS, Role.SATELLITES, Role.PLACES, Role.MOTIONS
    centrals, numbers, places, motions = (random_generator(role, seed) for role in roles)
    hosts = np.flatnonzero(centrals.random(len(mass)) < occupation.mean_centrals(mass))
    satellites = np.repeat(hosts, numbers.poisson(occupation.satellites_per_central(mass[hosts])))
    halo = np.concatenate([hosts, satellites])
    central = np.arange(len(halo)) < len(hosts)
    scaled = np.zeros(len(halo))
    concentrations = concentration(mass[halo], haloes.redshift)
    scaled[~central] = radius_of_fraction(places.random(len(satellites)), concentrations[~central])
    offset = (scaled * virial_radius(mass[halo], omega_m))[:, None] * _directions(places, len(halo))
    columns = dict(zip(POSITIONS, (haloes.positions[halo] + offset).T, strict=True))
    if all(name in haloes.columns for name in VELOCITIES):
        dispersion = velocity_dispersion(
            scaled, mass[halo], concentrations, omega_m, haloes.redshift
        )
        # Of the whole halo, G M / 2 R, as for a singular isothermal sphere.
        of_halo = circular_velocity(mass[halo], omega_m, haloes.redshift) / np.sqrt(2.0)
        spread = np.where(
            central,
            occupation.central_velocity_bias * of_halo,
            occupation.satellite_velocity_bias * dispersion,
        )
        moving = haloes.velocities[halo] + spread[:, None] * motions.normal(size=(len(halo), 3))
        columns |= dict(zip(VELOCITIES, moving.T, strict=True))
    columns |= {"halo_mass": mass[halo], "central": central, "halo": halo}
    return _galaxies(haloes, columns, occupation, seed)


def _galaxies(
    haloes: Catalogue, columns: Mapping[str, np.ndarray], occupation: HaloOccupation, seed: int
) -> Catalogue:
    """The catalogue, its positions inside the box."""
    inside = np.ones(len(columns["halo"]), bool)
    wrapped = dict(columns)
    for name, side in zip(POSITIONS, haloes.box, strict=True):
        if haloes.periodic:
            wrapped[name] = wrap(columns[name], side)
        else:
            inside &= (columns[name] >= 0) & (columns[name] < side)
    return Catalogue(
        columns={name: values[inside] for name, values in wrapped.items()},
        box=haloes.box,
        redshift=haloes.redshift,
        cosmology=haloes.cosmology,
        periodic=haloes.periodic,
        units={"halo_mass": "Msun/h"},
        provenance={
            **haloes.provenance,
            "occupation": json.dumps(to_json(occupation)),
            "occupation seed": str(seed),
        },
    )


def _masses(haloes: Catalogue) -> Float[np.ndarray, "haloes"]:
    mass = np.asarray(haloes.column("mass"), np.float64)
    if len(mass) and mass.min() < 1e5:
        raise InputError(
            f"expected halo masses in Msun/h, got {mass.min():g}; pass 10**mass if they are "
            "logarithms"
        )
    return mass


def _omega_m(haloes: Catalogue) -> float:
    if "omega_m" not in haloes.cosmology:
        raise InputError(
            f"expected omega_m in the catalogue's cosmology for the radii of its haloes, got "
            f"{list(haloes.cosmology) or 'none'}; add it with catalogue.replace(cosmology=...)"
        )
    return haloes.cosmology["omega_m"]


def _directions(generator: np.random.Generator, number: int) -> Float[np.ndarray, "number 3"]:
    """Unit vectors, even on the sphere."""
    height = generator.uniform(-1.0, 1.0, number)
    angle = generator.uniform(0.0, 2.0 * np.pi, number)
    across = np.sqrt(1.0 - height**2)
    return np.stack([across * np.cos(angle), across * np.sin(angle), height], axis=-1)
