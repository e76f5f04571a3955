"""What linear theory expects of haloes, written apart from galgen's simulator.

The bias is equation 6 and table 2 of Tinker et al. (2010, ApJ 724, 878) for Delta = 200 times the
mean; Kaiser's factors are those of Kaiser (1987, MNRAS 227, 1).
"""

import numpy as np
from scipy.spatial import cKDTree

from galgen.simulation.mass_function import TinkerMassFunction


def tinker_bias(power, masses):
    """b(M) at the redshift of ``power``."""
    density = power.cosmology.mean_matter_density
    radii = (3.0 * masses / (4.0 * np.pi * density)) ** (1.0 / 3.0)
    nu = 1.686 / power.sigma(radii)
    y = np.log10(200.0)
    amplitude = 1.0 + 0.24 * y * np.exp(-((4.0 / y) ** 4))
    a = 0.44 * y - 0.88
    c = 0.019 + 0.107 * y + 0.19 * np.exp(-((4.0 / y) ** 4))
    return 1.0 - amplitude * nu**a / (nu**a + 1.686**a) + 0.183 * nu**1.5 + c * nu**2.4


def mean_bias(power, mass_min):
    """Bias of all haloes above a mass, each counted once."""
    masses, density = TinkerMassFunction(power).table
    used = masses >= mass_min
    return np.average(tinker_bias(power, masses[used]), weights=density[used])


def kaiser_factors(growth_rate, bias):
    """P_0 and P_2 in redshift space over P in real space."""
    beta = growth_rate / bias
    return 1.0 + 2.0 * beta / 3.0 + beta**2 / 5.0, 4.0 * beta / 3.0 + 4.0 * beta**2 / 7.0


def linear_correlation(power, edges):
    """Linear xi averaged over shells."""
    r = np.linspace(edges[:-1], edges[1:], 9)
    k = np.geomspace(1e-4, 20.0, 8000)
    weight = k**3 * power(k) * np.exp(-((0.5 * k) ** 2)) * np.log(k[1] / k[0]) / (2.0 * np.pi**2)
    xi = np.sinc(k * r[..., None] / np.pi) @ weight
    return np.sum(xi * r**2, axis=0) / np.sum(r**2, axis=0)


def correlation(positions, box, edges):
    """xi in shells, from pair counts in a periodic box."""
    tree = cKDTree(positions, boxsize=box)
    pairs = np.diff(tree.count_neighbors(tree, edges).astype(float))
    number = len(positions)
    random = number * (number - 1) / box**3 * 4.0 / 3.0 * np.pi * np.diff(edges**3)
    return pairs / random - 1.0
