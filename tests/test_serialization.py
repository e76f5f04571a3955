import dataclasses
import json
import math
import sys
from pathlib import Path

import pytest
import tyro

from galgen.checked import visible_fields
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
from galgen.public_types import (
    ALIASES,
    FIELD_ALIASES,
    GONE,
    GONE_FIELDS,
    MODULES,
    public_class,
    public_name,
)
from galgen.serialization import FORMAT, from_json, read_json, to_json, write_json
from galgen.training import Trainer

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
    experiment = load_config("demo")
    experiment = dataclasses.replace(experiment, sampler=CHOICES["adaptive"])
    write_json(tmp_path / "experiment.json", experiment)
    assert read_json(tmp_path / "experiment.json") == experiment
    arguments = ["--sampler.solver.rtol", "1e-2"]
    overridden = tyro.cli(Experiment, args=arguments, default=experiment)
    assert overridden.sampler == AdaptiveSampler(AdaptiveSteps(1e-2, 1e-3))


def test_files_say_their_format_and_a_newer_one_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "experiment.json"
    write_json(path, Trainer(steps=7))
    value = json.loads(path.read_text())
    assert list(value)[:2] == ["format", "type"] and value["format"] == FORMAT
    path.write_text(json.dumps({"type": "Trainer", "steps": 7}))
    assert read_json(path) == Trainer(steps=7), "a file of before there was a format"
    for found, words in (
        (FORMAT + 1, rf"experiment.json.* got format {FORMAT + 1} of a newer galgen; upgrade"),
        (0, "a whole number as format, got 0; the file is damaged"),
        (True, "a whole number as format, got True"),
        ("1", "a whole number as format, got '1'"),
    ):
        path.write_text(json.dumps({**value, "format": found, "type": "OfTheFuture"}))
        with pytest.raises(InputError, match=words) as caught:
            read_json(path)
        assert "\n" not in str(caught.value)


@dataclasses.dataclass(frozen=True)
class Named:
    """Has a field that the file needs for itself."""

    format: str = "short"


def test_no_class_hides_the_format_of_its_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"without a field 'format', got .*Named; rename"):
        write_json(tmp_path / "named.json", Named())
    assert not any(tmp_path.iterdir())


def test_every_public_class_is_imported_by_its_name() -> None:
    for name in MODULES:
        kind = public_class(name)
        assert dataclasses.is_dataclass(kind) and public_name(kind) == name
        assert "format" not in {field.name for field in dataclasses.fields(kind)}


GIVEN = (Path(__file__).parent / "saved" / "public_names.txt").read_text().split()


def test_every_name_once_given_is_read() -> None:
    """``public_names.txt`` only grows: a class as it was saved, and its fields after a dot."""
    for given in GIVEN:
        name, _, field = given.partition(".")
        if name in GONE:
            assert from_json({"type": name}) is None
            continue
        kind = public_class(name)
        if field:
            if field in GONE_FIELDS.get(kind.__name__, ()):
                continue
            now = FIELD_ALIASES.get(kind.__name__, {}).get(field, field)
            assert now in {known.name for known in visible_fields(kind)}, given
    written = set(MODULES)
    for name in MODULES:
        written |= {f"{name}.{field.name}" for field in visible_fields(public_class(name))}
    assert written <= set(GIVEN), "add the new names to public_names.txt"


def test_fields_that_are_gone_are_left_out() -> None:
    model = VariationalDiffusion(Bridge(VariancePreserving()), draws=8)
    saved = to_json(model)
    assert from_json({**saved, "shared": True}) == model
    for name, fields in GONE_FIELDS.items():
        known = {field.name for field in visible_fields(public_class(name))}
        assert known.isdisjoint(fields)


def test_aliases_lead_to_what_there_is() -> None:
    assert all(alias not in MODULES and name in MODULES for alias, name in ALIASES.items())
    for name, fields in FIELD_ALIASES.items():
        known = {field.name for field in visible_fields(public_class(name))}
        assert known.isdisjoint(fields) and known.issuperset(fields.values())


REFUSED = {
    "a function": ({"type": "os.system", "command": "true"}, "class of this version"),
    "the command line": ({"type": "galgen.__main__.sys"}, "class of this version"),
    "a function of galgen": ({"type": "galgen.geometry.wrap", "x": 1}, "class of this version"),
    "a private class": ({"type": "galgen.publishing.Publication", "path": "x"}, "this version"),
    "a class that is gone": ({"type": "galgen.networks.mlp.Gone"}, "class of this version"),
    "another module's": ({"type": "evil.Trainer"}, "class of this version"),
    "no name": ({"type": ["Trainer"]}, "the name of a class"),
    "an extra field": ({"type": "MLP", "height": 3}, "fields of this version .*height"),
    "a hidden field": ({"type": "MLP", "parent": None}, "fields of this version .*parent"),
    "a missing field": ({"type": "Bridge"}, "fields of this version .*path"),
    "a wrong field": ({"type": "Trainer", "steps": "many"}, "steps of Trainer"),
    "a wrong class": ({"type": "Bridge", "path": {"type": "Trainer"}}, "path of Bridge"),
    "no path": ({"type": "path", "value": 3}, "a path as one text"),
    "a path with NUL": ({"type": "path", "value": "a\0b"}, "a path as one text"),
}


@pytest.mark.parametrize(("value", "words"), REFUSED.values(), ids=REFUSED)
def test_only_whole_classes_of_the_list_are_rebuilt(value, words) -> None:
    loaded = set(sys.modules)
    with pytest.raises(InputError, match=words):
        from_json(value)
    assert not {name for name in set(sys.modules) - loaded if "__main__" in name or "evil" in name}


def test_a_class_is_found_by_its_public_name_and_by_its_full_one() -> None:
    for name in ("Trainer", "galgen.training.trainer.Trainer", "galgen.of.old.Trainer"):
        assert from_json({"type": name, "steps": 7}) == Trainer(steps=7)
    assert to_json(Trainer())["type"] == "Trainer"


OWN = """
import dataclasses
import flax.linen as nn

class Mine(nn.Module):
    width: int = 3
    def __call__(self, x, t, mask=None, condition=None):
        return x

function = print
"""


def test_classes_of_others_are_imported_on_the_users_word_alone(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_networks.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    value = {"type": "my_networks.Mine", "width": 5}
    with pytest.raises(InputError, match="class of this version"):
        from_json(value)
    assert "my_networks" not in sys.modules
    mine = from_json(value, trusted=True)
    assert type(mine).__name__ == "Mine" and mine.width == 5
    assert to_json(mine) == value
    for name, words in (
        ("my_networks.function", "expected a dataclass or a Flax"),
        ("my_networks.Gone", "expected to import"),
        ("nowhere_at_all.Mine", "expected to import .* PYTHONPATH"),
        ("galgen.__main__.main", "class of this version"),
    ):
        with pytest.raises(InputError, match=words):
            from_json({"type": name}, trusted=True)
