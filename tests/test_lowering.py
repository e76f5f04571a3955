"""What every configuration trains and draws by has a program for CPU, CUDA, ROCm and TPU.

Lowering needs no device, no data and no weights: shapes are enough. It finds an operation that a
platform has no rule for, and a call of the host, for which an accelerator would wait in every step.
Whether XLA compiles the program, and what it costs, only a device tells: docs/gpu.md.
"""

import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.configuration import load_config
from galgen.data.augmentation import BoxAugmentation, Dequantization
from galgen.data.batching import ArraySource
from galgen.data.dataset import CatalogueDataset, DigitDataset, Prepared, ToyDataset
from galgen.data.digits import LEVEL
from galgen.data.encoding import ArrayEncoding
from galgen.experiment import Experiment
from galgen.generative import BisectionAssignment
from galgen.inference.neural import amortized
from galgen.lagrangian import LagrangianDataset
from galgen.lagrangian.layout import COLUMNS, INPUTS, PAD
from galgen.networks import attention
from galgen.networks.attention import flash
from galgen.training.sharding import ALL_ON_DATA, shared_over_model
from galgen.types import Batch

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
FAST = ("demo", "toy_spline_flow")
EVERY = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem not in FAST))
    for path in CONFIGS
]
CUDNN = "jax._src.cudnn.fused_attention_stablehlo"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
ON_HOST = ("sub_boxes",)
"""Whose exact assignment the host solves in every step; with another coupling all is lowered."""


def batch_of(experiment: Experiment, points: int) -> Batch:
    """Zeros of the shapes that the data give."""
    data, size = experiment.data, experiment.trainer.batch_size
    if isinstance(data, CatalogueDataset):
        x = np.zeros((size, points, len(data.columns)), np.float32)
        condition = np.zeros((size, len(data.condition)), np.float32)
        return Batch(x, np.ones(x.shape[:2], bool), condition if data.condition else None)
    if isinstance(data, DigitDataset):
        return Batch(np.zeros((size, 28, 28, 1), np.float32), None, np.eye(size, 10, dtype="f4"))
    if isinstance(data, LagrangianDataset):
        side = data.piece // 2
        field = np.zeros((size, *(side + 2 * PAD,) * 3, INPUTS + 24), np.float32)
        x, condition = (
            np.zeros((size, 768, 3 + COLUMNS), np.float32),
            np.zeros((size, 3), np.float32),
        )
        return Batch(x, np.ones(x.shape[:2], bool), condition, field=field)
    assert isinstance(data, ToyDataset)
    return Batch(np.zeros((size, 2), np.float32))


def augmentation_of(name: str, experiment: Experiment):
    if isinstance(experiment.data, CatalogueDataset):
        return BoxAugmentation(None, True, name != "sub_boxes")
    return Dequantization(LEVEL) if isinstance(experiment.data, DigitDataset) else None


def programs(name: str, experiment: Experiment) -> dict[str, jax.stages.Traced]:
    """The training step and the sampler, traced from shapes alone, at the size of the task."""
    batch = batch_of(experiment, points=5000 if "quijote" in name else 300)

    def begin():
        key = jax.random.key(0)
        params = experiment.initial_params(batch)
        return experiment.trainer.initial_state(params), key, jax.random.split(key, len(batch.x))

    state, key, keys = jax.eval_shape(begin)
    mesh = ALL_ON_DATA.over(jax.devices()[:1])
    source, encoding = ArraySource(batch.x, None, 1, 0), ArrayEncoding((2,), 0.0, 1.0)  # not used
    loss = experiment.loss(Prepared(source, encoding, augmentation_of(name, experiment)))
    places = shared_over_model(state, mesh)
    step = experiment.trainer._compiled(loss, mesh, places)
    if experiment.sampler is not None:
        whole = batch
        if experiment.sampler.has_own_number:
            batch = dataclasses.replace(batch, mask=None)
        return {
            "step": trace(step, state, key, whole),
            "draw": trace(
                lambda *inputs: experiment.sample_batch(*inputs, mesh), state.params, key, batch
            ),
        }
    settings = (experiment.model, experiment.network, experiment.precision)

    def draw(params, keys, batch):
        return amortized._draw(settings, 100, params, keys, batch.x, batch.mask)

    return {"step": trace(step, state, key, batch), "draw": trace(draw, state.params, keys, batch)}


def trace(function, weights, key, batch: Batch) -> jax.stages.Traced:
    """Of a function that takes a batch, which cannot be made of shapes where types are checked."""
    fields = {name: getattr(batch, name) for name in ("x", "mask", "condition", "field")}
    whole = jax.jit(lambda weights, key, fields: function(weights, key, Batch(**fields)))
    return whole.trace(weights, key, fields)


def faults(traced: jax.stages.Traced, platforms=PLATFORMS) -> list[str]:
    """What keeps a program from running on each platform without the host."""
    found = []
    for platform in platforms:
        try:
            text = traced.lower(lowering_platforms=(platform,)).as_text()
        except (NotImplementedError, ValueError) as error:
            found.append(f"{platform}: {error}")
        else:
            calls = re.findall(r"custom_call @(\w*callback\w*)", text)
            found += [f"{platform}: {call}" for call in calls]
    return found


@pytest.mark.parametrize("config", EVERY)
def test_training_and_sampling_are_lowered_for_every_platform(config):
    experiment = load_config(config)
    if config.stem in ON_HOST:
        host = faults(programs(config.stem, experiment)["step"])
        assert len(host) == len(PLATFORMS) and "callback" in host[0], "it needs no exception"
        model = dataclasses.replace(experiment.model, coupling=BisectionAssignment())
        experiment = dataclasses.replace(experiment, model=model)
    for name, traced in programs(config.stem, experiment).items():
        assert not faults(traced), name


def test_options_that_save_memory_and_time_are_lowered():
    experiment = load_config(Path(__file__).parents[1] / "configs" / "toy_2d.py")
    trainer = dataclasses.replace(experiment.trainer, rematerialize=True, accumulate=2)
    lean = dataclasses.replace(experiment, precision="bfloat16", trainer=trainer)
    for name, traced in programs("toy_2d", lean).items():
        assert not faults(traced), name


def called(host):
    """A function that calls the host, in a loop and under a derivative."""

    def step(x):
        return jax.lax.fori_loop(0, 3, lambda _, y: host(jnp.sin(y)), x).sum()

    return jax.jit(jax.grad(step) if host is printed else step).trace(jnp.ones(3))


def printed(x):
    jax.debug.print("{}", x[0])
    return x


def asked(x):
    return jax.pure_callback(lambda y: y, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


@pytest.mark.parametrize("host", [printed, asked])
def test_a_call_of_the_host_is_found(host):
    assert "callback" in "".join(faults(called(host), ("cpu",)))


def test_an_operation_without_a_rule_is_found_and_flash_attention_has_one_on_cuda(monkeypatch):
    """cuDNN's attention, as a machine with a GPU of compute capability 8.0 would trace it."""
    monkeypatch.setattr(attention, "has_flash_kernels", lambda: True)
    found = SimpleNamespace(cudnn_get_version=lambda: 91000)
    monkeypatch.setattr(f"{CUDNN}.cuda_versions", found)
    monkeypatch.setattr(f"{CUDNN}.check_compute_capability", lambda wanted: True)
    x, mask = jnp.zeros((2, 37, 4, 64)), jnp.ones((2, 37), bool)
    loss = jax.grad(lambda *inputs: flash(*inputs).sum(), (0, 1, 2))
    traced = jax.jit(loss).trace(x, x, x, mask)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "__cudnn$fmhaSoftmax(" in text and "__cudnn$fmhaSoftmaxBackward(" in text
    for platform in ("rocm", "tpu"):
        (fault,) = faults(traced, (platform,))
        assert "dot_product_attention" in fault and f"not found for platform {platform}" in fault
