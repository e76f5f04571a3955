"""The demo: haloes in a box of 128 Mpc/h for given Omega_m and sigma_8, in minutes on 2 cores.

Paper:   score-based diffusion (Song et al. 2021, arXiv:2011.13456) with noise wrapped on the torus;
         targets averaged over which halo came from which (galgen/generative/objectives/exchange.py)
Command: make demo, or galgen demo
Cost and score: benchmarks/RESULTS.md
"""

from pathlib import Path

from galgen import Bridge, Experiment, Sampler, Trainer
from galgen.data import CatalogueDataset
from galgen.generative import (
    Churn,
    Exchange,
    Heun,
    LogitNormalTimes,
    NoisePrediction,
    ProductPath,
    TorusDiffusion,
    VariancePreserving,
)
from galgen.networks import ParticleMesh

experiment = Experiment(
    data=CatalogueDataset(
        Path("runs/demo_suite.h5"), columns=("x", "y", "z", "log_mass"), buckets=3
    ),
    network=ParticleMesh(),
    model=Bridge(
        # Noise from 64 Mpc/h, which fills the box, to 0.4, an eighth of the closest pairs judged.
        ProductPath((TorusDiffusion(sigma_min=0.003), VariancePreserving()), columns=(3, 1)),
        prediction=NoisePrediction(),
        times=LogitNormalTimes(0.1, 1.2),
        exchange=Exchange(8),
    ),
    sampler=Sampler(Churn(Heun(), 0.5), steps=32),
    trainer=Trainer(steps=3000, batch_size=16, learning_rate=3e-3, ema_decay=0.995),
)
