"""The embedded simulator: linear power, Lagrangian displacement, haloes, suites of them."""

from galgen.simulation.cosmology import Cosmology
from galgen.simulation.recipe import SuiteRecipe
from galgen.simulation.simulator import HaloSimulator

__all__ = ["Cosmology", "HaloSimulator", "SuiteRecipe"]
