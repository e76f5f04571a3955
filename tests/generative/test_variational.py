"""Evidence lower bounds against closed forms, exact likelihoods and quadratures."""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from galgen.generative.models.bridge import Bridge
from galgen.generative.models.variational import Elbo, VariationalDiffusion
from galgen.generative.objectives.preconditioning import PreconditionedPrediction
from galgen.generative.objectives.prediction import DataPrediction, NoisePrediction
from galgen.generative.objectives.times import LogitNormalTimes, LogSNRTimes, UniformTimes
from galgen.generative.paths.affine import LinearPath, VarianceExploding, VariancePreserving
from galgen.generative.paths.base import Uniform
from galgen.generative.paths.noise_schedule import (
    CosineSchedule,
    LearnedLinearSchedule,
    LinearSchedule,
    MonotoneSchedule,
)
from galgen.generative.paths.path import Ends
from galgen.generative.paths.product import ProductPath
from galgen.generative.paths.torus import TorusDiffusion, TorusGeodesic
from galgen.generative.sampling.log_density import ByBound
from galgen.masking import masked_mean
from galgen.serialization import from_json, to_json
from galgen.types import Batch

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
KEY = jax.random.key(0)

MEAN = np.array([0.5, -1.0, 0.2])
SLOPE = np.array([[1.0, 0.3], [0.0, -0.8], [-0.6, 0.4]])
VARIANCE, VECTORS = np.linalg.eigh([[1.5, 0.4, 0.0], [0.4, 0.8, -0.2], [0.0, -0.2, 0.5]])


def center(condition):
    return MEAN if condition is None else MEAN + condition @ SLOPE.T


def gaussian(bridge, error=0.0):
    """The denoiser of data ~ N(center, C): noise = sigma (alpha^2 C + sigma^2)^-1 (x - alpha m)."""

    def denoiser(x, t, mask, condition):
        alpha, sigma = (c.reshape(len(x), 1) for c in bridge.path.scales(t, x))
        if isinstance(bridge.prediction, PreconditionedPrediction):
            x = x * jnp.sqrt(alpha**2 + sigma**2)
        m = center(condition).astype(x.dtype)
        vectors = VECTORS.astype(x.dtype)
        gap = (x - alpha * m) @ vectors / (alpha**2 * VARIANCE.astype(x.dtype) + sigma**2)
        data = m + (alpha * VARIANCE.astype(x.dtype) * gap) @ vectors.T
        ends = Ends(data, (sigma * gap) @ vectors.T + error)
        return bridge.prediction.target(bridge.path, ends, t, bridge.unit(x, mask))

    return denoiser


def sample(number, condition=None):
    noise = np.random.default_rng(0).normal(size=(number, 3))
    return (center(condition) + noise * np.sqrt(VARIANCE) @ VECTORS.T).astype(np.float32)


def log_density(x, condition=None):
    covariance = VECTORS * VARIANCE @ VECTORS.T
    return stats.multivariate_normal.logpdf(x - center(condition), cov=covariance)


def exact_diffusion(x, log_snr_min, log_snr_max, condition=None):
    """Half the integral over r = SNR of (r c^2 + g^2) / (r c + 1)^2, g the gap to the mean."""
    squared = ((x - center(condition)) @ VECTORS) ** 2

    def indefinite(log_snr):
        growth = 1 + np.exp(log_snr) * VARIANCE
        return np.log(growth) + (1 - squared / VARIANCE) / growth

    return 0.5 * np.sum(indefinite(log_snr_max) - indefinite(log_snr_min), axis=-1)


def ends_of(model):
    alpha, sigma = model.bridge.path.scales(
        model.times.quantile(jnp.array([0.0, 1.0])), jnp.zeros((2, 1))
    )
    return np.ravel(2 * np.log(alpha / sigma))


def bound(model, denoiser, x, condition=None, key=KEY):
    found = jit(lambda key, x, c: model(denoiser, key, x, None, c))(key, x, condition)
    terms = {name: np.asarray(value) for name, value in vars(found).items()}
    return types.SimpleNamespace(**terms, total=np.asarray(found.total))


def narrow(low, high):
    return VariancePreserving(schedule=LinearSchedule(low, high))


COSINE = VariancePreserving(schedule=CosineSchedule(0.5, -12.0, 12.0))
MODELS = [
    VariationalDiffusion(Bridge(narrow(-5.0, 6.0), prediction=NoisePrediction())),
    VariationalDiffusion(Bridge(COSINE), LogSNRTimes(COSINE, -5.0, 6.0)),
    VariationalDiffusion(
        Bridge(VarianceExploding(20.0, 0.05), prediction=PreconditionedPrediction())
    ),
    VariationalDiffusion(
        Bridge(LinearPath(), prediction=DataPrediction()), LogSNRTimes(LinearPath(), -5.0, 6.0)
    ),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m.bridge.path).__name__)
def test_terms_and_error_of_gaussian_data(model) -> None:
    condition = np.random.default_rng(1).normal(size=(2000, 2)).astype(np.float32)
    x = sample(2000, condition)
    found = bound(model, gaussian(model.bridge), x, condition)
    low, high = ends_of(model)
    assert np.all(found.error > 0)
    miss = found.diffusion - exact_diffusion(x, low, high, condition)
    assert abs(miss.mean()) < 4 * np.sqrt(np.mean(found.error**2) / len(x))
    assert np.mean(miss**2) == pytest.approx(np.mean(found.error**2), rel=0.15)
    assert np.mean((miss / found.error) ** 2) == pytest.approx(1.0, abs=0.25)
    # The laws at both ends: x_0 against the start, and y against x_1 / alpha.
    alpha, sigma = 1 / np.sqrt(1 + np.exp(-low)), 1 / np.sqrt(1 + np.exp(low))
    if isinstance(model.bridge.path, VarianceExploding):
        alpha, sigma = 1 / 20.0, 1.0  # in units of the start's width
    prior = 0.5 * np.sum((alpha * x) ** 2 + sigma**2 - 1 - 2 * np.log(sigma), axis=-1)
    if not isinstance(model.bridge.path, LinearPath):
        assert np.allclose(found.prior, prior, atol=1e-5)
    entropy = 3 * stats.norm(scale=np.exp(-high / 2)).entropy()
    assert np.allclose(found.reconstruction, entropy, atol=1e-4)


@pytest.mark.parametrize("path", [LinearPath(), COSINE])
def test_times_even_in_log_snr(path) -> None:
    """They and their first and second derivatives, against differences in float64."""
    with jax.enable_x64(True):
        times, u, step = LogSNRTimes(path, -7.0, 9.0), jnp.linspace(0.0, 1.0, 9), 1e-5

        def slope(u):
            return jax.jvp(times.quantile, (u,), (jnp.ones_like(u),))[1]

        def both(u):
            return (times.quantile(u), *jax.jvp(slope, (u,), (jnp.ones_like(u),)))

        t, first, second = jit(jax.vmap(both))(u + step * jnp.array([[-1.0], [0.0], [1.0]]))
        alpha, sigma = path.scales(t[1], jnp.zeros((9, 1)))
        t, first, second = (np.asarray(a) for a in (t, first, second))
    assert np.allclose(2 * np.log(alpha / sigma)[:, 0], np.linspace(-7, 9, 9), atol=1e-9)
    assert np.allclose(first[1], (t[2] - t[0]) / (2 * step), rtol=1e-5, atol=1e-8)
    assert np.allclose(second[1], (first[2] - first[0]) / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.slow
def test_bound_meets_the_likelihood_as_the_range_widens() -> None:
    """The mean gap is KL(q(x_0) || p(x_0)) + mean KL(q(y | x_1) || p(y | x_1)), at any range."""
    x, gaps = sample(4000), []
    for half in (2.0, 4.0, 9.0):
        model = VariationalDiffusion(Bridge(narrow(-half, half)), draws=128)
        found = bound(model, gaussian(model.bridge), x)
        gap = np.mean(log_density(x) - found.total)
        alpha = 1 / (1 + np.exp(half))
        start = alpha * VARIANCE + 1 - alpha
        prior = np.sum(alpha * (MEAN @ VECTORS) ** 2 + start - 1 - np.log(start))
        decoder = np.sum(np.log1p(np.exp(-half) / VARIANCE))
        error = np.sqrt(np.mean(found.error**2) / len(x))
        # Over the data what is known of the gap, example by example, varies too.
        exact = exact_diffusion(x, -half, half) - found.diffusion + found.total
        spread = np.std(log_density(x) - exact) / np.sqrt(len(x))
        assert gap == pytest.approx(0.5 * (prior + decoder), abs=4 * np.hypot(error, spread))
        gaps.append(gap)
    assert gaps[0] > 0.2 and gaps[0] > 3 * gaps[1] and gaps[1] > 0.02
    assert abs(gaps[2]) < 0.03


def test_bound_of_a_wrong_denoiser_is_lower() -> None:
    """By half the range of log-SNR times its squared error, which is independent of the truth's."""
    model, x = MODELS[0], sample(2000)
    right = bound(model, gaussian(model.bridge), x)
    wrong = bound(model, gaussian(model.bridge, 0.3), x)
    assert np.mean(right.total - wrong.total) == pytest.approx(0.5 * 11 * 3 * 0.09, rel=0.05)


def test_decoder_width() -> None:
    x = np.zeros((1, 3), np.float32)
    bridge = Bridge(narrow(-5.0, 6.0))
    noise = np.exp(-3.0)
    for width in (0.02, (0.02, noise, 0.3)):
        model = VariationalDiffusion(bridge, draws=2, decoder=width)
        found = bound(model, lambda x, *_: x, x).reconstruction
        truth = -stats.norm(scale=width).logpdf(0) + 0.5 * (noise / np.array(width)) ** 2
        assert found == pytest.approx(np.sum(np.broadcast_to(truth, 3)), rel=1e-5)
        best = VariationalDiffusion(bridge, draws=2)
        assert bound(best, lambda x, *_: x, x).reconstruction < found


def test_draws_in_strata_have_less_variance_than_independent_ones() -> None:
    """Of many columns the noise averages out, and what is left is the draw of the time."""
    x = np.random.default_rng(0).normal(size=(1, 256)).astype(np.float32)
    bridge = Bridge(narrow(-8.0, 8.0), prediction=NoisePrediction())

    def denoiser(x, t, mask, condition):
        return bridge.path.scales(t, x)[1] * x

    def estimates(draws, number):
        model = VariationalDiffusion(bridge, draws=draws)
        keys = jax.random.split(KEY, number)
        call = jit(jax.vmap(lambda key, x: model(denoiser, key, x).diffusion[0], (0, None)))
        return np.asarray(call(keys, x))

    strata = estimates(32, 200)
    independent = estimates(2, 16 * 200).reshape(200, 16).mean(axis=1)
    assert strata.mean() == pytest.approx(independent.mean(), rel=0.02)
    assert np.var(independent) > 20 * np.var(strata)


def test_batch_spreads_its_times() -> None:
    """The mean over a batch of two draws each knows time as well as that of many draws."""
    model = VariationalDiffusion(Bridge(narrow(-5.0, 6.0)), draws=4)
    places = np.asarray(model._places(KEY, 8))
    assert np.array_equal(np.sort(np.floor(places * 16), axis=1)[::2], [range(8), range(8, 16)])
    assert np.array_equal(np.sort(np.floor(places * 16), axis=1)[1::2], [range(8), range(8, 16)])
    many = np.asarray(jit(jax.vmap(lambda k: model._places(k, 2)))(jax.random.split(KEY, 4000)))
    assert np.allclose(many.mean(axis=0), [[0.25] * 2] * 2 + [[0.75] * 2] * 2, atol=0.01)
    one, other = many[:, 0, 0], many[:, 1, 0]  # the pair of one example
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.06


def test_the_same_draws_compare_conditions() -> None:
    """The difference in log density between two conditions, on the same data."""
    x = np.repeat(sample(1), 2, axis=0)
    condition = np.array([[0.0, 0.0], [0.3, 0.0]], np.float32)
    truth = np.diff(log_density(x, condition))[0]
    variance = {}
    for shared in (False, True):
        model = VariationalDiffusion(
            Bridge(narrow(-9.0, 9.0), prediction=NoisePrediction()), draws=64
        )

        def total(key, x, condition, model=model, shared=shared):
            if shared:
                return ByBound(64)(model.flow(gaussian(model.bridge)), key, x[0], None, condition)
            return model(gaussian(model.bridge), key, x, None, condition).total

        totals = jit(jax.vmap(total, (0, None, None)))(jax.random.split(KEY, 300), x, condition)
        difference = np.diff(totals, axis=1)[:, 0]
        variance[shared] = np.var(difference)
        tolerance = 4 * float(difference.std()) / 300**0.5 + 2e-3
        assert difference.mean() == pytest.approx(truth, abs=tolerance)
    assert variance[False] > 50 * variance[True]


def learned(schedule, params):
    path = VariancePreserving(schedule=lambda t: schedule.apply(params, t))
    return Bridge(path, prediction=NoisePrediction())


@pytest.mark.slow
def test_interior_of_the_schedule_does_not_matter() -> None:
    """Kingma et al. 2021, eq. 18: only the ends do, and their gradients are the closed form's."""
    x, schedule = sample(200), MonotoneSchedule(-4.0, 5.0, width=3)
    steep = schedule.init(KEY, jnp.zeros(1))
    steep["params"] |= {"weights": jnp.array([3.0, -2.0, 2.0]), "rates": jnp.full(3, 12.0)}
    plain = LearnedLinearSchedule(-4.0, 5.0).init(KEY, jnp.zeros(1))
    middle = schedule.apply(steep, jnp.array([0.25, 0.5, 0.75]))
    assert np.abs(middle - np.array([-1.75, 0.5, 2.75])).max() > 0.8

    def mean(params, key, x, schedule):
        bridge = learned(schedule, params)
        return jnp.mean(VariationalDiffusion(bridge)(gaussian(bridge), key, x).diffusion)

    truth, step = exact_diffusion(x, -4.0, 5.0), 1e-3
    both = (exact_diffusion(x, step - 4, 5 + step) - truth).mean() / step
    upper = (exact_diffusion(x, -4, 5 + step) - truth).mean() / step
    assert both > 0.5 and upper > 0.5
    upper *= 1 - np.exp(-9.0)  # of the softplus
    for module, params in ((schedule, steep), (LearnedLinearSchedule(-4.0, 5.0), plain)):
        call = jax.value_and_grad(functools.partial(mean, schedule=module))
        value, slope = jit(jax.vmap(call, (None, 0, None)))(params, jax.random.split(KEY, 32), x)
        found = {"value": value, **slope["params"]}
        expected = {"value": truth.mean(), "log_snr_min": both, "raw_span": upper}
        for name, draws in found.items():
            miss = np.asarray(draws) - expected.get(name, 0.0)
            error = miss.std(axis=0, ddof=1) / 32**0.5
            assert np.all(error < 0.08)
            assert np.all(np.abs(miss.mean(axis=0)) < 4 * error + 1e-3), name


def test_loss_is_the_bound_per_dimension_and_moves_the_ends() -> None:
    schedule = LearnedLinearSchedule(-3.0, 4.0)
    params = schedule.init(KEY, jnp.zeros(1))
    x = sample(8).reshape(4, 2, 3)
    mask = np.array([[True, True], [True, False], [True, True], [False, False]])

    def denoiser(x, t, mask, condition):
        return 0.6 * x

    def loss(params, x, mask):
        model = VariationalDiffusion(learned(schedule, params), draws=8)
        return model.loss(denoiser, KEY, Batch(x, mask)), model(denoiser, KEY, x, mask)

    (value, found), slope = jit(jax.value_and_grad(loss, has_aux=True))(params, x, mask)
    # Of six numbers, three, six and none: each cloud counts once, but the empty one.
    assert np.allclose(value, -np.mean(found.total[:3] / np.array([6, 3, 6])), rtol=1e-5)
    assert found.total[3] == 0 and found.error[3] == 0
    for name in ("log_snr_min", "raw_span"):
        assert np.isfinite(slope["params"][name]) and np.abs(slope["params"][name]) > 0.05


def interacting(x, t, mask, condition):
    """Couples the points of a cloud, and ignores padding."""
    middle = masked_mean(x, mask, 1)[:, None]
    return jnp.sin(2.0 * x + middle + t[:, None, None]) * condition[:, None]


def test_padding_never_speaks() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(2, 3, 4)).astype(np.float32)
    condition = rng.normal(size=(2, 4)).astype(np.float32)
    mask = np.array([[True] * 3, [True] * 2 + [False]])
    padded = np.full((2, 7, 4), np.nan, np.float32)
    wide = np.pad(mask, ((0, 0), (0, 4)))
    padded[wide] = x[mask]
    path = ProductPath((TorusDiffusion(), VariancePreserving()), (3, 1))
    bridge = Bridge(path, prediction=NoisePrediction())
    model = VariationalDiffusion(bridge, draws=4)

    def total(x, condition, mask):
        found = model(interacting, KEY, x, mask, condition)
        return jnp.sum(found.total), found

    call = jit(jax.value_and_grad(total, (0, 1), has_aux=True))
    (_, found), (slope, response) = call(x, condition, mask)
    (_, other), (wide_slope, wide_response) = call(padded, condition, wide)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(other), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert np.allclose(slope, wide_slope[:, :3], rtol=1e-4, atol=1e-4)
    assert np.allclose(response, wide_response, rtol=1e-4)
    assert np.all(wide_slope[:, 3:] == 0) and np.all(slope[1, 2] == 0)
    assert np.all(slope[0] != 0)
    assert np.allclose(found.reconstruction[0], 1.5 * found.reconstruction[1], rtol=1e-5)


def wrapped_density(d, width):
    return stats.norm.pdf(d + np.arange(-30, 31)[:, None], scale=width).sum(axis=0)


@pytest.mark.parametrize(
    ("sigma_max", "sigma_min", "decoder"),
    [(0.4, 0.01, 0.01), (0.5, 0.2, 0.35), (1.0, 0.29, 0.29), (0.5, 0.31, 0.31)],
)
def test_ends_on_the_torus(sigma_max, sigma_min, decoder) -> None:
    path = TorusDiffusion(sigma_max, sigma_min)
    bridge = Bridge(path, prediction=NoisePrediction())
    model = VariationalDiffusion(bridge, draws=2, decoder=decoder)
    found = bound(model, lambda x, *_: x, np.full((1, 2), 0.3, np.float32))

    def integral(integrand):
        return 2 * integrate.quad(integrand, -0.5, 0.5, limit=200, points=[0.0])[0]

    def prior(d):
        density = wrapped_density(d, sigma_max)[0]
        return density * np.log(density)

    def reconstruction(d):
        density = wrapped_density(d, sigma_min)[0]
        return -density * np.log(wrapped_density(d, decoder)[0]) if density else 0.0

    assert found.prior == pytest.approx(integral(prior), abs=2e-6)
    assert found.reconstruction == pytest.approx(integral(reconstruction), abs=2e-4)


def test_bound_meets_the_likelihood_on_the_torus_and_beside_it() -> None:
    """Rows of a wrapped N(0.9, 0.07^2) and a plain N(-1, 0.5^2), under their exact noise."""
    path = ProductPath((TorusDiffusion(0.6, 0.002), narrow(-9.0, 9.0)), (1, 1))
    bridge = Bridge(path, prediction=NoisePrediction())
    images = np.arange(-4, 5, dtype=np.float32)

    def denoiser(x, t, mask, condition):
        alpha, sigma = path.scales(t, x)

        def log_density(x):
            gap = (x[..., :1] - 0.9 + images) ** 2 / (0.07**2 + sigma[..., :1] ** 2)
            wrapped = jax.nn.logsumexp(-0.5 * gap, axis=-1)
            gap = x[..., 1] + alpha[..., 1]
            plain = -0.5 * gap**2 / (0.25 * alpha[..., 1] ** 2 + sigma[..., 1] ** 2)
            return jnp.sum(wrapped + plain)

        return -sigma * jax.grad(log_density)(x)

    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1500, 2, 2))
    x = np.stack([(0.9 + 0.07 * noise[..., 0]) % 1, 0.5 * noise[..., 1] - 1], axis=-1)
    truth = np.log(wrapped_density(x[..., 0].ravel() - 0.9, 0.07)).reshape(-1, 2)
    truth = np.sum(truth + stats.norm.logpdf(x[..., 1], -1, 0.5), axis=1)
    found = bound(VariationalDiffusion(bridge), denoiser, x.astype(np.float32))
    miss = found.total - truth
    error = np.sqrt(np.mean(found.error**2))
    assert 0.1 < error < 2
    assert abs(miss.mean()) < 4 * error / np.sqrt(len(x))
    assert np.sqrt(np.mean(miss**2)) == pytest.approx(error, rel=0.1)


def test_half_precision() -> None:
    model, x = MODELS[0], sample(200)
    full = bound(model, gaussian(model.bridge), x)
    half = bound(model, gaussian(model.bridge), jnp.asarray(x, jnp.bfloat16))
    assert half.total.dtype == np.float32
    assert np.mean(half.total) == pytest.approx(np.mean(full.total), abs=0.2)


def test_settings_read_back_equal_and_errors_say_what_to_do() -> None:
    bridge = Bridge(VariancePreserving())
    model = VariationalDiffusion(bridge, LogitNormalTimes(), 8, (0.1, 0.2))
    assert from_json(to_json(model)) == model
    assert from_json(to_json(LogSNRTimes(LinearPath()))) == LogSNRTimes(LinearPath())
    assert Elbo(*jnp.ones((4, 2))).total.shape == (2,)
    for settings, message in (
        ({"bridge": Bridge(TorusGeodesic())}, "a path with Gaussian noise for an evidence"),
        ({"bridge": Bridge(LinearPath()), "times": UniformTimes()}, "finite log-SNR at both ends"),
        ({"bridge": Bridge(LinearPath(Uniform()))}, "a path with Gaussian noise"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(model, **settings)
    for settings, message in (
        ((VariancePreserving(), -9.0), "within the path's -8"),
        ((VariancePreserving(), 2.0, 1.0), "log_snr_min to log_snr_max"),
        ((ProductPath((TorusDiffusion(), LinearPath()), (3, 1)),), "expected one path"),
        ((TorusGeodesic(),), "a path with Gaussian noise"),
    ):
        with pytest.raises(ValueError, match=message):
            LogSNRTimes(*settings)
    with pytest.raises(ValueError, match="one for each of 3 columns, got 2"):
        model(lambda x, *_: x, KEY, jnp.zeros((1, 3)))
    with pytest.raises(ValueError, match="expected a mask"):
        model(lambda x, *_: x, KEY, jnp.zeros((1, 3, 2)), jnp.ones((1, 2), bool))
