"""Configurations: Python files that build one :class:`~galgen.experiment.Experiment`."""

from __future__ import annotations

import sys
import types
from pathlib import Path

from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.shipped import find_config


def load_config(path: str | Path) -> Experiment:
    """The ``experiment`` that a configuration file builds.

    Args:
        path: of the file, or the name of a configuration that comes with galgen, as ``demo``.

    Raises:
        InputError: if the file is missing, fails, or builds no experiment.
    """
    path = find_config(path)
    module = types.ModuleType("galgen_config")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where the classes that it defines look for it
    try:
        # Compiled here: an import would leave a __pycache__ beside it, and might read an old one.
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    except (InputError, OSError):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"expected {path} to run as Python, got {type(error).__name__}: {error}; mend it"
        ) from error
    finally:
        del sys.modules[module.__name__]
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise InputError(
            f"expected {path} to define experiment = Experiment(...), "
            f"got {type(experiment).__name__}; see configs/demo.py"
        )
    return experiment
