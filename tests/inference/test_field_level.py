"""log p(catalogue | condition) against closed forms, and what it refuses or warns of."""

import dataclasses
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import known_fields
import numpy as np
import pytest
from known_fields import BOX, draw, exact, law_of_the_flow, marks, uniform_points

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import ToyDataset
from galgen.data.toys import TwoMoons
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.generative import (
    AdaptiveSteps,
    Affine,
    Bridge,
    ContinuousFlow,
    ExactDivergence,
    FixedSteps,
    FlowSampler,
    Hutchinson,
    LearnedDiffusion,
    Likelihood,
    LinearPath,
    LogSNRTimes,
    MaximumLikelihood,
    MeanFlow,
    MonotoneSchedule,
    Sampler,
    TorusDiffusion,
    TorusGeodesic,
    VariationalDiffusion,
    coupling_flow,
)
from galgen.generative.models.model import DenoisingModel
from galgen.generative.sampling.log_density import ByBound, ByFlow, log_density_of
from galgen.inference.likelihood.field_level import FieldLevel
from galgen.inference.priors.prior import uniform_prior
from galgen.networks import MLP
from galgen.run import Run


def still(x, t, mask, condition):
    return jnp.zeros_like(x)


pytestmark = pytest.mark.usefixtures("quick_compilation")
KEY = jax.random.key(3)
TRUTH = (0.35, 0.75)
STEP = 1e-4
AROUND = np.array(TRUTH) + STEP * np.concatenate([np.eye(2), -np.eye(2)])
GRID = np.array([[0.2, 0.7], [0.35, 0.75], [0.33, 0.8], [0.45, 0.95]])
FLOW = ByFlow(Likelihood(Hutchinson(2), FixedSteps(24)))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return draw(TRUTH)


@pytest.fixture(scope="module")
def by_bound(catalogue) -> np.ndarray:
    field = marks(ByBound(draws=32))
    return field.evaluate(field.encode(catalogue), GRID, seed=1, replicas=64, batch=3)


def test_the_bound_is_the_density_in_physical_units(catalogue, by_bound) -> None:
    """With an optimal denoiser the gap is that of both ends: SNR_0 (e^-12) and 1 / SNR_1 (e^-9)."""
    truth = exact(catalogue, GRID)
    error = by_bound.std(axis=0, ddof=1) / 8
    below = truth - by_bound.mean(axis=0)
    gap = 0.05 + 1e-3 * np.abs(truth)
    assert np.all(np.abs(below) < 4 * error + gap), (below, error)


def test_differences_are_known_better_than_values(catalogue, by_bound) -> None:
    truth = exact(catalogue, GRID)
    differences = by_bound - by_bound[:, 1:2]
    error = differences.std(axis=0, ddof=1) / 8
    assert np.all(error[2] < 0.2 * by_bound.std(axis=0, ddof=1)[2] / 8)
    miss = differences.mean(axis=0) - (truth - truth[1])
    assert np.all(np.abs(miss) < 4 * error + 0.05), (miss, error)


def test_the_flow_is_the_density_too(catalogue) -> None:
    field = marks(FLOW)
    values = field.evaluate(field.encode(catalogue), GRID, seed=1, replicas=2, batch=4)
    # The divergence is a number times the identity: probes have no noise.
    assert np.allclose(values, exact(catalogue, GRID, *law_of_the_flow()), atol=0.02)


def test_uniform_points_are_a_poisson_process() -> None:
    """N log n - n V, whatever the positions."""
    rng = np.random.default_rng(0)
    columns = dict(zip("xyz", 20.0 * rng.random((3, 30)), strict=True))
    field = uniform_points(ByBound(draws=64))
    values = field.evaluate(field.encode(Catalogue(columns, BOX)), GRID, replicas=16)
    mean = known_fields.CARDINALITY.mean(known_fields.standard(GRID))
    truth = 30 * np.log(mean / 8000.0) - mean
    error = values.std(axis=0, ddof=1) / 4
    assert np.all(np.abs(values.mean(axis=0) - truth) < 4 * error + 0.3), (values.mean(0), truth)
    # The noise is the same at all conditions, and so are the estimates but for p(N | c).
    spread = (values - truth).std(axis=1)
    assert np.all(spread < 1e-3)


def slopes(density, catalogue) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of log p at the truth, and differences of the same estimate, in float64."""
    with jax.enable_x64(True):
        field = marks(density)
        seen = field.encode(catalogue)
        seen = dataclasses.replace(seen, x=seen.x.astype(np.float64))

        def log_prob(theta):
            return field.log_prob(seen, theta, KEY)

        theta = jnp.asarray(TRUTH, jnp.float64)[None]
        slope = np.asarray(jax.jit(jax.grad(lambda c: log_prob(c)[0]))(theta))[0]
        up, down = np.split(np.asarray(jax.jit(log_prob)(AROUND)), 2)
    return slope, (up - down) / (2 * STEP)


def test_gradient_of_the_bound_follows_differences(catalogue) -> None:
    slope, difference = slopes(ByBound(draws=8), catalogue)
    assert np.allclose(slope, difference, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_gradient_of_the_flow_follows_differences_and_the_closed_form(catalogue) -> None:
    slope, difference = slopes(FLOW, catalogue)
    assert np.allclose(slope, difference, rtol=1e-4, atol=1e-3)
    up, down = np.split(exact(catalogue, AROUND, *law_of_the_flow()), 2)
    assert np.allclose(slope, (up - down) / (2 * STEP), rtol=1e-3)


class OneLayer(nn.Module):
    """A dense layer of rows and their condition."""

    @nn.compact
    def __call__(self, x, t, mask, condition):
        condition = jnp.broadcast_to(condition[:, None], (*x.shape[:2], condition.shape[-1]))
        return nn.Dense(x.shape[-1])(jnp.concatenate([x, condition], axis=-1))


def test_of_a_run_it_multiplies_as_in_training(catalogue) -> None:
    network, model = OneLayer(), marks().model
    params = network.init(KEY, jnp.zeros((1, 3, 2)), None, None, jnp.zeros((1, 2)))
    theta, values = jnp.asarray(GRID, jnp.float32), {}
    for precision in ("float32", "bfloat16"):
        experiment = Experiment(ToyDataset(TwoMoons()), network, model, precision=precision)
        run = Run(experiment, marks().encoding, params, Path("run"))
        field = FieldLevel.of(run, ByBound(8))
        assert (field.precision, field.density) == (precision, ByBound(8))
        values[precision] = field.log_prob(field.encode(catalogue), theta, KEY)
    assert not np.allclose(values["float32"], values["bfloat16"], rtol=1e-5)
    assert np.allclose(values["float32"], values["bfloat16"], rtol=1e-2)
    whole = FieldLevel.of(run, extrapolate=True)
    assert whole.extrapolate and "params" not in repr(whole), "weights are not printed"


@dataclasses.dataclass(frozen=True)
class OwnFamily(DenoisingModel):
    """A family that no module of the library names."""

    bridge: Bridge

    def sums(self, denoiser, key, batch):
        return self.bridge.sums(denoiser, key, batch)

    def flow(self, denoiser):
        return self.bridge.flow(denoiser)

    @property
    def default_sampler(self):
        return Sampler(steps=3)


def test_a_family_of_ones_own_is_drawn_from_and_has_a_density(catalogue) -> None:
    field = marks(ByBound(8))
    own = dataclasses.replace(field, model=OwnFamily(field.model), density=None)
    assert own.density == ByBound()
    values, theta = [], jnp.asarray(GRID, jnp.float32)
    for one in (field, dataclasses.replace(own, density=ByBound(8))):
        values.append(one.log_prob(one.encode(catalogue), theta, KEY))
    assert np.array_equal(*values)
    experiment = Experiment(ToyDataset(TwoMoons()), field.network, own.model)
    assert experiment.sampler == Sampler(steps=3)
    with pytest.raises(InputError, match="draws from OwnFamily, got FlowSampler; it goes with Sam"):
        dataclasses.replace(experiment, sampler=FlowSampler())


def test_padding_says_nothing(catalogue, by_bound) -> None:
    large = marks(ByBound(draws=32), sizes=(48,))
    assert large.encode(catalogue).x.shape == (48, 2)
    values = large.evaluate(large.encode(catalogue), GRID, seed=1, replicas=2, batch=3)
    assert np.allclose(values, by_bound[:2], rtol=1e-5, atol=1e-3)


def test_families_get_the_density_that_suits_them() -> None:
    params = {"network": {}, "schedule": MonotoneSchedule().init(KEY, jnp.zeros(1))}
    assert isinstance(log_density_of(Bridge(TorusDiffusion()).flow(still)), ByBound)
    assert isinstance(log_density_of(LearnedDiffusion().with_params(MLP(), params)), ByBound)
    geodesic = Bridge(TorusGeodesic())
    assert isinstance(log_density_of(geodesic.flow(still)), ByFlow)
    continuous = ContinuousFlow(geodesic, Likelihood(ExactDivergence())).flow(still)
    assert log_density_of(continuous) == ByFlow(Likelihood(Hutchinson(2), AdaptiveSteps()))
    with pytest.raises(InputError, match=r"Gaussian noise for an evidence.*use ByFlow"):
        ByBound().check(geodesic.flow(still))
    flow = MaximumLikelihood().with_params(coupling_flow(Affine(), 2), {})
    for model in (MeanFlow(LinearPath()).flow(still), flow):
        with pytest.raises(InputError, match="a model with a density of clouds"):
            log_density_of(model)


def test_every_bound_takes_the_draws_and_times() -> None:
    bridge = Bridge(LinearPath())
    times = LogSNRTimes(LinearPath(), -5.0, 6.0)
    bound = ByBound(8).bound_of(VariationalDiffusion(bridge, times, draws=2).flow(still))
    assert (bound.draws, bound.times) == (8, times)
    flow = bridge.flow(still)
    assert ByBound(8, times).bound_of(flow).times == times
    # The ends of the path are infinite, as they are in a compiled program.
    assert isinstance(ByBound(8).bound_of(flow).times, LogSNRTimes)
    seen = []
    jax.jit(lambda: seen.append(ByBound(8).bound_of(flow)))()
    assert isinstance(seen[0].times, LogSNRTimes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"box": (30.0, 20.0, 20.0)}, r"trained box \(20.0"),
        ({"periodic": False}, "a periodic box as in training, got one that is open"),
        ({"columns": {"a": np.ones(12)}}, r"a column 'b', got columns \['a'\]"),
        ({"units": {"a": "kpc/h", "b": ""}}, "column 'a' in '' as in training, got 'kpc/h'"),
        ({"columns": {"a": np.ones(0), "b": np.ones(0)}}, "a catalogue with points, got none"),
    ],
)
def test_catalogues_the_model_was_not_trained_for(catalogue, change, words) -> None:
    with pytest.raises(InputError, match=words):
        marks().encode(catalogue.replace(**change))


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"redshift": 1.0}, "redshift", "trained at redshift 0 to 0.5, the catalogue is at 1"),
        ({"cosmology": {"h": 0.5}}, "cosmology", "all training had h 0.7, got 0.5"),
        ({"columns": {n: np.ones(5) for n in "ab"}}, "points", "too few points: 5, trained on 10"),
        ({"columns": {n: np.ones(99) for n in "ab"}}, "points", "many points: 99"),
        ({"columns": {n: np.ones(20) for n in "abc"}}, "columns", "does not look at c"),
    ],
)
def test_what_is_unusual_is_named(catalogue, change, name, words) -> None:
    (warning,) = marks().encode(catalogue.replace(**change)).warnings
    assert warning.name == name and words in str(warning)
    assert marks().encode(catalogue).warnings == ()


def test_conditions_outside_the_training_and_wrong_runs(catalogue) -> None:
    field = marks()
    seen = field.encode(catalogue)
    with pytest.raises(InputError, match=r"omega_m in the trained range \[0.1, 0.5\], got 0.6"):
        field.evaluate(seen, np.array([[0.6, 0.8]]))
    with pytest.raises(InputError, match="2 replicas or more"):
        field.evaluate(seen, GRID, replicas=1)
    with pytest.raises(InputError, match=r"sigma_8 in the trained range"):
        field.check_prior(uniform_prior({"omega_m": (0.1, 0.5), "sigma_8": (0.5, 1.0)}))
    with pytest.raises(InputError, match=r"prior of \['omega_m', 'sigma_8'\] in this order"):
        field.check_prior(uniform_prior({"omega_m": (0.1, 0.5)}))
    dataclasses.replace(field, extrapolate=True).check_prior(
        uniform_prior({"omega_m": (0.1, 0.6), "sigma_8": (0.5, 1.0)})
    )
    no_condition = dict.fromkeys(
        ("condition", "condition_means", "condition_scales", "condition_ranges"), ()
    )
    with pytest.raises(InputError, match="a run of catalogues with a condition to infer"):
        FieldLevel(field.model, field.network, {}, known_fields.encoding(**no_condition))
