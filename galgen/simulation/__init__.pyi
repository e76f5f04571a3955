from galgen.simulation.cosmology import Cosmology as Cosmology
from galgen.simulation.engine import Simulator as Simulator
from galgen.simulation.linear_power import LinearPower as LinearPower
from galgen.simulation.particle_mesh_simulator import (
    ParticleMeshSimulator as ParticleMeshSimulator,
)
from galgen.simulation.phases import SeededField as SeededField
from galgen.simulation.phases import linear_field as linear_field
from galgen.simulation.recipe import SuiteRecipe as SuiteRecipe
from galgen.simulation.simulator import HaloSimulator as HaloSimulator
from galgen.simulation.suite import latin_hypercube as latin_hypercube
from galgen.simulation.suite import simulate_suite as simulate_suite
from galgen.simulation.suite_file import linear_field_of as linear_field_of
from galgen.simulation.suite_file import simulate as simulate
