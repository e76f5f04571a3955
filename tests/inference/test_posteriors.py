"""Neural posteriors, likelihoods and ratios against posteriors that are known."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from galgen.errors import InputError
from galgen.generative import (
    Affine,
    Chain,
    FixedSteps,
    Likelihood,
    MaskedAutoregressive,
    NormalizingFlow,
    Sampler,
)
from galgen.inference.neural.inference_model import PosteriorModel
from galgen.inference.neural.neural_likelihood import NeuralLikelihood
from galgen.inference.neural.neural_posterior import NeuralPosterior
from galgen.inference.neural.neural_ratio import NeuralRatio
from galgen.inference.neural.posterior_head import FlowHead, MatchingHead, posterior_flow
from galgen.inference.neural.tasks import GaussianLinearTask
from galgen.inference.priors.support import Bounded, Unbounded
from galgen.inference.sampling import TemperedSMC
from galgen.networks import MLP, VectorNetwork
from galgen.serialization import from_json, to_json
from galgen.types import Batch

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
KEY = jax.random.key(0)
RAW = VectorNetwork(layers=0)
SAMPLER = TemperedSMC(warmup=5)
FLOW = FlowHead(posterior_flow(1, 16, 4))
MATCHING = MatchingHead(
    MLP(24, 1), sampler=Sampler(steps=12), likelihood=Likelihood(solver=FixedSteps(4)), draws=4
)
AFFINE = NormalizingFlow(Chain((MaskedAutoregressive(Affine(), 16, 1),)))
MODELS: dict[str, tuple[PosteriorModel, nn.Module]] = {
    "flow": (NeuralPosterior(FLOW, Unbounded()), RAW),
    "matching": (NeuralPosterior(MATCHING, Unbounded()), RAW),
    "likelihood": (NeuralLikelihood(Unbounded(), SAMPLER), AFFINE),
    "ratio": (NeuralRatio(Unbounded(), SAMPLER, width=24, layers=1), RAW),
}
TASK = GaussianLinearTask(dimensions=2)
STEPS = {"flow": 200, "matching": 300, "likelihood": 150, "ratio": 500}


def simulated(number: int, seed: int) -> Batch:
    """Standardised simulations: theta ~ N(0, 1), x = theta + noise of variance 1, over sqrt 2."""
    rng = np.random.default_rng(seed)
    theta = TASK.prior(rng, number)
    x = TASK.simulate(rng, theta) / np.sqrt(0.2)
    return Batch(jnp.asarray(x, jnp.float32), None, jnp.asarray(TASK.parameters.encode(theta)))


@functools.cache
def trained(name: str):
    """Weights that have seen some thousand simulations."""
    model, network = MODELS[name]
    data = simulated(20_000, 0)
    steps = STEPS[name]
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, steps))

    def step(state, key):
        params, moments = state
        key_rows, key_loss = jax.random.split(key)
        rows = jax.random.randint(key_rows, (256,), 0, len(data.x))
        batch = jax.tree.map(lambda a: a[rows], data)
        slope = jax.grad(functools.partial(model.training_loss, network))(params, key_loss, batch)
        updates, moments = optimizer.update(slope, moments)
        return (optax.apply_updates(params, updates), moments), None

    @jit
    def train(key):
        params = model.initial_params(network, key, jax.tree.map(lambda a: a[:1], data))
        start = (params, optimizer.init(params))
        return jax.lax.scan(step, start, jax.random.split(key, steps))[0][0]

    return train(KEY)


SLOW = pytest.mark.slow
OTHERS = ("matching", "likelihood", "ratio")
NEAR = jnp.stack(jnp.meshgrid(*[jnp.linspace(-1.0, 1.0, 5)] * 2), axis=-1).reshape(-1, 2)


def both(model, network, params, data: Batch, theta):
    """Draws of the posterior, and its density at theta.

    Weights are arguments: as constants that are zero, XLA 0.10 on CPU may read what never was
    written in their place.
    """

    @jit
    def compiled(params, key, data, theta):
        posterior = model.with_params(network, params)
        return posterior.sample(key, data, 1500), posterior.log_prob(theta, data)

    return compiled(params, KEY, data, theta)


@pytest.mark.parametrize("name", ["flow", *(pytest.param(n, marks=SLOW) for n in OTHERS)])
def test_recovers_the_posterior_of_a_gaussian(name: str) -> None:
    """theta | x ~ N(x / sqrt 2, 1 / 2) in each of two standardised dimensions."""
    model, network = MODELS[name]
    x = jnp.array([[0.0, 0.0], [1.0, -1.4]])
    draws, found = both(model, network, trained(name), Batch(x), NEAR + x[:, None] / np.sqrt(2))
    assert draws.shape == (2, 1500, 2)
    assert np.allclose(draws.mean(axis=1), x / np.sqrt(2), atol=0.12)
    assert np.allclose(draws.std(axis=1), np.sqrt(0.5), rtol=0.12)
    assert np.all(np.abs([np.corrcoef(d.T)[0, 1] for d in draws]) < 0.15)
    exact = -jnp.sum(NEAR**2 + 0.5 * np.log(np.pi), axis=-1)
    if name in ("likelihood", "ratio"):  # up to a constant of the observation
        found = found - jnp.mean(found - exact, axis=1, keepdims=True)
    assert np.mean(np.abs(found - exact)) < 0.15


@SLOW
def test_ratio_is_nearly_normalised() -> None:
    model, network = MODELS["ratio"]
    posterior = model.with_params(network, trained("ratio"))
    axis = jnp.linspace(-4, 4, 41)
    grid = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(1, -1, 2)
    data = Batch(jnp.array([[0.5, 0.2]]))
    density = jnp.exp(jit(lambda theta: posterior.log_prob(theta, data))(grid))
    assert np.isclose(density.sum() * 0.2**2, 1.0, atol=0.15)


@pytest.mark.parametrize("head", [FLOW, MATCHING], ids=["flow", "matching"])
def test_untrained_is_the_prior_and_no_draw_leaves_it(head) -> None:
    model = NeuralPosterior(head, Bounded())
    data = Batch(jnp.ones((3, 2)), None, jnp.zeros((3, 2)))
    params = jit(lambda key: model.initial_params(RAW, key, data))(KEY)
    theta = jnp.array([[[0.3, -0.9], [0.0, 1.01]]] * 3)
    draws, found = both(model, RAW, params, data, theta)
    assert np.all(np.abs(draws) <= 1)
    quantiles = np.quantile(draws, np.linspace(0.1, 0.9, 9), axis=1)
    assert np.allclose(quantiles, np.linspace(-0.8, 0.8, 9)[:, None, None], atol=0.08)
    assert np.allclose(found[:, 0], -2 * np.log(2), atol=1e-4)
    assert np.all(np.isneginf(found[:, 1]))


def test_loss_of_a_flow_is_minus_the_log_density() -> None:
    """In nats of standardised parameters, with the volume of the map to free ones."""
    model = NeuralPosterior(FLOW, Bounded())
    rng = np.random.default_rng(1)
    theta = jnp.asarray(rng.uniform(-1, 1, (16, 2)), jnp.float32)
    data = Batch(jnp.asarray(rng.normal(size=(16, 3)), jnp.float32), None, theta)
    params = jit(lambda key: model.initial_params(RAW, key, data))(KEY)
    params = jax.tree.map(lambda a: a + 0.1 * jnp.cos(jnp.arange(a.size).reshape(a.shape)), params)

    @jit
    def both(params):
        log_prob = model.with_params(RAW, params).log_prob(theta[:, None], data)
        return model.training_loss(RAW, params, KEY, data), log_prob

    found, log_prob = both(params)
    assert np.isclose(found, -np.mean(log_prob), rtol=1e-5)
    assert abs(found - 2 * np.log(2)) > 0.05


@pytest.mark.parametrize("name", MODELS)
def test_reads_back_equal(name: str) -> None:
    assert from_json(to_json(MODELS[name])) == MODELS[name]


def test_what_has_no_condition_is_refused() -> None:
    data = Batch(jnp.ones((3, 2)))
    for name, (model, network) in MODELS.items():
        with pytest.raises(InputError, match=r"expected batches with a condition"):
            model.initial_params(network, KEY, data)
        assert name
    with pytest.raises(ValueError, match="more than 4 examples"):
        model, network = MODELS["ratio"]
        model.training_loss(network, {}, KEY, Batch(jnp.ones((3, 2)), None, jnp.ones((3, 2))))
