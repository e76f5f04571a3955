"""Flow matching from a Gaussian to eight Gaussians in the plane.

Paper:   Lipman et al. 2022, arXiv:2210.02747 (flow matching); arXiv:2302.00482 (the task)
Command: galgen train toy_2d --run runs/toy; galgen sample runs/toy --number 2000
"""

from galgen import Bridge, Experiment, Sampler, Trainer
from galgen.data import EightGaussians, ToyDataset
from galgen.generative import LinearPath
from galgen.networks import MLP

experiment = Experiment(
    data=ToyDataset(EightGaussians()),
    network=MLP(width=128, layers=3),
    model=Bridge(LinearPath()),
    sampler=Sampler(steps=50),
    trainer=Trainer(steps=3000, batch_size=512, learning_rate=2e-3, checkpoint_every=1000),
)
