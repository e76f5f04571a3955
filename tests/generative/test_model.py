"""Families as models: each trains and draws through one interface, and refuses a sampler unfit."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from galgen.data.toys import TwoMoons
from galgen.generative import (
    Affine,
    Bridge,
    ContinuousFlow,
    FixedSteps,
    FlowSampler,
    LearnedDiffusion,
    LearnedLinearSchedule,
    LinearPath,
    MaximumLikelihood,
    MeanFlow,
    MeanFlowSampler,
    Model,
    MonotoneSchedule,
    NoisePrediction,
    Sampler,
    SamplingMethod,
    VariancePreserving,
    VariationalDiffusion,
    coupling_flow,
)
from galgen.generative.sampling.likelihood import ExactDivergence, Likelihood
from galgen.networks import MLP
from galgen.serialization import from_json, to_json
from galgen.types import Batch

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
KEY = jax.random.key(0)
NETWORK = MLP(width=16, layers=1)
DIFFUSION = Bridge(VariancePreserving(), prediction=NoisePrediction())
MODELS: dict[str, tuple[Model, nn.Module, SamplingMethod]] = {
    "bridge": (Bridge(LinearPath()), NETWORK, Sampler(steps=4)),
    "mean flow": (MeanFlow(LinearPath(), matching=0.75), NETWORK, MeanFlowSampler(2)),
    "variational diffusion": (VariationalDiffusion(DIFFUSION, draws=2), NETWORK, Sampler(steps=4)),
    "learned linear": (LearnedDiffusion(LearnedLinearSchedule()), NETWORK, Sampler(steps=4)),
    "learned monotone": (LearnedDiffusion(MonotoneSchedule(width=8)), NETWORK, Sampler(steps=4)),
    "continuous flow": (
        ContinuousFlow(Bridge(LinearPath()), Likelihood(ExactDivergence(), FixedSteps(2))),
        NETWORK,
        Sampler(steps=4),
    ),
    "normalizing flow": (MaximumLikelihood(), coupling_flow(Affine(), 3, 8, 1), FlowSampler()),
}


def batch(number: int = 64, conditional: bool = True) -> Batch:
    x, label = TwoMoons().sample_with_labels(np.random.default_rng(0), number)
    condition = label[:, None].astype(np.float32) if conditional else None
    return Batch(jnp.asarray(x / 3), None, None if condition is None else jnp.asarray(condition))


def trained(model: Model, network: nn.Module, steps: int, data: Batch):
    """Weights before and after some steps, and the loss of each step."""
    optimizer = optax.adam(3e-3)
    gradient = jax.value_and_grad(functools.partial(model.training_loss, network), argnums=0)

    def step(state, key):
        params, moments = state
        loss, slope = gradient(params, key, data)
        updates, moments = optimizer.update(slope, moments)
        return (optax.apply_updates(params, updates), moments), loss

    @jit
    def train(key):
        params = model.initial_params(network, key, data)
        start = (params, optimizer.init(params))
        (last, _), losses = jax.lax.scan(step, start, jax.random.split(key, steps))
        return params, last, losses

    first, last, losses = train(KEY)
    return first, last, np.asarray(losses)


SLOW = ("continuous flow", "learned monotone")
TRAINED = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in MODELS]


@pytest.mark.parametrize("name", TRAINED)
def test_trains_and_draws(name: str) -> None:
    """Every weight moves, the loss falls, and draws have the shape asked for."""
    model, network, sampler = MODELS[name]
    assert type(model.sampler_or_default(None)) is type(sampler)
    first, last, losses = trained(model, network, 60, batch(256))
    for path, moved in jax.tree_util.tree_leaves_with_path(
        jax.tree.map(lambda a, b: np.any(a != b), *jax.device_get((first, last)))
    ):
        assert moved, path
    assert losses[-10:].mean() < losses[:10].mean()
    draw = jit(
        lambda key, params: sampler(
            model.with_params(network, params), key, (5, 2), None, batch(5).condition, True
        )
    )
    samples = draw(KEY, last)
    assert samples.x.shape == (5, 2) and np.all(np.isfinite(samples.x))
    assert np.array_equal(samples.trajectory[-1], samples.x)
    assert isinstance(model.with_params(network, last), sampler.draws)


@pytest.mark.parametrize("name", MODELS)
def test_reads_back_equal(name: str) -> None:
    model, network, sampler = MODELS[name]
    assert from_json(to_json((model, network, sampler))) == (model, network, sampler)


@pytest.mark.parametrize("name", MODELS)
def test_unfit_sampler_is_refused(name: str) -> None:
    model, _, fit = MODELS[name]
    for sampler in (Sampler(), MeanFlowSampler(), FlowSampler()):
        if type(sampler) is type(fit):
            continue
        with pytest.raises(
            ValueError, match=rf"draws from {type(model).__name__}, .* {type(fit).__name__}"
        ):
            model.sampler_or_default(sampler)


@pytest.mark.slow
def test_learned_schedule_is_in_the_bound() -> None:
    """The loss is the bound of the schedule as learned, and no lower than the entropy."""
    data = Batch(jax.random.normal(jax.random.key(2), (512, 2)))
    model = LearnedDiffusion(MonotoneSchedule(width=8))
    _, last, losses = trained(model, NETWORK, 80, data)
    bound, denoiser = model.bound(last), model.with_params(NETWORK, last).denoiser
    loss = jit(lambda params: model.training_loss(NETWORK, params, KEY, data))(last)
    assert np.isclose(loss, jit(lambda key: bound.loss(denoiser, key, data))(KEY), rtol=1e-6)
    log_snr = bound.bridge.path.schedule(jnp.linspace(0, 1, 50))
    assert np.all(np.diff(log_snr) > 0)
    # Of this very sample: its own mean -log N(x; 0, 1).
    entropy = float(jnp.mean(0.5 * data.x**2 + 0.5 * jnp.log(2 * jnp.pi)))
    found = jit(lambda key: model.bound(last, draws=64)(denoiser, key, data.x))(KEY)
    tolerance = 4 * float(jnp.sqrt(jnp.mean(found.error**2) / len(data.x)))
    assert -jnp.mean(found.total) / 2 > entropy - tolerance
    assert losses[-20:].mean() < 0.7 * losses[:20].mean()


def test_flow_stages_end_in_its_draws() -> None:
    flow = coupling_flow(Affine(), 3, 8, 1)
    data = batch(conditional=False)
    params = MaximumLikelihood().initial_params(flow, KEY, data)
    bound = MaximumLikelihood().with_params(flow, params)
    stages = bound.stages(KEY, (7, 2))
    assert len(stages) == 1 + len(flow.bijection.bijections)
    assert np.array_equal(stages[0], flow.base.sample(KEY, (7, 2)))
    assert np.array_equal(stages[-1], flow.apply(params, KEY, (7, 2), method="sample"))
    assert np.array_equal(bound.log_prob(data.x), flow.apply(params, data.x))


def test_likelihood_of_anything_but_a_flow_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a NormalizingFlow"):
        MaximumLikelihood().initial_params(NETWORK, KEY, batch())
    with pytest.raises(ValueError, match="expected no mask"):
        FlowSampler()(coupling_flow(Affine(), 3, 8, 1), KEY, (3, 2), jnp.ones((3, 2), bool))
