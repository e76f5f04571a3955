"""Sub-boxes cut from a survey or a large simulation: open boxes, unconditional.

Paper:   Lipman et al. 2022, arXiv:2210.02747 (flow matching), from points uniform in the box
Data:    python -m data_prep survey galaxies.fits --cut 40 -o sub_boxes.h5
Command: galgen train sub_boxes --data.path sub_boxes.h5 --run runs/survey
         galgen validate runs/survey
Cost and score on SDSS DR7: benchmarks/RESULTS.md
"""

from pathlib import Path

from galgen import Bridge, Experiment, Sampler, Trainer
from galgen.data import CatalogueDataset
from galgen.generative import LinearPath, OptimalAssignment, Uniform
from galgen.networks import Euclidean, ParticleMesh

experiment = Experiment(
    # Redshift space in a survey points from the observer, in another direction in each sub-box:
    # the symmetries of the cube hold for the ensemble.
    data=CatalogueDataset(Path("sub_boxes.h5"), columns=("x", "y", "z"), condition=()),
    network=ParticleMesh(geometry=Euclidean()),
    model=Bridge(LinearPath(Uniform()), coupling=OptimalAssignment()),
    sampler=Sampler(steps=12),
    trainer=Trainer(steps=600, batch_size=16, learning_rate=2e-3),
)
