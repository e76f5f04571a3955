"""A run in a notebook: drawing again compiles nothing anew."""

import dataclasses
from pathlib import Path

import numpy as np

from galgen.data.dataset import ToyDataset
from galgen.data.toys import EightGaussians
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath, Sampler
from galgen.networks import MLP
from galgen.run import Run
from galgen.training import Trainer
from galgen.trajectory import sample_trajectory


def test_drawing_again_does_not_compile_again(tmp_path: Path) -> None:
    experiment = Experiment(
        data=ToyDataset(EightGaussians(), 64),
        network=MLP(width=8, layers=1),
        model=Bridge(LinearPath()),
        sampler=Sampler(steps=2),
        trainer=Trainer(steps=2, batch_size=8, warmup=1),
    )
    run = experiment.train(tmp_path / "run")
    traced = []

    class Counted(Sampler):
        def __call__(self, *arguments, **options):
            traced.append(1)
            return super().__call__(*arguments, **options)

    counted = dataclasses.replace(
        run, experiment=dataclasses.replace(experiment, sampler=Counted())
    )
    one, two = (counted.sample([{}] * 4, seed=seed) for seed in (1, 2))
    assert len(traced) == 1 and not np.array_equal(one, two)
    assert np.array_equal(one, counted.sample([{}] * 4, seed=1))
    counted.sample([{}] * 6, seed=1)
    assert len(traced) == 2, "another shape"
    assert counted == dataclasses.replace(counted), "what was compiled is no part of the run"
    assert isinstance(Run.load(tmp_path / "run"), Run)
    states = sample_trajectory(run, [{}] * 4, seed=1)
    assert len(states) == 3 and np.array_equal(states[-1], run.sample([{}] * 4, seed=1))
    assert not np.array_equal(states[0], states[1])
