"""Tasks of simulation-based inference: their exact posteriors against brute force."""

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal

from galgen.errors import InputError
from galgen.inference.neural.tasks import GaussianLinearTask, SLCPTask, TaskDataset, TwoMoonsTask
from galgen.serialization import from_json, to_json


def accepted(task, observation, width, number=2_000_000):
    """Rejection: parameters of the prior whose simulation falls within ``width`` of the data."""
    rng = np.random.default_rng(5)
    theta = task.prior(rng, number)
    near = np.all(np.abs(task.simulate(rng, theta) - observation) < width, axis=-1)
    return theta[near]


def test_two_moons_by_rejection() -> None:
    task, observation = TwoMoonsTask(), np.array([-0.1, 0.15])
    exact = task.posterior(np.random.default_rng(0), observation, 4000)
    brute = accepted(task, observation, 0.01)
    assert len(brute) > 300 and np.all(np.abs(exact) <= 1)
    # Along and across the crescents, and which crescent: all that there is.
    for direction in ((1, 1), (1, -1), (1, 0)):
        assert kstest(exact @ direction, brute @ direction).pvalue > 0.001
    radius = np.hypot(
        np.abs(exact @ (1, 1)) / np.sqrt(2) + observation[0] - 0.25,
        observation[1] - exact @ (-1, 1) / np.sqrt(2),
    )
    assert abs(radius.mean() - 0.1) < 0.001 and abs(radius.std() - 0.01) < 0.001


def test_two_moons_with_impossible_noise() -> None:
    """Data so far to the right that some of the noise has no parameters at all."""
    task, observation = TwoMoonsTask(), np.array([0.3, 0.0])
    exact = task.posterior(np.random.default_rng(0), observation, 2000)
    brute = accepted(task, observation, 0.015)
    assert kstest(np.abs(exact.sum(axis=1)), np.abs(brute.sum(axis=1))).pvalue > 0.001


def test_gaussian_linear_in_closed_form() -> None:
    task = GaussianLinearTask(dimensions=3)
    observation = np.array([0.2, -0.5, 0.0])
    exact = task.posterior(np.random.default_rng(0), observation, 20_000)
    assert np.allclose(exact.mean(axis=0), observation / 2, atol=0.006)
    assert np.allclose(np.cov(exact.T), 0.05 * np.eye(3), atol=0.002)
    brute = accepted(task, observation, 0.1)
    assert np.allclose(brute.mean(axis=0), observation / 2, atol=0.03)


def test_slcp_by_importance() -> None:
    """Every marginal mean and covariance of |theta|, against weights of draws of the prior."""
    task = SLCPTask(proposals=400_000)
    rng = np.random.default_rng(3)
    truth = np.array([[0.7, -2.6, 1.2, -1.4, 0.4]])
    observation = task.simulate(rng, truth)[0]
    exact = task.posterior(rng, observation, 4000)
    assert np.all(np.abs(exact) <= 3) and np.any(exact[:, 2] < 0) and np.any(exact[:, 2] > 0)
    theta = task.prior(rng, 400_000)
    logarithm = np.zeros(len(theta))
    s1, s2, rho = theta[:, 2] ** 2, theta[:, 3] ** 2, np.tanh(theta[:, 4])
    for point in observation.reshape(4, 2):
        a, b = (point[0] - theta[:, 0]) / s1, (point[1] - theta[:, 1]) / s2
        squared = (a**2 - 2 * rho * a * b + b**2) / (1 - rho**2)
        logarithm -= 0.5 * squared + np.log(s1 * s2 * np.sqrt(1 - rho**2))
    weight = np.exp(logarithm - logarithm.max())
    weight /= weight.sum()
    values, drawn = np.abs(theta), np.abs(exact)
    mean = weight @ values
    std = np.sqrt(weight @ (values - mean) ** 2)
    error = std * np.sqrt(np.sum(weight**2) + 1 / len(exact))
    assert 1 / np.sum(weight**2) > 200
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 4 * error)
    assert np.allclose(drawn.std(axis=0), std, rtol=0.15)


def test_slcp_simulates_its_covariance() -> None:
    theta = np.repeat([[1.0, -1.0, 1.1, 0.8, -0.6]], 40_000, axis=0)
    points = SLCPTask().simulate(np.random.default_rng(0), theta).reshape(-1, 2)
    s1, s2, rho = 1.1**2, 0.8**2, np.tanh(-0.6)
    covariance = np.array([[s1**2, rho * s1 * s2], [rho * s1 * s2, s2**2]])
    assert np.allclose(points.mean(axis=0), [1, -1], atol=0.02)
    assert np.allclose(np.cov(points.T), covariance, atol=0.02)
    assert multivariate_normal([1, -1], covariance).logpdf(points).mean() < 0


def test_a_spiked_posterior_is_refused() -> None:
    task = SLCPTask(proposals=10_000)
    observation = task.simulate(np.random.default_rng(0), np.array([[0.0, 0, 0.1, 0.1, 2.9]]))[0]
    with pytest.raises(InputError, match=r"expected an effective number .* raise proposals"):
        task.posterior(np.random.default_rng(1), observation, 1000)


def test_dataset_standardises_and_keeps_some_aside() -> None:
    data = TaskDataset(SLCPTask(), 200, seed=4)
    prepared = data.prepare(32, 0)
    batch = prepared.source.batch(0)
    assert batch.x.shape == (32, 8) and batch.condition.shape == (32, 5) and batch.mask is None
    assert np.all(np.abs(batch.condition) <= 1)
    held_out = data.held_out_source(prepared.encoding, 20, "validation")
    seen = np.concatenate([prepared.source.batch(i).condition for i in range(6)])
    unseen = held_out.batch(0).condition
    assert len(np.unique(unseen, axis=0)) == 20
    assert not set(map(tuple, seen.tolist())) & set(map(tuple, unseen.tolist()))
    parameters = prepared.encoding.parameters
    values = np.array([[0.5, -1.0, 2.0, 0.0, 3.0]])
    assert np.allclose(parameters.decode(parameters.encode(values)), values)
    assert from_json(to_json((data, prepared.encoding))) == (data, prepared.encoding)


def test_encoding_of_vectors_plans_and_decodes() -> None:
    encoding = TaskDataset(TwoMoonsTask(), 100).prepare(8, 0).encoding
    conditions = [{"theta_1": 0.1 * i, "theta_2": -0.5} for i in range(3)]
    (first, second) = encoding.plan(conditions, 2, seed=0)
    assert first.shape == (2, 2) and second.rows == (2, -1) and second.wanted == [2]
    assert np.allclose(second.condition[0], [0.2, -0.5])
    x = np.array([[0.3, -0.2], [0.0, 0.0]])
    assert np.allclose(encoding.decode(second, encoding.encode(x), {}), x[:1], atol=1e-6)
    with pytest.raises(InputError, match=r"theta_1 in the trained range \[-1, 1\], got 2"):
        encoding.plan([{"theta_1": 2.0, "theta_2": 0.0}], 1, 0)
    assert encoding.plan([{"theta_1": 2.0, "theta_2": 0.0}], 1, 0, extrapolate=True)
    with pytest.raises(InputError, match="add theta_2"):
        encoding.plan([{"theta_1": 0.0}], 1, 0)
    with pytest.raises(InputError, match="expected vectors of 2 columns"):
        encoding.encode(np.zeros((3, 4)))
    with pytest.raises(InputError, match="expected no number of points for vectors"):
        encoding.plan(conditions, 2, 0, points=5)
