"""Births: haloes appear one after another, and how many comes out by itself; positions only.

Paper:   Luedke et al. 2023, arXiv:2311.01139; 2024, arXiv:2410.22493 (thinning of point sets)
Data:    the suite of galgen demo, or of galgen simulate --output runs/demo_suite.h5
Command: galgen train births_haloes --run runs/births
Score:   not measured yet; tests hold the family to processes in closed form (docs/generative.md)
"""

from pathlib import Path

from galgen import Experiment, Trainer
from galgen.data import CatalogueDataset
from galgen.generative import Births, BirthSampler
from galgen.networks import MeshRate

experiment = Experiment(
    data=CatalogueDataset(Path("runs/demo_suite.h5"), columns=("x", "y", "z"), buckets=3),
    network=MeshRate(mesh=32),
    model=Births(),
    sampler=BirthSampler(steps=32),
    trainer=Trainer(steps=1500, batch_size=4, learning_rate=3e-3, ema_decay=0.995),
)
