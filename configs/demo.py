"""The demo: haloes in a box of 128 Mpc/h for given Omega_m and sigma_8, in minutes on 2 cores.

Paper:   Chen and Lipman 2023, arXiv:2302.03660 (flow matching on the torus); the coupling is
         optimal transport within each cloud
Command: make demo, or galgen demo
Cost and score: benchmarks/RESULTS.md
"""

from pathlib import Path

from galgen.data.dataset import CatalogueDataset
from galgen.experiment import Experiment
from galgen.generative import (
    Bridge,
    LinearPath,
    OptimalAssignment,
    ProductPath,
    Sampler,
    TorusGeodesic,
)
from galgen.networks import ParticleMesh
from galgen.training import Trainer

experiment = Experiment(
    data=CatalogueDataset(Path("runs/demo_suite.h5"), columns=("x", "y", "z", "log_mass")),
    network=ParticleMesh(),
    bridge=Bridge(
        ProductPath((TorusGeodesic(), LinearPath()), columns=(3, 1)),
        coupling=OptimalAssignment(),
    ),
    sampler=Sampler(steps=12),
    trainer=Trainer(steps=1000, batch_size=16, learning_rate=2e-3),
)
