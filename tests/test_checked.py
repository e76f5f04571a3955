"""Every configuration takes what it is given in one form that comes back equal, or refuses it.

The table is made by looking: every class of galgen whose fields are checked, each of its fields,
and a list of odd values. Whatever comes, there is an object that is equal to what JSON brings back,
or one line that names the field.
"""

import contextlib
import dataclasses
import decimal
import importlib
import inspect
import json
import math
import pkgutil
import re
from pathlib import Path

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

import galgen
from galgen.checked import visible_fields
from galgen.data.cardinality import Cardinality
from galgen.data.dataset import CatalogueDataset
from galgen.data.normalization import Standardizer
from galgen.data.toys import TwoMoons
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.generative import Bridge, DPMSolver, Heun, LinearPath, Normal, TorusDiffusion
from galgen.generative.normalizing_flow import MaskedAutoregressive, Reversal
from galgen.inference.neural.tasks import TwoMoonsTask
from galgen.inference.neural.vectors import Parameters, VectorEncoding
from galgen.inference.priors.prior import Uniform
from galgen.lagrangian import GridUnits
from galgen.measurements.counts import LogNumber
from galgen.networks import DeepSet
from galgen.public_types import MODULES, public_class, public_name
from galgen.serialization import from_json, to_json
from galgen.simulation.cosmology import Cosmology
from galgen.training import Trainer


def classes() -> list[type]:
    found = {}
    for module in pkgutil.walk_packages(galgen.__path__, "galgen."):
        if not module.name.endswith("__main__"):
            for kind in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(kind) and kind.__module__ == module.name:
                    found[f"{module.name}.{kind.__qualname__}"] = kind
    return [kind for _, kind in sorted(found.items())]


CLASSES = classes()
CHECKED = [
    kind
    for kind in CLASSES
    if getattr(kind, "is_checked", False)
    and dataclasses.is_dataclass(kind)
    and not inspect.isabstract(kind)
    and not kind.__name__.startswith("_")
]
STANDARDIZER = Standardizer(
    ("x", "y", "z"), (0.0,) * 3, (1.0,) * 3, ("omega_m",), (0.3,), (0.1,), ((0.2, 0.4),), (1, 9),
    (64.0,) * 3, (0.0,), True, {"x": "Mpc/h", "w": ""}, {"h": 0.7},
)  # fmt: skip
PARAMETERS = Parameters(("omega_m",), (0.3,), (0.1,), ((0.2, 0.4),))
VECTORS = VectorEncoding((0.0, 1.0), (1.0, 1.0), PARAMETERS)
BRIDGE = Bridge(LinearPath())
NEEDED = {
    "Anchored": {"bridge": BRIDGE, "reference": BRIDGE.flow(lambda x, t, mask, condition: x)},
    "ArrayEncoding": {"shape": (2,), "mean": 0.0, "scale": 1.0},
    "Bridge": {"path": LinearPath()},
    "Calibration": {"step": 1, "weights": {"a": (1.0,)}},
    "Cardinality": {"coefficients": (1.0, 2.0), "order": 1, "parameters": 1},
    "CatalogueDataset": {"path": Path("s.h5")},
    "Chain": {"bijections": (Reversal(), MaskedAutoregressive())},
    "ChebyshevGrid": {"bounds": ((0.0, 1.0),)},
    "CloudClassifier": {"encoder": DeepSet()},
    "CloudEncoding": {
        "standardizer": STANDARDIZER,
        "cardinality": Cardinality((1.0, 2.0), 1, 1),
        "sizes": (16, 32),
    },
    "Completion": {"shell": "bash"},
    "ContinuousFlow": {"bridge": BRIDGE},
    "ConvolutionalClassifier": {"classes": 3},
    "LogCorrelation": {"edges": (1.0, 2.0)},
    "Dequantization": {"step": 0.5},
    "Empirical": {"points": ((0.0, 1.0),)},
    "Experiment": {
        "data": CatalogueDataset(Path("s.h5")),
        "network": DeepSet(),
        "model": Bridge(LinearPath()),
    },
    "Export": {"suite": Path("s.h5"), "to": "csv"},
    "FieldEncoding": {"mesh": 8, "scale": 1.0, "box": 100.0},
    "Fingerprints": {"encoding": "0", "training": {"columns": "1"}},
    "Gaussian": {"name": "a", "mean": 0.0, "std": 1.0},
    "GaussianMixture": {"means": ((0.0, 1.0), (1.0, 1.0)), "std": 1.0},
    "Guidance": {"scale": 1.0},
    "HaloSimulator": {"box": 100.0, "mesh": 64, "mass_min": 1e13},
    "Infer": {"folder": Path("run"), "catalogues": (Path("s.h5"),)},
    "Inspect": {"path": Path("s.h5")},
    "Inverse": {"bijection": Reversal()},
    "Joint": {"parts": (LogNumber(),)},
    "LagrangianDataset": {"path": Path("s.h5")},
    "LagrangianEncoding": {
        "units": GridUnits(),
        "middle": (0.0, 0.0),
        "spread": (1.0, 1.0),
        "offset": 0.1,
        "speed": 0.5,
        "log_masses": (0.0, 1.0),
        "density": (0.0, 0.0, 0.0),
        "parameters": ((0.1, 0.5),) * 5,
        "masses": (1e13, 1e13),
        "radii": (5.0, 5.0),
        "shapes": ((0.0, 0.0), (0.0, 0.0)),
    },
    "LinearPower": {"cosmology": Cosmology()},
    "LogSNRTimes": {"path": TorusDiffusion(), "log_snr_min": 2.0, "log_snr_max": 9.0},
    "MLPClassifier": {"classes": 3},
    "MeanFlow": {"path": LinearPath()},
    "Mock": {"suite": Path("s.h5")},
    "ModelCard": {"folder": Path("run")},
    "NormalizingFlow": {"bijection": Reversal()},
    "Package": {"folder": Path("run"), "output": Path("packages")},
    "Parameters": dict(vars(PARAMETERS)),
    "ParticleMeshSimulator": {"box": 100.0, "particles": 64},
    "PooledNetwork": {"network": DeepSet()},
    "LogPower": {"edges": (0.1, 0.2)},
    "ProductPath": {"paths": (LinearPath(), LinearPath()), "columns": (3, 1)},
    "ProductPrior": {"priors": (Uniform("a", 0.0, 1.0),)},
    "RadialSelection": {"redshift": (0.1, 0.2), "density": (1e-3, 1e-3)},
    "Remapping": {"vectors": ((1, 0, 0), (0, 1, 0), (0, 0, 1))},
    "RungeKutta": {"rows": ((), (0.5,)), "weights": (0.0, 1.0)},
    "Scorecards": {"files": (Path("report"),)},
    "SeededField": {"cosmology": Cosmology(), "seed": 0, "number": 0, "box": 100.0, "points": 64},
    "Standardizer": dict(vars(STANDARDIZER)),
    "SummaryDataset": {"path": Path("s.h5"), "summary": LogNumber()},
    "SummaryEncoding": {
        "summary": LogNumber(),
        "standardizer": STANDARDIZER,
        "vectors": VECTORS,
    },
    "Survey": {"redshifts": (0.1, 0.2)},
    "TaskDataset": {"task": TwoMoonsTask()},
    "ToyDataset": {"toy": TwoMoons()},
    "Train": {
        "config": Path("c.py"),
        "experiment": Experiment(CatalogueDataset(Path("s.h5")), DeepSet(), BRIDGE),
    },
    "Uniform": {"name": "a", "low": 0.0, "high": 1.0},
    "Validate": {"folder": Path("run")},
    "VariationalDiffusion": {"bridge": Bridge(TorusDiffusion())},
    "VectorEncoding": dict(vars(VECTORS)),
}
ODD = [
    None, True, False, 0, -1, 1, 2, 7, 10**400, 2**63, 0.0, -0.0, 0.5, 2.0, -1.5, 1e308, math.nan,
    math.inf, -math.inf, "", "x", "0", "a/b", "\0", b"x", [], (), {}, [1], [2, 1], [1, 2, 3],
    [0.5, 1.0], (1.0, 0.5), [0.1, math.nan], ["x", "y", "z"], ("a", "a"), [[0, 1]], [[1, 0]],
    [[1, 2], [3]], {"a": 1}, {1: 2}, {1}, object(), 1j, decimal.Decimal("0.5"), Path("x"),
    np.float32(0.5), np.float64(math.nan), np.int64(2), np.bool_(True), np.str_("x"),
    np.array(1.0), np.array([1.0, 2.0]), np.array([]), np.ones((2, 2)), np.array(["x", "y"]),
    jnp.float32(0.5), jnp.arange(3), TwoMoons, Heun(), DPMSolver(), Normal(), DeepSet(),
    Trainer(), BRIDGE,
]  # fmt: skip


PLAIN = (int, float, bool, str, Path)


def needed(kind: type) -> dict:
    names = {field.name for field in visible_fields(kind)}
    return {name: v for name, v in NEEDED.get(kind.__name__, {}).items() if name in names}


@pytest.mark.parametrize("kind", CHECKED, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_an_odd_value_is_normalised_or_refused_by_name(kind: type) -> None:
    usual, seen = needed(kind), set()
    kind(**usual)
    for field in visible_fields(kind):
        for odd in ODD:
            try:
                made = kind(**{**usual, field.name: odd})
                tree = to_json(made)
            except InputError as error:
                text = str(error)
                assert field.name in text or "could not be read back" in text, (odd, text)
                assert "expected" in text and "got" in text and "\n" not in text, text
                continue
            text = json.dumps(tree)
            if public_name(kind) and text not in seen:
                seen.add(text)
                assert from_json(json.loads(text)) == made, (field.name, odd)


REFUSED = {
    "AdaptiveSampler": {"frames": [1]},
    "AdaptiveSteps": {"rtol": [-1.0], "atol": [0.0], "max_steps": [0]},
    "Anchored": {"strength": [-1.0]},
    "ArrayEncoding": {"scale": [0.0, -1.0], "classes": [-1], "shape": [(0,)]},
    "BisectionAssignment": {"columns": [0, 4], "sweeps": [-1]},
    "Bridge": {"condition_dropout": [1.0, -0.1]},
    "Cardinality": {
        "coefficients": [(1.0,), (1.0, 1e7)],
        "largest": [0.0, 1e300],
        "order": [3],
        "overdispersion": [-1.0],
    },
    "CatalogueDataset": {
        "columns": [(), ("x", "x", "z"), ("mass", "x", "y", "z"), "xyz"],
        "condition": [("omega_m", "omega_m"), "omega_m"],
        "bounds": [((0.1, 0.5),), ((0.5, 0.1), (0.6, 1.0))],
        "buckets": [0],
        "memory": [-1.0],
        "split": [""],
        "augment": [0, "False"],
    },
    "CatalogueTest": {"folds": [1], "permutations": [-1]},
    "ChebyshevGrid": {"number": [2], "bounds": [((1.0, 1.0),), ((0.0, math.inf),)]},
    "Churn": {"amount": [-1.0]},
    "ClassifierTest": {"folds": [1], "learning_rate": [0.0]},
    "CloudEncoding": {"sizes": [(), (32, 16), (0,)]},
    "LogCorrelation": {"edges": [(1.0,), (2.0, 1.0)]},
    "Cosmology": {"sigma_8": [0.0], "omega_b": [0.4]},
    "CountsInCells": {"mean_numbers": [(0.0,), ()]},
    "DDIM": {"eta": [1.5]},
    "DeepSet": {"width": [0], "layers": [-1], "octaves": [-1], "dim": [0]},
    "Dequantization": {"step": [0.0]},
    "EquivariantNetwork": {"degree": [0]},
    "Exchange": {"sweeps": [0]},
    "FixedSteps": {"steps": [0]},
    "GaussianLinearTask": {"variance": [0.0]},
    "GaussianMixture": {"std": [0.0], "means": [(), ((0.0,), (1.0, 2.0)), ((),)]},
    "GraphNetwork": {"heads": [3, 0], "k": [0, -4], "radial": [0]},
    "Guidance": {"scale": [-1.0], "interval": [(0.5, 0.2), (0.0, 1.5)]},
    "HMC": {"steps": [0], "acceptance": [0.0, 1.0], "chains": [0], "draws": [3], "warmup": [0]},
    "HaloOccupation": {"log_mass_min": [1e13], "sigma_log_mass": [0.0], "alpha": [-1.0]},
    "HaloSimulator": {"box": [-1.0], "mesh": [50], "redshift": [-0.5], "smoothing": [-1.0]},
    "Hutchinson": {"probes": [1]},
    "Infer": {"chains": [0], "draws": [3], "grid": [2], "evaluations": [3], "first": [0]},
    "LogitNormalTimes": {"std": [0.0]},
    "MeanFlow": {"matching": [1.5], "condition_dropout": [1.0], "time_scale": [0.0]},
    "MeanFlowSampler": {"steps": [0]},
    "MeshShape": {"data": [0], "model": [0], "points": [-1]},
    "MinSNRWeighting": {"gamma": [0.0]},
    "MinibatchTransport": {"condition_weight": [0.0]},
    "Mock": {"density": [0.0], "power": [-1.0], "redshifts": [(0.2, 0.1)], "seed": [-1]},
    "Evaluation": {"every": [-1], "batches": [0], "draws": [1, -1]},
    "Parameters": {"names": [("a", "a")], "scales": [(0.0,)], "ranges": [((1.0, 0.0),)]},
    "ParticleMeshSimulator": {
        "box": [-1.0],
        "particles": [50],
        "particles_min": [9],
        "redshift": [-0.5],
        "mesh_factor": [1],
        "steps": [4],
        "start": [0.0],
        "linking_length": [0.0],
    },
    "PreconditionedPrediction": {"std": [0.0]},
    "RandomRecipe": {"times": [0.0, 1e7]},
    "RationalQuadraticSpline": {"bins": [1], "bound": [0.0]},
    "RewardTuning": {"batch_size": [129], "clip_norm": [0.0], "temperature": [0.0]},
    "Rotation": {"seed": [-1]},
    "Sampler": {"steps": [0], "rho": [0.0]},
    "SetTransformer": {"heads": [5], "inducing": [0], "width": [0]},
    "Simulate": {"processes": [0]},
    "SinkhornAssignment": {"tolerance": [0.0], "iterations": [1]},
    "SpaceFillingCurve": {"columns": [4]},
    "Standardizer": {"scales": [(-1.0, 1.0, 1.0), (1.0,)], "box": [(0.0, 1.0, 1.0), (1.0, 1.0)]},
    "StochasticInterpolant": {"scale": [-1.0], "smoothing": [0.0]},
    "SuiteRecipe": {
        "train": [0],
        "test": [-1],
        "contrast": [-2],
        "seed": [-3],
        "omega_m": [(0.4, 0.2), (0.3, 0.3)],
        "h": [(0.7, 0.6)],
    },
    "Survey": {"power": [-1.0], "redshifts": [(0.2, 0.1), (-0.1, 0.2)]},
    "TaskDataset": {"aside": [1.0], "number": [0], "seed": [-1]},
    "TemperedSMC": {"effective": [0.0, 1.0]},
    "ThomasProcess": {"sigma": [0.3, 0.0], "parents": [0.0]},
    "ToyDataset": {"number": [0, 1]},
    "TorusDiffusion": {"sigma_max": [0.0, 0.1], "sigma_min": [0.0, 1.0]},
    "Trainer": {
        "steps": [0],
        "batch_size": [0],
        "learning_rate": [0.0, -1.0],
        "warmup": [-5],
        "weight_decay": [-1.0],
        "clip_norm": [0.0],
        "ema_decay": [1.0, -0.1],
        "further_decays": [(0.9, 1.0)],
        "accumulate": [0, 3],
        "seed": [-1],
        "log_every": [0],
        "checkpoint_every": [0],
        "keep": [0],
    },
    "Uniform": {"low": [1.0, 2.0]},
    "ValidationSettings": {
        "mesh_size": [0],
        "tolerance": [-1.0],
        "rank_bins": [0],
        "multipoles": [(2,)],
        "separation_edges": [(1.0,), (2.0, 1.0)],
    },
    "VarianceExploding": {"sigma_max": [1e-4], "sigma_min": [0.0]},
    "VariationalDiffusion": {"draws": [3], "decoder": [(0.1, 0.0), -1.0]},
    "VariationalGaussian": {"learning_rate": [0.0]},
    "Viewpoint": {"observer": [(0.0, 0.0)]},
}
"""Values of the right type that make no sense; NaN and infinity are tried on every number."""


@pytest.mark.parametrize("name", REFUSED)
def test_values_without_sense_are_refused_by_name(name: str) -> None:
    for kind in [kind for kind in CHECKED if kind.__name__ == name]:
        usual = needed(kind)
        names = {field.name for field in visible_fields(kind)}
        for field, wrong in REFUSED[name].items():
            for value in wrong if field in names else ():
                with pytest.raises(InputError, match=field):
                    kind(**{**usual, field: value})


def test_no_number_may_be_nan_and_few_infinite() -> None:
    infinite = set()
    for kind in CHECKED:
        usual = needed(kind)
        made = kind(**usual)
        for field in visible_fields(kind):
            if isinstance(getattr(made, field.name), int | float):
                with pytest.raises(InputError, match=field.name):
                    kind(**{**usual, field.name: math.nan})
                for infinity in (math.inf, -math.inf):
                    with contextlib.suppress(InputError):
                        kind(**{**usual, field.name: infinity})
                        infinite.add((kind.__name__, field.name))
    assert infinite == {("Gaussian", "low"), ("Gaussian", "high")}


EXEMPT = {"FeedForward", "FieldLevel", "MaskedDense", "Response", "SummedRestore"}
"""Parts of networks, a run to infer from, and results."""


def holds_settings(kind: type) -> bool:
    """Whether a field of a plain type has a default, and none is an array."""
    if not (dataclasses.is_dataclass(kind) or issubclass(kind, nn.Module)):
        return False
    fields = visible_fields(kind)
    arrays = any(re.search(r"np\.ndarray|\bArray\b", str(field.type)) for field in fields)
    return not arrays and any(isinstance(field.default, PLAIN) for field in fields)


def test_every_class_that_holds_settings_is_checked() -> None:
    unchecked = {
        kind.__name__
        for kind in filter(holds_settings, CLASSES)
        if not getattr(kind, "is_checked", False)
        and not kind.__name__.startswith("_")
        and kind.__module__.split(".")[1] != "statistics"
    }
    assert unchecked == EXEMPT, "decorate it with galgen.checked.checked"


def test_every_public_name_is_that_of_a_checked_class() -> None:
    for name in MODULES:
        kind = public_class(name)
        assert kind.is_checked and public_name(kind) == name
        assert public_class(f"galgen.{kind.__module__}.{name}") is kind
