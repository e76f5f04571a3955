"""Bridges between a base and the data: paths, couplings, predictions, losses and samplers."""

from galgen.generative.bridge import Bridge, Denoiser
from galgen.generative.coupling import Coupling, Independent, OptimalAssignment
from galgen.generative.exchange import Exchange
from galgen.generative.path import AffinePath, LinearPath, Path, VariancePreserving
from galgen.generative.prediction import (
    DataPrediction,
    NoisePrediction,
    Prediction,
    VelocityPrediction,
)
from galgen.generative.product_path import ProductPath
from galgen.generative.sampler import Churn, Euler, Flow, Heun, Sampler, Samples, Step
from galgen.generative.times import LogitNormalTimes, Times, UniformTimes
from galgen.generative.torus import TorusDiffusion, TorusGeodesic

__all__ = [
    "AffinePath",
    "Bridge",
    "Churn",
    "Coupling",
    "DataPrediction",
    "Denoiser",
    "Euler",
    "Exchange",
    "Flow",
    "Heun",
    "Independent",
    "LinearPath",
    "LogitNormalTimes",
    "NoisePrediction",
    "OptimalAssignment",
    "Path",
    "Prediction",
    "ProductPath",
    "Sampler",
    "Samples",
    "Step",
    "Times",
    "TorusDiffusion",
    "TorusGeodesic",
    "UniformTimes",
    "VariancePreserving",
    "VelocityPrediction",
]
