"""Plain classifiers learn what they should, and say what they cannot take."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from galgen.networks.classifier import ConvolutionalClassifier, MLPClassifier

CLASSIFIERS = {
    "convolutional": ConvolutionalClassifier(3, (8, 8)),
    "mlp": MLPClassifier(3, 32, 1),
}


def bars(seed: int, number: int) -> tuple[jax.Array, jax.Array]:
    """Noisy 8 x 8 images of a horizontal bar, a vertical one, or none: classes 0, 1, 2."""
    rng = np.random.default_rng(seed)
    x = 0.2 * rng.normal(size=(number, 8, 8, 1))
    labels = rng.integers(0, 3, number)
    where = rng.integers(0, 8, number)
    for image, label, place in zip(x, labels, where, strict=True):
        if label == 0:
            image[place] += 1.0
        elif label == 1:
            image[:, place] += 1.0
    return jnp.asarray(x, jnp.float32), jnp.asarray(labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_learn_bars(name: str) -> None:
    network = CLASSIFIERS[name]
    x, labels = bars(0, 256)
    params = jax.jit(network.init)(jax.random.key(0), x[:2])
    call = jax.jit(network.apply)
    assert np.all(np.asarray(call(params, x)) == 0), "every class equally likely"
    optimizer = optax.adam(1e-2)

    def loss(params):
        logits = network.apply(params, x)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))

    @jax.jit
    def step(params, state):
        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for _ in range(50):
        params, state = step(params, state)
    x, labels = bars(1, 256)
    logits = call(params, x)
    assert logits.shape == (256, 3)
    assert np.mean(np.argmax(logits, axis=-1) == labels) > 0.95
