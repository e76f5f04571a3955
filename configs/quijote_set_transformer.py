"""The predecessor's set-up with a set transformer: the 5,000 heaviest haloes in 1 Gpc/h.

Paper:   Cuesta-Lazaro and Mishra-Sharma 2023, arXiv:2311.17141, with the noise wrapped on the
         torus and their blur of 0.3 Mpc/h
Data:    galgen simulate --output quijote_like.h5 --simulator.box 1000 --simulator.mesh 192 \
         --simulator.mass-min None --simulator.number-max 5000 --omega-m 0.1 0.5 --sigma-8 0.6 1.0
         --train 1800 --test 200, or Quijote's own catalogues through data_prep
Command: galgen train quijote_set_transformer --data.path quijote_like.h5
Cost:    not yet trained to the end: days on 2 cores, so a run for an accelerator.
"""

from pathlib import Path

from galgen import Bridge, Experiment, Sampler, Trainer
from galgen.data import CatalogueDataset
from galgen.generative import Churn, Exchange, Heun, NoisePrediction, TorusDiffusion
from galgen.networks import SetTransformer

experiment = Experiment(
    data=CatalogueDataset(Path("quijote_like.h5"), columns=("x", "y", "z"), buckets=1),
    network=SetTransformer(width=256, layers=6, heads=4),
    model=Bridge(
        TorusDiffusion(sigma_min=3e-4), prediction=NoisePrediction(), exchange=Exchange(16)
    ),
    sampler=Sampler(Churn(Heun(), 0.5), steps=64),
    trainer=Trainer(steps=300_000, batch_size=16, learning_rate=3e-4, ema_decay=0.9999),
)
