import dataclasses
import json
import math
from pathlib import Path

import pytest
import tyro

from galgen.configuration import load_config
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.generative import (
    DDIM,
    AdaptiveSampler,
    AdaptiveSteps,
    BisectionAssignment,
    Bridge,
    ContinuousFlow,
    CosineSchedule,
    DPMSolver,
    FixedSteps,
    GaussianMixture,
    Guidance,
    Hutchinson,
    Likelihood,
    LinearPath,
    LogSNRTimes,
    MeanFlow,
    MinibatchTransport,
    NoisePrediction,
    PreconditionedPrediction,
    ProductPath,
    Sampler,
    ScorePrediction,
    SigmoidWeighting,
    StochasticInterpolant,
    TorusDiffusion,
    TorusGeodesic,
    TrigonometricPath,
    Uniform,
    VariancePreserving,
    VariationalDiffusion,
)
from galgen.serialization import from_json, read_json, to_json, write_json

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.stem)
def test_every_configuration_reads_back_equal(config: Path, tmp_path: Path) -> None:
    experiment = load_config(config)
    write_json(tmp_path / "experiment.json", experiment)
    assert read_json(tmp_path / "experiment.json") == experiment
    assert sorted(p.name for p in tmp_path.iterdir()) == ["experiment.json"]


TORUS, VARIANCE = TorusDiffusion(), VariancePreserving(CosineSchedule())
CHOICES = {
    "paths": ProductPath((TorusGeodesic(), TrigonometricPath()), (3, 1)),
    "interpolant": Bridge(StochasticInterpolant(GaussianMixture.circle())),
    "open box": Bridge(LinearPath(Uniform()), BisectionAssignment()),
    "classes": Bridge(LinearPath(), MinibatchTransport(math.inf), condition_dropout=0.1),
    "preconditioned": Bridge(VARIANCE, prediction=PreconditionedPrediction()),
    "weighted": Bridge(TORUS, prediction=ScorePrediction(), weighting=SigmoidWeighting()),
    "guided": Sampler(DPMSolver(), 8, guidance=Guidance(2.0, (0.1, 0.9))),
    "ancestral": Sampler(DDIM(1.0)),
    "adaptive": AdaptiveSampler(AdaptiveSteps(1e-3, 1e-3)),
    "likelihood": Likelihood(Hutchinson(4), FixedSteps(8)),
    "bound": VariationalDiffusion(
        Bridge(VARIANCE, prediction=NoisePrediction()), LogSNRTimes(VARIANCE)
    ),
    "trained by likelihood": ContinuousFlow(Bridge(LinearPath())),
    "jumps": MeanFlow(LinearPath()),
}


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_every_choice_of_a_model_reads_back_equal(choice) -> None:
    assert from_json(json.loads(json.dumps(to_json(choice)))) == choice


def test_an_experiment_may_sample_in_adaptive_steps(tmp_path: Path) -> None:
    experiment = load_config(CONFIGS[0])
    experiment = dataclasses.replace(experiment, sampler=CHOICES["adaptive"])
    write_json(tmp_path / "experiment.json", experiment)
    assert read_json(tmp_path / "experiment.json") == experiment
    arguments = ["--sampler.solver.rtol", "1e-2"]
    overridden = tyro.cli(Experiment, args=arguments, default=experiment)
    assert overridden.sampler == AdaptiveSampler(AdaptiveSteps(1e-2, 1e-3))


def test_only_classes_of_galgen_are_rebuilt() -> None:
    with pytest.raises(InputError, match=r"expected a class of galgen, got 'os\.system'"):
        from_json({"type": "os.system", "command": "true"})
    with pytest.raises(InputError, match="expected a configuration class"):
        from_json({"type": "galgen.geometry.wrap", "x": 1})
    with pytest.raises(InputError, match="this version of galgen"):
        from_json({"type": "galgen.networks.mlp.Gone"})
    with pytest.raises(InputError, match="expected fields of this version"):
        from_json({"type": "galgen.networks.mlp.MLP", "height": 3})


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(to_json((1, 2)))[:-1])
    with pytest.raises(InputError, match="the file is damaged"):
        read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match="run galgen train first"):
        read_json(tmp_path / "y.json")
    with pytest.raises(TypeError, match="expected dataclasses of plain values"):
        to_json(object())
