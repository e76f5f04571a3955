"""Normalizing flows: one table of bijections against autodiff, densities against quadrature."""

import functools
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import special, stats

from galgen.data.toys import EightGaussians
from galgen.generative import Uniform
from galgen.generative.normalizing_flow import (
    Affine,
    BoxMuller,
    Chain,
    CouplingLayer,
    Inverse,
    MaskedAutoregressive,
    NormalizingFlow,
    RationalQuadraticSpline,
    Reversal,
    Rotation,
    coupling_flow,
    masked_autoregressive_flow,
)
from galgen.serialization import from_json, to_json
from galgen.training import Trainer
from galgen.training.state import initial_state, make_step
from galgen.types import Batch

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

SPLINE = RationalQuadraticSpline(bins=5, bound=3.0)
SMALL = {"width": 8, "depth": 2}
CHAIN = Chain(
    (
        MaskedAutoregressive(Affine(), **SMALL),
        Rotation(1),
        CouplingLayer(SPLINE, **SMALL),
        Reversal(),
        CouplingLayer(Affine(), **SMALL),
    )
)
# Columns, and whether there is a condition.
ONE, MANY = [(1, False), (1, True)], [(2, False), (5, True)]
TABLE = {
    "box-muller": (BoxMuller(), [(2, False), (4, False)]),
    "reversal": (Reversal(), [(2, False), (5, False)]),
    "rotation": (Rotation(3), [(2, False), (5, False)]),
    "affine coupling": (CouplingLayer(Affine(), **SMALL), MANY),
    "spline coupling": (CouplingLayer(SPLINE, **SMALL), MANY),
    "affine autoregressive": (MaskedAutoregressive(Affine(), **SMALL), ONE + MANY),
    "spline autoregressive": (MaskedAutoregressive(SPLINE, **SMALL), ONE + MANY),
    "inverse autoregressive": (Inverse(MaskedAutoregressive(SPLINE, **SMALL)), [(5, False)]),
    "chain": (CHAIN, [(5, True)]),
}
FLOWS = {
    "affine coupling": coupling_flow(Affine(), layers=3, **SMALL),
    "spline coupling": coupling_flow(SPLINE, layers=2, rotate=True, **SMALL),
    "affine autoregressive": masked_autoregressive_flow(Affine(), layers=2, **SMALL),
    "spline autoregressive": masked_autoregressive_flow(SPLINE, layers=2, rotate=True, **SMALL),
}


def random_weights(module: nn.Module, x, condition, method=None, size: float = 0.5):
    """Weights that are not those of a start, which is the identity."""
    shapes = jax.eval_shape(
        functools.partial(module.init, method=method), jax.random.key(0), x, condition
    )
    leaves, tree = jax.tree.flatten(shapes)
    rng = np.random.default_rng(1)
    return tree.unflatten(jnp.asarray(size * rng.normal(size=leaf.shape)) for leaf in leaves)


def rows(number: int, dim: int, conditional: bool):
    rng = np.random.default_rng(2)
    x, condition = 1.5 * rng.normal(size=(number, dim)), rng.normal(size=(number, 2))
    return jnp.asarray(x), jnp.asarray(condition) if conditional else None


@pytest.mark.parametrize(
    ("name", "dim", "conditional"),
    [(name, *shape) for name, (_, shapes) in TABLE.items() for shape in shapes],
)
def test_bijection(name: str, dim: int, conditional: bool) -> None:
    """In double precision: there and back, and log-determinants against autodiff."""
    bijection = TABLE[name][0]
    with jax.enable_x64(True):
        z, condition = rows(12, dim, conditional)
        if name == "box-muller":
            z = jnp.asarray(stats.norm.cdf(z))
        params = random_weights(bijection, z, condition, bijection.inverse)

        def one(params, z, condition):
            x, log_det = bijection.apply(params, z, condition, method="forward")
            return x, (x, log_det)

        @jit
        def measure(params, z, condition):
            axes = (None, 0, None if condition is None else 0)
            jacobian, (x, log_det) = jax.vmap(jax.jacfwd(one, 1, has_aux=True), axes)(
                params, z, condition
            )
            back, log_det_back = bijection.apply(params, x, condition, method="inverse")
            return x, log_det, back, log_det_back, jacobian

        x, log_det, back, log_det_back, jacobian = measure(params, z, condition)
        expected = np.linalg.slogdet(jacobian)[1]
        assert x.dtype == np.float64 and x.shape == z.shape and log_det.shape == (12,)
        assert np.allclose(log_det, expected, atol=1e-8)
        assert np.allclose(back, z, atol=1e-7)
        assert np.allclose(log_det_back, -log_det, atol=1e-7)
        assert np.max(np.abs(x - z)) > 0.1
        assert np.any(np.abs(log_det) > 0.01) or name in ("reversal", "rotation")


@pytest.mark.parametrize("name", ["spline coupling", "affine autoregressive"])
def test_a_new_flow_is_its_base(name: str) -> None:
    flow = FLOWS[name]
    x, condition = rows(50, 3, True)

    @jit
    def log_prob(key, x, condition):
        return flow.apply(flow.init(key, x, condition), x, condition)

    found = log_prob(jax.random.key(0), x, condition)
    assert np.allclose(found, stats.norm.logpdf(x).sum(-1), atol=1e-5)


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_density_is_normalised_and_samples_follow_it(flow: NormalizingFlow) -> None:
    axis = np.linspace(-14, 14, 281)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).astype(np.float32)
    condition = jnp.array([0.7, -0.4])
    params = random_weights(flow, jnp.asarray(grid[0]), jnp.ones((281, 2)), size=0.3)

    @jit
    def evaluate(params):
        log_prob = flow.apply(params, jnp.asarray(grid), jnp.broadcast_to(condition, (281, 281, 2)))
        wide = jnp.broadcast_to(condition, (5000, 2))
        return log_prob, flow.apply(params, jax.random.key(5), (5000, 2), wide, method="sample")

    log_prob, samples = evaluate(params)
    density = np.exp(np.asarray(log_prob, np.float64))
    step = axis[1] - axis[0]
    assert np.sum(density) * step**2 == pytest.approx(1, abs=2e-3)
    assert np.max(np.abs(log_prob - stats.norm.logpdf(grid).sum(-1))) > 1, "not the base"
    for column in range(2):
        cumulative = np.cumsum(density.sum(1 - column)) * step**2
        result = stats.kstest(
            samples[:, column], lambda v, c=cumulative: np.interp(v, axis + step / 2, c)
        )
        assert result.pvalue > 1e-3
    product = np.sum(density * np.prod(grid, -1)) * step**2
    drawn = np.prod(samples, -1)
    assert abs(drawn.mean() - product) < 5 * drawn.std() / np.sqrt(5000)


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("affine autoregressive", "inverse"),
        ("spline coupling", "inverse"),
        ("spline autoregressive", "inverse"),
        ("spline autoregressive", "forward"),
    ],
)
def test_gradients_are_finite_everywhere(name: str, direction: str) -> None:
    values = np.array([0.0, 2.9999, 3.0, -3.0, 3.0001, 50.0, -1e3, 1e6])
    x = jnp.asarray(np.stack(np.meshgrid(values, values), -1).reshape(-1, 2), jnp.float32)
    bijection = FLOWS[name].bijection
    params = random_weights(bijection, x, None, bijection.inverse)

    @jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def gradient(params, x):
        moved, log_det = bijection.apply(params, x, method=direction)
        return jnp.sum(moved) + jnp.sum(log_det)

    for leaf in jax.tree.leaves(gradient(params, x)):
        assert np.all(np.isfinite(leaf)) and np.any(leaf != 0)


def test_spline_loses_no_more_than_rounding() -> None:
    spline, rng = RationalQuadraticSpline(bins=8, bound=5.0), np.random.default_rng(0)

    @jit
    def measure(z, raw):
        x, log_slope = spline.forward(z, raw)
        gradients = [
            jax.grad(lambda *a, f=f: jnp.sum(sum(f(*a))), argnums=(0, 1))(z, raw)
            for f in (spline.forward, spline.inverse)
        ]
        return x, log_slope, spline.inverse(x, raw), gradients

    for size, steepness in ((1.0, 0.0), (30.0, 0.0), (1.0, 30.0)):
        raw = size * rng.normal(size=(4000, spline.parameters))
        raw[:, 16:] += steepness
        z = 3.0 * rng.normal(size=4000)
        z[:4] = 1e36, -1e36, 5.0, -5.0
        near = rng.integers(1, spline.bins + 1, 2000)  # below a knot, where roots nearly cancel
        z[2000:] = knots(spline, raw)[0][np.arange(2000, 4000), near] - 10 ** -rng.uniform(0.5, 4)
        z, raw = z.astype(np.float32), raw.astype(np.float32)
        x, log_slope, back, gradients = measure(z, raw)
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((back, gradients)))
        # A rounding of x, of relative size 6e-8, moves z by that over the slope.
        error = np.abs(back[0] - z) * np.minimum(np.exp(log_slope), 1)
        assert np.max(error) < 5e-5
        outside = np.abs(z) > 5
        assert np.array_equal(x[outside], z[outside]) and not np.any(log_slope[outside])


def knots(spline: RationalQuadraticSpline, raw: np.ndarray) -> np.ndarray:
    """z, x and slope at every knot, as the parameters ask for them."""
    widths, heights, slopes = np.split(raw, [spline.bins, 2 * spline.bins], axis=-1)
    found = []
    for sides in (widths, heights):
        share = 0.01 / spline.bins + 0.99 * special.softmax(sides, axis=-1)
        inner = spline.bound * (2 * np.cumsum(share, -1)[:, :-1] - 1)
        ends = (-spline.bound, spline.bound)
        found.append(np.pad(inner, [(0, 0), (1, 1)], constant_values=((0, 0), ends)))
    slopes = 0.01 + np.logaddexp(0, slopes + np.log(np.expm1(0.99)))
    return np.stack([*found, np.pad(slopes, [(0, 0), (1, 1)], constant_values=1)])


def test_spline_meets_its_knots() -> None:
    """Values and slopes, of which there is one rational quadratic in a bin; slope 1 at the ends."""
    raw = 2.0 * np.random.default_rng(0).normal(size=(200, SPLINE.parameters))
    z, expected, slopes = knots(SPLINE, raw)
    with jax.enable_x64(True):
        x, log_slope = jit(jax.vmap(SPLINE.forward, (1, None), 1))(z, raw)
    assert np.allclose(x, expected, atol=1e-9)
    assert np.allclose(np.exp(log_slope), slopes, rtol=1e-6)


def test_autoregressive_structure() -> None:
    """Column i depends on all columns before it, on none after it, and on the condition."""
    bijection = MaskedAutoregressive(SPLINE, **SMALL)
    x, condition = rows(20, 5, True)
    params = random_weights(bijection, x, condition, bijection.inverse)
    z_of = functools.partial(bijection.apply, params, method="inverse")
    by_x, by_condition = jit(jax.vmap(jax.jacfwd(lambda x, c: z_of(x, c)[0], argnums=(0, 1))))(
        x, condition
    )
    used = np.any(np.asarray(by_x) != 0, axis=0)
    assert np.array_equal(used, np.tril(np.ones((5, 5), bool)))
    assert np.all(np.diagonal(by_x, axis1=1, axis2=2) > 0)
    assert np.all(np.any(np.asarray(by_condition) != 0, axis=0))


def test_coupling_leaves_the_first_half() -> None:
    layer = CouplingLayer(SPLINE, **SMALL)
    z, condition = rows(20, 5, True)
    params = random_weights(layer, z, condition, layer.inverse)
    x_of = functools.partial(layer.apply, params, method="forward")
    jacobian = jit(jax.vmap(jax.jacfwd(lambda z, c: x_of(z, c)[0])))(z, condition)
    used = np.any(np.asarray(jacobian) != 0, axis=0)
    expected = np.eye(5, dtype=bool)
    expected[2:, :2] = True
    assert np.array_equal(used, expected)


def test_box_muller_is_a_flow_to_the_normal() -> None:
    flow = NormalizingFlow(BoxMuller(), Uniform())
    sample = jit(lambda key: flow.apply({}, key, (20_000, 2), method="sample"))
    x = np.asarray(sample(jax.random.key(0)))
    assert all(stats.kstest(x[:, i], "norm").pvalue > 1e-3 for i in range(2))
    assert stats.kstest(np.sum(x**2, -1), "chi2", args=(2,)).pvalue > 1e-3
    assert stats.kstest(np.arctan2(*x.T) / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-3
    points = np.concatenate([x[:50], [[8.0, -9.0], [1e-3, 0.0]]]).astype(np.float32)
    expected = stats.norm.logpdf(points).sum(-1)
    assert np.allclose(jit(flow.apply)({}, points), expected, rtol=1e-5, atol=1e-5)
    corner, log_det = jit(lambda z: BoxMuller().apply({}, z, method="forward"))(np.zeros((1, 2)))
    assert np.all(np.isfinite(corner)) and np.all(np.isfinite(log_det))


def fit(flow: NormalizingFlow, batch: Batch, steps: int, size: int):
    """Weights after ``steps`` updates on random rows of ``batch``, all in one compiled scan."""
    optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, steps))
    step = make_step(flow.negative_log_likelihood, optimizer, 0.99)
    condition = None if batch.condition is None else batch.condition[:1]
    params = jit(flow.init)(jax.random.key(0), batch.x[:1], condition)

    @jax.jit
    def train(state, batch):
        def update(state, key):
            picked = jax.random.randint(key, (size,), 0, len(batch.x))
            return step(state, key, jax.tree.map(lambda a: a[picked], batch))

        return jax.lax.scan(update, state, jax.random.split(jax.random.key(1), steps))

    return train(initial_state(params, optimizer), batch)[0].ema


def test_learns_a_gaussian_that_turns_with_its_condition() -> None:
    """p(x | c) = N(x_1; c, 1/2) N(x_2; c x_1, 1), each a standard deviation: affine, exactly."""

    def draw(rng, number):
        condition = rng.uniform(-1, 1, (number, 1))
        noise = rng.standard_normal((number, 2))
        first = condition[:, 0] + 0.5 * noise[:, 0]
        x = np.stack([first, condition[:, 0] * first + noise[:, 1]], -1)
        batch = Batch(jnp.asarray(x, jnp.float32), None, jnp.asarray(condition, jnp.float32))
        return batch, stats.norm.logpdf(noise).sum(-1) + np.log(2.0)

    rng = np.random.default_rng(0)
    flow = NormalizingFlow(MaskedAutoregressive(Affine(), width=32))
    params = fit(flow, draw(rng, 20_000)[0], steps=600, size=256)
    held_out, exact = draw(rng, 20_000)
    gap = np.mean(exact - np.asarray(flow.apply(params, held_out.x, held_out.condition)))
    assert -1e-3 < gap < 0.01
    blind = flow.apply(params, held_out.x, -held_out.condition)
    assert np.mean(exact - np.asarray(blind)) > 0.3, "the condition was not used"


class Eight:
    """Standardised batches of the eight Gaussians, a pure function of the step."""

    unit = np.sqrt(12.5 + 0.1**0.5)

    def batch(self, step: int) -> Batch:
        x = EightGaussians().sample(np.random.default_rng(step), 512)
        return Batch((x / self.unit).astype(np.float32))


def held_out_gap(flow: NormalizingFlow, params) -> float:
    """Kullback-Leibler divergence from the eight Gaussians to the flow, in nats."""
    toy = EightGaussians()
    x = toy.sample(np.random.default_rng(10**6), 20_000)
    model = jit(flow.apply)(params, x / np.float32(Eight.unit)) - 2 * np.log(Eight.unit)
    return float(np.mean(toy.log_density(x) - np.asarray(model)))


def train(flow: NormalizingFlow, trainer: Trainer, folder):
    params = jit(flow.init)(jax.random.key(0), Eight().batch(0).x[:1])
    return trainer.fit(flow.negative_log_likelihood, params, Eight(), folder).ema


@pytest.mark.slow
def test_trainer_learns_eight_gaussians(tmp_path) -> None:
    """Entropy 3.763 nats; a Gaussian of the same covariance is 1.5 nats above it."""
    flow = coupling_flow(RationalQuadraticSpline(), layers=3)
    trainer = Trainer(steps=600, learning_rate=1e-2, checkpoint_every=600)
    params = train(flow, trainer, tmp_path)
    gap = held_out_gap(flow, params)
    assert 0 < gap < 0.12
    logged = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert logged["loss"] + 2 * np.log(Eight.unit) == pytest.approx(3.763 + gap, abs=0.15)
    x = jnp.asarray(Eight().batch(10**6).x)

    @jit
    def there_and_back(params, x):
        z, log_det = flow.apply(params, x, method=lambda f, x: f.bijection.inverse(x))
        back, log_det_back = flow.apply(params, z, method=lambda f, z: f.bijection.forward(z))
        return back - x, log_det + log_det_back

    for error in there_and_back(params, x):
        assert np.max(np.abs(error)) < 1e-3, "float32, trained weights"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flow", "largest_gap"),
    [
        (coupling_flow(Affine(), layers=12, rotate=True), 0.2),
        (coupling_flow(RationalQuadraticSpline()), 0.03),
        (masked_autoregressive_flow(Affine(), layers=8, rotate=True), 0.3),
        (masked_autoregressive_flow(RationalQuadraticSpline(), layers=4), 0.03),
    ],
    ids=FLOWS,
)
def test_every_flow_learns_eight_gaussians(flow, largest_gap: float, tmp_path) -> None:
    params = train(flow, Trainer(3000, learning_rate=3e-3, checkpoint_every=3000), tmp_path)
    assert 0 < held_out_gap(flow, params) < largest_gap


def test_a_flow_is_written_and_read_back_equal() -> None:
    for flow in (*FLOWS.values(), NormalizingFlow(Inverse(Chain((BoxMuller(),))), Uniform())):
        assert from_json(json.loads(json.dumps(to_json(flow)))) == flow


def test_errors_name_the_remedy() -> None:
    with pytest.raises(ValueError, match="expected an even number of columns, got 3; Box-Muller"):
        BoxMuller().apply({}, jnp.ones((2, 3)), method="forward")
    with pytest.raises(ValueError, match="at least two columns to couple, got 1; use Masked"):
        coupling_flow(Affine()).init(jax.random.key(0), jnp.ones((2, 1)))
    with pytest.raises(ValueError, match="expected vectors without a mask, got a padded batch"):
        batch = Batch(jnp.zeros((2, 4, 3)), jnp.ones((2, 4), bool))
        FLOWS["affine coupling"].negative_log_likelihood({}, jax.random.key(0), batch)
