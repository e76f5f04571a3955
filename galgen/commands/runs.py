"""What commands read of a run without its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import galgen
from galgen.pretrained import model_file
from galgen.serialization import called, read_json


def experiment_of(folder: Path, trust: bool = False) -> galgen.Experiment:
    """The experiment of a run, or of a trained model by its name."""
    experiment: galgen.Experiment
    if model := model_file(folder):
        experiment = model.experiment(galgen.Experiment, trust)
    else:
        experiment = read_json(folder / "experiment.json", galgen.Experiment, trust)
    return experiment


def encoding_of(folder: Path, trust: bool = False) -> galgen.data.Encoding[Any]:
    """The encoding of a run, or of a trained model by its name."""
    encoding: galgen.data.Encoding[Any]
    if model := model_file(folder):
        encoding = model.encoding(trust)
    else:
        encoding = read_json(folder / "encoding.json", galgen.data.Encoding, trust)
    return encoding


def outputs_of(folder: Path) -> Path:
    """Where commands write to if no other place is named: the run, or runs/NAME of a model."""
    model = model_file(folder)
    return model.outputs if model else folder


def run_details(folder: Path, trust: bool = False) -> Mapping[str, str]:
    """What a report says of the run: its parts and what its training came to."""
    from galgen.training.tracking import read_metrics

    experiment = experiment_of(folder, trust)
    details = {
        field.name: called(getattr(experiment, field.name))
        for field in dataclasses.fields(experiment)
    }
    if lines := read_metrics(folder / "metrics.jsonl"):
        details["last step"] = ", ".join(f"{k} {v:.5g}" for k, v in lines[-1].items())
    return details
