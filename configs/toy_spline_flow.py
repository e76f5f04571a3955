"""A neural spline flow of the checkerboard, trained by likelihood.

Paper:   Durkan et al. 2019, arXiv:1906.04032
Command: galgen train toy_spline_flow --run runs/spline
         galgen sample runs/spline --number 2000
Cost:    about 35 CPU-seconds of training
Score:   0.09 nats above the entropy, ln 32 (benchmarks/normalizing_flows.py)
"""

from galgen import Experiment, Trainer
from galgen.data import Checkerboard, ToyDataset
from galgen.generative import FlowSampler, MaximumLikelihood, RationalQuadraticSpline, coupling_flow

experiment = Experiment(
    data=ToyDataset(Checkerboard()),
    network=coupling_flow(RationalQuadraticSpline(), layers=6),
    model=MaximumLikelihood(),
    sampler=FlowSampler(),
    trainer=Trainer(steps=3000, batch_size=512, learning_rate=2e-3, checkpoint_every=1000),
)
