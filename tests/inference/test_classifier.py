"""Cross-entropy classification as a model of an experiment."""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.data.dataset import DigitDataset
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.inference.neural.classifier import Classification, CloudClassifier
from galgen.networks import DeepSet, MLPClassifier, PooledNetwork
from galgen.run import Run
from galgen.serialization import from_json, to_json
from galgen.training import Trainer
from galgen.types import Batch

MNIST = Path(__file__).parents[3] / "shared/data/mnist"
KEY = jax.random.key(0)
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def test_loss_is_the_cross_entropy() -> None:
    """log 3 of three classes that are equally likely, and what softmax says of others."""
    model, network = Classification(), MLPClassifier(3, 8, 1)
    data = Batch(jnp.ones((4, 2, 2, 1)), None, jnp.eye(3)[jnp.array([0, 1, 2, 2])])
    params = jit(lambda key: model.initial_params(network, key, data))(KEY)
    loss = jit(lambda params: model.training_loss(network, params, KEY, data))
    assert np.isclose(loss(params), np.log(3))
    bias = params["params"]["Dense_1"]["bias"]
    params["params"]["Dense_1"]["bias"] = jnp.array([0.0, 1.0, 3.0])
    log_probability = model.with_params(network, params)
    expected = np.array([0.0, 1.0, 3.0]) - np.log(1 + np.exp(1) + np.exp(3))
    assert bias.shape == (3,) and np.allclose(jit(log_probability)(data), expected, atol=1e-6)
    assert np.isclose(loss(params), -expected[[0, 1, 2, 2]].mean())
    with pytest.raises(InputError, match="expected batches with a condition"):
        model.initial_params(network, KEY, dataclasses.replace(data, condition=None))


def test_logits_of_a_cloud_are_of_its_encoder() -> None:
    """Zero before training, whatever the cloud."""
    network = CloudClassifier(PooledNetwork(DeepSet(8, 1, relative=True), 4, 8, 0), classes=3)
    x, mask = jnp.ones((2, 10, 3)), jnp.ones((2, 10), bool)
    logits, params = jit(network.init_with_output)(KEY, x, mask)
    assert logits.shape == (2, 3) and np.all(logits == 0)
    assert params["params"]["encoder"]["network"] and from_json(to_json(network)) == network


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.is_dir(), reason="needs ../shared/data/mnist, absent here")
def test_digits_are_an_experiment(tmp_path: Path) -> None:
    experiment = Experiment(
        data=DigitDataset(MNIST, number=300),
        network=MLPClassifier(10, 32, 1),
        model=Classification(),
        trainer=Trainer(steps=80, batch_size=50, learning_rate=5e-3, warmup=5),
    )
    experiment.train(tmp_path / "run")
    run = Run.load(tmp_path / "run")
    batch = experiment.data.held_out_source(run.encoding, 300, "test").batch(0)
    log_probability = run.experiment.model.with_params(run.experiment.network, run.params)
    right = np.argmax(jax.jit(log_probability)(batch), axis=1) == batch.condition.argmax(axis=1)
    assert right.mean() > 0.6, "300 digits teach more than one in ten"
