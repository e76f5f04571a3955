from galgen import data as data
from galgen import generative as generative
from galgen import inference as inference
from galgen import lagrangian as lagrangian
from galgen import measurements as measurements
from galgen import mocks as mocks
from galgen import networks as networks
from galgen import simulation as simulation
from galgen import statistics as statistics
from galgen import training as training
from galgen import validation as validation
from galgen.configuration import load_config as load_config
from galgen.data.catalogue import Catalogue as Catalogue
from galgen.data.catalogue_io import read_catalogue as read_catalogue
from galgen.data.catalogue_io import write_catalogue as write_catalogue
from galgen.data.suite import Suite as Suite
from galgen.data.suite_writing import write_suite as write_suite
from galgen.drawing import sample as sample
from galgen.errors import InputError as InputError
from galgen.experiment import Experiment as Experiment
from galgen.generative.models.bridge import Bridge as Bridge
from galgen.generative.sampling.sampler import Sampler as Sampler
from galgen.inference.posteriors import infer as infer
from galgen.mocks.populating import populate as populate
from galgen.mocks.sky_catalogue_files import write_sky_catalogue as write_sky_catalogue
from galgen.mocks.survey import Survey as Survey
from galgen.run import Run as Run
from galgen.simulation.cosmology import Cosmology as Cosmology
from galgen.simulation.particle_mesh_simulator import (
    ParticleMeshSimulator as ParticleMeshSimulator,
)
from galgen.simulation.recipe import SuiteRecipe as SuiteRecipe
from galgen.simulation.simulator import HaloSimulator as HaloSimulator
from galgen.simulation.suite_file import simulate as simulate
from galgen.statistics.fourier import power_spectrum as power_spectrum
from galgen.statistics.pairs import two_point_correlation as two_point_correlation
from galgen.training.trainer import Trainer as Trainer
from galgen.trajectory import sample_trajectory as sample_trajectory
from galgen.validation.comparison import compare as compare
from galgen.validation.report.report import write_report as write_report

__version__: str
