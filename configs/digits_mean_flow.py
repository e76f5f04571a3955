"""Handwritten digits in one to four network evaluations, guidance trained in.

Paper:   Geng et al. 2025, arXiv:2505.13447
Data:    MNIST, downloaded and verified at first use; --data.path FOLDER for local files
Command: galgen train digits_mean_flow --run runs/jumps
         galgen sample runs/jumps --number 100
Cost:    about 40 CPU-minutes of training
Score:   not measured yet (benchmarks/digits.py --jumps)
"""

from galgen import Experiment, Trainer
from galgen.data import DigitDataset
from galgen.generative import LinearPath, LogitNormalTimes, MeanFlow, MeanFlowSampler
from galgen.networks import ConvolutionalNetwork

experiment = Experiment(
    data=DigitDataset(),
    network=ConvolutionalNetwork(widths=(24, 48, 64)),
    model=MeanFlow(LinearPath(), times=LogitNormalTimes(), guidance=2.0, condition_dropout=0.1),
    sampler=MeanFlowSampler(steps=2),
    trainer=Trainer(steps=1500, batch_size=64, learning_rate=2e-3, ema_decay=0.995),
)
