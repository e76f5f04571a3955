"""One step: parts of a batch, averages, precision, memory, and one compilation per shape."""

import dataclasses
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import counted_compilations
from scipy import special

from galgen.errors import InputError
from galgen.generative import (
    Bridge,
    ContinuousFlow,
    LearnedDiffusion,
    LearnedLinearSchedule,
    LinearPath,
    MaximumLikelihood,
    MeanFlow,
    VariancePreserving,
)
from galgen.generative.normalizing_flow import (
    Affine,
    Chain,
    MaskedAutoregressive,
    NormalizingFlow,
)
from galgen.generative.objectives.weighting import SigmoidWeighting
from galgen.generative.sampling.likelihood import ExactDivergence, Likelihood
from galgen.generative.sampling.ode import FixedSteps
from galgen.generative.sampling.tilting import Anchored
from galgen.inference.neural.classifier import Classification
from galgen.inference.neural.neural_likelihood import NeuralLikelihood
from galgen.inference.neural.neural_posterior import NeuralPosterior
from galgen.inference.neural.neural_ratio import NeuralRatio
from galgen.inference.neural.posterior_head import FlowHead, MatchingHead
from galgen.inference.neural.regression import Regression
from galgen.masking import masked_mean, zero_padding
from galgen.networks import MLP, GraphNetwork, ParticleMesh, SetTransformer
from galgen.training import Trainer
from galgen.training.precision import multiplying_in, rounded
from galgen.training.rematerialization import rematerialized
from galgen.training.state import accumulated, gradients_of, initial_state, make_step
from galgen.types import Batch

START = {"centre": jnp.zeros(2)}
X = np.random.default_rng(0).normal(3.0, 1.0, (8, 2)).astype(np.float32)


def plain(params, key, batch):
    return jnp.mean((params["centre"] - batch.x) ** 2)


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_parts_of_a_batch_give_the_step_of_the_whole(parts: int) -> None:
    state = initial_state(START, optax.sgd(0.5))
    whole, part = (make_step(plain, optax.sgd(0.5), 0.5, (), n) for n in (1, parts))
    a, b = (jax.jit(step)(state, jax.random.key(0), Batch(X)) for step in (whole, part))
    assert np.allclose(a[0].params["centre"], 0.5 * X.mean(0), rtol=1e-6)
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.allclose(one, other, rtol=1e-6)


class PerPoint(nn.Module):
    """A network of one layer on each point, as denoiser and as encoder."""

    pooled: bool = False

    @nn.compact
    def __call__(self, x, t=None, mask=None, condition=None):
        mask = t if self.pooled else mask
        out = nn.Dense(x.shape[-1])(jnp.sin(x)) + 0.3 * x
        return masked_mean(out, mask, 1) if self.pooled else zero_padding(out, mask)


VECTORS = NormalizingFlow(Chain((MaskedAutoregressive(Affine(), 4),)))
BRIDGE = Bridge(LinearPath())
UNLIKE = Batch(
    jnp.asarray(np.random.default_rng(1).normal(size=(8, 9, 2)), jnp.float32),
    jnp.arange(9) < jnp.array([1, 9, 2, 0, 9, 3, 1, 8])[:, None],
    jnp.asarray(np.random.default_rng(2).uniform(-0.9, 0.9, (8, 2)), jnp.float32),
    jnp.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]),
)
FLAT = dataclasses.replace(UNLIKE, x=UNLIKE.x[:, 0], mask=None)
CLASSES = dataclasses.replace(UNLIKE, condition=jnp.eye(2)[jnp.arange(8) % 2])
ENCODER = PerPoint(pooled=True)
FAMILIES = {
    "bridge": (BRIDGE, PerPoint(), UNLIKE),
    "classification": (Classification(), ENCODER, CLASSES),
    "weighted bridge": (
        Bridge(VariancePreserving(), weighting=SigmoidWeighting()),
        PerPoint(),
        UNLIKE,
    ),
    "mean flow": (MeanFlow(LinearPath()), PerPoint(), UNLIKE),
    "continuous flow": (
        ContinuousFlow(BRIDGE, Likelihood(ExactDivergence(), FixedSteps(1))),
        PerPoint(),
        UNLIKE,
    ),
    "learned diffusion": (LearnedDiffusion(LearnedLinearSchedule()), PerPoint(), UNLIKE),
    "anchored": (Anchored(BRIDGE, BRIDGE.flow(lambda x, *_: 0.5 * x)), PerPoint(), UNLIKE),
    "maximum likelihood": (MaximumLikelihood(), VECTORS, FLAT),
    "regression": (Regression(), ENCODER, UNLIKE),
    "neural likelihood": (NeuralLikelihood(), VECTORS, FLAT),
    "neural posterior": (NeuralPosterior(FlowHead(VECTORS)), ENCODER, UNLIKE),
    "matching posterior": (NeuralPosterior(MatchingHead(MLP(4, 1))), ENCODER, UNLIKE),
    "neural ratio": (NeuralRatio(width=4, layers=1, chance=1), ENCODER, UNLIKE),
}
QUICK = ("bridge", "classification")
ROWS = [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in FAMILIES]


@pytest.mark.parametrize("name", ROWS)
def test_parts_of_unlike_weight_give_the_gradient_of_the_whole(name: str) -> None:
    """Clouds of unlike size, without points and without weight, in every family of models."""
    model, network, batch = FAMILIES[name]
    key = jax.random.key(3)

    def shaken(params):
        return jax.tree.map(
            lambda a: a + 0.1 * jnp.cos(jnp.arange(a.size)).reshape(a.shape), params
        )

    params = shaken(model.initial_params(network, key, batch))

    def loss(params, key, batch):
        return model.mean_loss(network, params, key, batch)

    def together(params):
        """The draws of two parts, of every second example each, divided by the sum of both."""
        found = [
            loss(params, part_key, jax.tree.map(lambda a, i=i: a[i::2], batch))
            for i, part_key in enumerate(jax.random.split(key, 2))
        ]
        total, weight = (sum(getattr(f, name) for f in found) for name in ("total", "weight"))
        return jnp.mean(total / weight)

    wanted = jax.jit(jax.value_and_grad(together))(params)
    found = jax.jit(gradients_of(loss, 2))(params, key, batch)
    assert 0.01 < abs(float(wanted[0])) < 100
    for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_number_is_taken_for_a_mean_over_points() -> None:
    def loss(params, key, batch):
        return jnp.mean(masked_mean((params["centre"] - batch.x) ** 2, batch.mask, (0, 1)))

    key = jax.random.key(0)
    whole = gradients_of(loss)(START, key, UNLIKE)
    for found in (gradients_of(loss, 4), accumulated(jax.value_and_grad(loss), 4)):
        for a, b in zip(*map(jax.tree.leaves, (found(START, key, UNLIKE), whole)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_parts_draw_their_own_numbers() -> None:
    def draws(params, key, batch):
        return params["centre"][0] * jax.random.normal(key)

    state = initial_state(START, optax.sgd(1.0))
    step = jax.jit(make_step(draws, optax.sgd(1.0), 0.5, (), 4))
    moved = step(state, jax.random.key(1), Batch(X))[0].params["centre"][0]
    keys = jax.random.split(jax.random.fold_in(jax.random.key(1), 0), 4)
    assert np.allclose(-moved, np.mean([jax.random.normal(key) for key in keys]), rtol=1e-6)


def test_every_average_forgets_the_start_in_closed_form() -> None:
    """Weights that are at rest after one step: what is left of the start is known.

    A growing decay of (1 + n) / (10 + n) leaves 1 / binomial(n + 9, 9) of it after n steps, and a
    constant one its power.
    """
    decays = (0.5, 0.05, 0.9)
    state = initial_state(START, optax.sgd(1.0), 2)
    step = jax.jit(make_step(plain, optax.sgd(1.0), decays[0], decays[1:]))
    for number in range(1, 13):
        state, _ = step(state, jax.random.key(0), Batch(X))
        growing = 1 / special.comb(np.array([min(number, 9), number]) + 9, 9)
        left = growing[0] * 0.5 ** max(number - 9, 0), 0.05**number, growing[1]
        for average, share in zip((state.ema, *state.further_ema), left, strict=True):
            assert np.allclose(average["centre"], (1 - share) * X.mean(0), rtol=1e-5)


def test_an_average_follows_weights_that_move_evenly_at_a_distance() -> None:
    """d / (1 - d) steps behind them, in the long run."""
    state = initial_state(START, optax.sgd(0.1))
    step = jax.jit(make_step(lambda p, *_: jnp.sum(p["centre"]), optax.sgd(0.1), 0.8))
    for _ in range(100):
        state, _ = step(state, jax.random.key(0), Batch(X))
    assert np.allclose(state.ema["centre"] - state.params["centre"], 0.1 * 0.8 / 0.2, rtol=1e-4)


def test_wrong_parts_and_decays_are_named() -> None:
    with pytest.raises(InputError, match="expected a batch size that accumulate divides, got 16"):
        Trainer(accumulate=3)


RNG = np.random.default_rng(0)
CLOUDS = Batch(
    jnp.asarray(RNG.random((2, 40, 4), np.float32)),
    jnp.arange(40) < jnp.array([[30], [40]]),
    jnp.asarray(RNG.random((2, 2), np.float32)),
)


def clouds(network):
    """A loss of a network, and weights at which no gradient vanishes."""
    half = jnp.full(2, 0.5)
    start = network.init(jax.random.key(0), CLOUDS.x, half, CLOUDS.mask, CLOUDS.condition)
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda a: a + jnp.asarray(0.1 * rng.normal(size=a.shape), a.dtype), start)

    def loss(params, key, batch):
        out = network.apply(params, batch.x, half, batch.mask, batch.condition)
        return jnp.mean((out - batch.x) ** 2)

    return params, loss


NETWORKS = [
    SetTransformer(16, 2, 2),
    pytest.param(GraphNetwork(16, 2, 4, 4), marks=pytest.mark.slow),
    pytest.param(ParticleMesh(16, 4, 2, 4, 4, 1), marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: type(n).__name__)
def test_computing_blocks_again_changes_no_gradient(network) -> None:
    params, loss = clouds(network)
    key = jax.random.key(0)
    lean = rematerialized(loss)
    value, wanted = jax.jit(jax.value_and_grad(loss))(params, key, CLOUDS)
    again, found = jax.jit(jax.value_and_grad(lean))(params, key, CLOUDS)
    assert np.isclose(value, again, rtol=1e-6)
    largest = max(float(jnp.max(jnp.abs(a))) for a in jax.tree.leaves(wanted))
    for a, b in zip(jax.tree.leaves(wanted), jax.tree.leaves(found), strict=True):
        assert np.allclose(a, b, rtol=1e-5, atol=1e-6 * largest)
    assert saved(lean, params) < 0.6 * saved(loss, params)


def saved(loss, params) -> int:
    """Numbers that the backward pass keeps of the forward pass."""

    def backward(params):
        return jax.vjp(lambda p: loss(p, jax.random.key(0), CLOUDS), params)[1]

    return sum(a.size for a in jax.tree.leaves(jax.eval_shape(backward, params)))


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: type(n).__name__)
def test_bfloat16_rounds_the_products_of_dense_layers_only(network) -> None:
    params, loss = clouds(network)

    def low(params, key, batch):
        with multiplying_in("bfloat16"):
            return loss(params, key, batch)

    key = jax.random.key(0)
    value, gradient = jax.jit(jax.value_and_grad(low))(params, key, CLOUDS)
    exact, wanted = jax.jit(jax.value_and_grad(loss))(params, key, CLOUDS)
    assert value != exact and abs(value - exact) < 0.02 * exact
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(gradient))
    a, b = (jnp.concatenate([x.ravel() for x in jax.tree.leaves(g)]) for g in (gradient, wanted))
    assert jnp.vdot(a, b) > 0.99 * jnp.linalg.norm(a) * jnp.linalg.norm(b)
    text = str(jax.make_jaxpr(jax.grad(low))(params, key, CLOUDS))
    leaves = jax.tree_util.tree_leaves_with_path(params)
    kernels = sum("kernel" in jax.tree_util.keystr(path) for path, _ in leaves)
    products = text.count("precision=BF16_BF16_F32")
    assert 2.5 * kernels < products <= 3 * kernels, "forward, and backward to both factors"
    assert "bf16[" not in text, "no array is kept in bfloat16"


def test_a_dense_layer_in_bfloat16_is_the_product_of_rounded_factors() -> None:
    x = jnp.asarray(RNG.normal(size=(5, 7)), jnp.float32)
    layer = nn.Dense(3, bias_init=nn.initializers.normal(1.0))
    params = layer.init(jax.random.key(0), x)
    with multiplying_in("bfloat16"):
        found = layer.apply(params, x)
    kernel, bias = (np.asarray(params["params"][n]) for n in ("kernel", "bias"))
    low = (np.asarray(jnp.asarray(a, jnp.bfloat16), np.float64) for a in (x, kernel))
    assert np.allclose(found, np.matmul(*low) + bias, rtol=1e-6, atol=1e-6)
    assert not np.allclose(found, layer.apply(params, x), atol=1e-4)
    assert np.array_equal(rounded(x), x.astype(jnp.bfloat16).astype(jnp.float32))


class TwoSizes:
    """Clouds of 4 or 6 rows, in turn; or of 4 only."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.sizes = sizes

    def batch(self, step: int) -> Batch:
        rng = np.random.default_rng(step)
        size = self.sizes[step % len(self.sizes)]
        return Batch(rng.normal(3.0, 0.1, (8, size, 2)).astype(np.float32))


def test_one_compilation_per_bucket_and_flat_memory(tmp_path: Path) -> None:
    """Compilations, and arrays alive, do not depend on the number of steps."""

    def count(steps: int, sizes: tuple[int, ...]) -> tuple[int, int]:
        trainer = Trainer(steps, 8, log_every=50, checkpoint_every=10**6)
        alive = []

        def loss(params, key, batch):
            return jnp.mean((params["centre"] - batch.x) ** 2)

        class Watched(TwoSizes):
            def batch(self, step: int) -> Batch:
                if step in (20, steps - 1):
                    alive.append(sum(a.nbytes for a in jax.live_arrays()))
                return super().batch(step)

        folder = tmp_path / f"{steps}-{len(sizes)}"
        with counted_compilations() as compiled:
            trainer.fit(loss, START, Watched(sizes), folder)
        # Batches are made a few steps ahead of those that are at work.
        assert abs(alive[1] - alive[0]) < 20 * 8 * 6 * 2 * 4
        return len(compiled)

    count(30, (4,))  # compiles what every run shares
    one, two = count(31, (4,)), count(31, (4, 6))
    assert two == one + 1
    assert count(500, (4, 6)) == two
