"""The posterior of Omega_m and sigma_8 from haloes of the demo's suite, by whole catalogues.

Paper:   neural posterior estimation (Papamakarios and Murray 2016, arXiv:1605.06376) by a spline
         flow (Durkan et al. 2019, arXiv:1906.04032) of what a pooled particle-mesh network sees
Data:    galgen simulate --output runs/demo_suite.h5, which galgen demo does too
Command: galgen train posterior_haloes --run runs/posterior
         galgen infer runs/posterior runs/demo_suite.h5
Cost and score: not measured yet
"""

from pathlib import Path

from galgen import Experiment, Trainer
from galgen.data import CatalogueDataset
from galgen.inference import NeuralPosterior
from galgen.networks import ParticleMesh, PooledNetwork

experiment = Experiment(
    data=CatalogueDataset(
        Path("runs/demo_suite.h5"),
        columns=("x", "y", "z", "log_mass"),
        buckets=3,
        # The prior that the suite was drawn from: no draw of a posterior leaves it.
        bounds=((0.2, 0.4), (0.7, 0.9)),
    ),
    network=PooledNetwork(ParticleMesh(width=48, layers=2)),
    model=NeuralPosterior(),
    trainer=Trainer(steps=2000, batch_size=16, learning_rate=1e-3, ema_decay=0.995),
)
