"""The tutorial on galaxies, with a few steps of training."""

import dataclasses

import numpy as np
import pytest
from notebook_runs import NOTEBOOKS, run
from PIL import Image

from galgen.configuration import load_config
from galgen.generative import NoisePrediction, VelocityPrediction
from galgen.networks import ParticleMesh

CONFIG = NOTEBOOKS.parent / "configs/demo.py"
SMALL = ParticleMesh(width=8, layers=1)


class InPlaceOfNoise(VelocityPrediction):
    """What the notebook gets where it asks for NoisePrediction, and by no other name."""


@pytest.mark.slow
def test_galaxies_from_noise(monkeypatch) -> None:
    monkeypatch.setenv("GALGEN_STEPS", "2")
    # Compilation is what takes the time: a small network. It has hardly learned, and of a noise of
    # zero would make masses without bounds; a velocity of zero leaves them what they are.
    monkeypatch.setattr("galgen.networks.ParticleMesh", lambda: SMALL)
    monkeypatch.setattr("galgen.generative.NoisePrediction", InPlaceOfNoise)
    names = run("04_galaxies_from_noise")
    experiment, demo = names["experiment"], load_config(CONFIG)
    assert experiment.sampler == demo.sampler
    assert demo.model.prediction == NoisePrediction()
    model = dataclasses.replace(demo.model, prediction=InPlaceOfNoise())
    assert experiment.model == model, "what is spelled out is the configuration of the demo"
    held_out, generated = names["held_out"], names["generated"]
    assert {name: len(members) for name, members in generated.items()} == {
        name: len(members) for name, members in held_out.items()
    }
    assert all(
        drawn.cosmology == true.cosmology
        for drawn, true in zip(generated["test"], held_out["test"], strict=True)
    )
    states = names["states"]
    assert len({len(state) for state in states}) == 1, "no halo is lost on the way"
    assert np.any(states[0].positions != states[-1].positions)
    with Image.open(names["folder"] / "journey.gif") as film:
        assert film.n_frames == len(states)
    assert names["comparison"].contrast == ("low", "high")
