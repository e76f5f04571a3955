"""Configurations: Python files that build one :class:`~galgen.experiment.Experiment`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from galgen.errors import InputError
from galgen.experiment import Experiment


def load_config(path: Path) -> Experiment:
    """The ``experiment`` that a configuration file builds.

    Raises:
        InputError: if the file is missing, fails, or builds no experiment.
    """
    if not path.is_file():
        near = sorted(str(p) for p in Path("configs").glob("*.py"))
        raise InputError(f"expected a configuration file, found no {path}; there are {near}")
    spec = importlib.util.spec_from_file_location("galgen_config", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"expected {path} to run, got {type(error).__name__}: {error}") from error
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise InputError(
            f"expected {path} to define experiment = Experiment(...), "
            f"got {type(experiment).__name__}; see configs/demo.py"
        )
    return experiment
