"""A variance-preserving diffusion of handwritten digits, conditioned on the digit.

Paper:   Ho, Jain and Abbeel 2020, arXiv:2006.11239; Kingma et al. 2021, arXiv:2107.00630
Data:    MNIST, downloaded and verified at first use; --data.path FOLDER for local files
Command: galgen train configs/digits.py --run runs/digits
         galgen sample runs/digits --number 100
"""

from galgen.data.dataset import DigitDataset
from galgen.experiment import Experiment
from galgen.generative import Bridge, NoisePrediction, Sampler, VariancePreserving
from galgen.networks import ConvolutionalNetwork
from galgen.training import Trainer

experiment = Experiment(
    data=DigitDataset(),
    network=ConvolutionalNetwork(widths=(24, 48, 64)),
    bridge=Bridge(VariancePreserving(), prediction=NoisePrediction()),
    sampler=Sampler(steps=40),
    trainer=Trainer(steps=2000, batch_size=64, learning_rate=2e-3, ema_decay=0.995),
)
