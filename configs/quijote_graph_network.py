"""The predecessor's set-up with a graph network: the 5,000 heaviest haloes in 1 Gpc/h.

Paper:   Cuesta-Lazaro and Mishra-Sharma 2023, arXiv:2311.17141, on a torus instead of R^3 and by
         flow matching instead of a variational diffusion
Data:    galgen simulate --output quijote_like.h5 --simulator.box 1000 --simulator.mesh 192 \
         --simulator.mass-min None --simulator.number-max 5000 --omega-m 0.1 0.5 --sigma-8 0.6 1.0
         --train 1800 --test 200, or Quijote's own catalogues through data_prep
Command: galgen train configs/quijote_graph_network.py --data.path quijote_like.h5
Cost:    not yet trained to the end: days on 2 cores, so a run for an accelerator. The coupling is
         independent: an exact assignment of 5,000 points takes seconds per cloud.
"""

from pathlib import Path

from galgen.data.dataset import CatalogueDataset
from galgen.experiment import Experiment
from galgen.generative import Bridge, Sampler, TorusGeodesic
from galgen.networks import GraphNetwork
from galgen.training import Trainer

experiment = Experiment(
    data=CatalogueDataset(Path("quijote_like.h5"), columns=("x", "y", "z"), buckets=1),
    network=GraphNetwork(width=128, layers=4, k=20),
    bridge=Bridge(TorusGeodesic()),
    sampler=Sampler(steps=50),
    trainer=Trainer(steps=300_000, batch_size=16, learning_rate=3e-4, ema_decay=0.9999),
)
