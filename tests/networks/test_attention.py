"""Attention against the plain formula, its memory, its two routes, and rotations on the torus."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.networks import attention
from galgen.networks.attention import attend, blockwise, flash


def arrays(queries: int, keys: int, batch: int = 2, heads: int = 3, channels: int = 5):
    """Query, key, value, and a mask whose real keys are scattered."""
    rng = np.random.default_rng(0)
    query = rng.normal(size=(batch, queries, heads, channels)).astype(np.float32)
    key, value = rng.normal(size=(2, batch, keys, heads, channels)).astype(np.float32)
    mask = rng.random((batch, keys)) < 0.6
    mask[:, -1] = True
    return tuple(jnp.asarray(a) for a in (query, key, value, mask))


def plain(query, key, value, mask=None):
    """The formula, every weight at once."""
    logits = jnp.einsum("bqhc,bkhc->bhqk", query, key) / np.sqrt(query.shape[-1])
    if mask is not None:
        logits = jnp.where(mask[:, None, None], logits, -jnp.inf)
    return jnp.einsum("bhqk,bkhc->bqhc", jax.nn.softmax(logits, axis=-1), value)


def values_and_gradients(function, query, key, value, mask):
    """What comes out, and the gradient of a sum that weighs every output differently."""
    weight = np.random.default_rng(7).normal(size=query.shape).astype(np.float32)

    def loss(*arguments):
        out = function(*arguments, mask)
        return jnp.sum(weight * out), out

    compiled = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))
    (_, out), gradients = compiled(query, key, value)
    return out, *gradients


@pytest.mark.parametrize(
    ("queries", "keys", "block", "masked"),
    [(50, 37, 16, True), (50, 37, 16, False), (3, 200, 128, True), (64, 1, 32, False)],
)
def test_blocks_agree_with_the_formula(queries: int, keys: int, block: int, masked: bool) -> None:
    query, key, value, mask = arrays(queries, keys)
    mask = mask if masked else None

    def blocks(*arguments):
        return blockwise(*arguments, block=block)

    found = values_and_gradients(blocks, query, key, value, mask)
    expected = values_and_gradients(plain, query, key, value, mask)
    for a, b in zip(found, expected, strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_blocks_have_forward_derivatives_and_stand_large_logits() -> None:
    query, key, value, mask = arrays(40, 30)
    query = 100.0 * query
    tangents = (key[:, :1] + query, value, key)

    @functools.partial(jax.jit, static_argnums=0)
    def forward(function, *arguments):
        return jax.jvp(lambda *a: function(*a, mask), arguments, tangents)

    found = forward(functools.partial(blockwise, block=16), query, key, value)
    expected = forward(plain, query, key, value)
    for a, b in zip(found, expected, strict=True):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-3)


def test_a_cloud_without_points_gives_finite_numbers() -> None:
    query, key, value, _ = arrays(4, 6)
    none = jnp.zeros((2, 6), bool)
    for function in (blockwise, lambda *a: flash(*a, implementation="xla")):
        for a in values_and_gradients(function, query, key, value, none):
            assert np.all(np.isfinite(a))


def test_memory_is_linear_in_the_number_of_points() -> None:
    def temporaries(function, points: int) -> int:
        cloud = jax.ShapeDtypeStruct((1, points, 2, 16), jnp.float32)
        mask = jax.ShapeDtypeStruct((1, points), jnp.bool_)

        def loss(query, key, value, mask):
            return jnp.sum(function(query, key, value, mask) ** 2)

        gradient = jax.jit(jax.grad(loss, (0, 1, 2)))
        compiled = gradient.lower(cloud, cloud, cloud, mask).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    small, large = temporaries(attend, 1024), temporaries(attend, 4096)
    assert 3.5 * small < large < 4.5 * small
    matrix = 4 * 2 * 4096**2
    assert temporaries(plain, 4096) > matrix > 10 * large


@pytest.mark.parametrize(("keys", "masked"), [(30, True), (37, True), (30, False), (37, False)])
def test_the_call_of_the_flash_route_agrees_with_the_formula(keys: int, masked: bool) -> None:
    query, key, value, mask = arrays(21, keys)
    mask = mask if masked else None

    def same_call(*arguments):
        return flash(*arguments, implementation="xla")

    found = values_and_gradients(same_call, query, key, value, mask)
    expected = values_and_gradients(plain, query, key, value, mask)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == jnp.float32
        assert np.max(np.abs(a - b)) < 0.02 * np.max(np.abs(b)) + 0.02, "bfloat16"


def test_a_gpu_is_given_lengths_and_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    function = jax.nn.dot_product_attention

    def recorded(query, key, value, **options):
        calls.append((query, key, value, options))
        return function(query, key, value, **{**options, "implementation": "xla"})

    monkeypatch.setattr(attention, "has_flash_kernels", lambda: True)
    monkeypatch.setattr(jax.nn, "dot_product_attention", recorded)
    query, key, value, mask = arrays(21, 37)
    attend(query, key, value, mask)
    (query_, key_, value_, options), *rest = calls
    assert not rest
    assert options.keys() == {"scale", "key_value_seq_lengths", "implementation"}
    assert options["implementation"] == "cudnn"
    assert options["scale"] == pytest.approx(5**-0.5)
    lengths = np.asarray(options["key_value_seq_lengths"])
    assert np.array_equal(lengths, np.sum(mask, axis=1)) and lengths.dtype == np.int32
    for a in (query_, key_, value_):
        assert a.dtype == jnp.bfloat16 and a.shape[1] % 2 == 0 and a.shape[-1] % 8 == 0
    for cloud, length in enumerate(lengths):
        front = np.asarray(value[cloud][mask[cloud]].astype(jnp.bfloat16))
        assert np.array_equal(value_[cloud, :length, :, :5], front)
        assert np.all(np.asarray(value_[cloud, length:]) == 0)


def test_a_head_too_wide_for_flash_takes_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "has_flash_kernels", lambda: True)
    query, key, value, mask = arrays(4, 6, channels=136)
    assert np.allclose(attend(query, key, value, mask), plain(query, key, value, mask), atol=1e-5)


@pytest.mark.parametrize(
    ("backend", "capability", "flash"),
    [("cpu", "", False), ("gpu", "9.0", True), ("gpu", "7.5", False), ("gpu", "gfx90a", False)],
)
def test_which_devices_have_flash_kernels(monkeypatch, backend, capability, flash) -> None:
    class Device:
        compute_capability = capability

    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(jax, "local_devices", lambda: [Device()])
    assert attention.has_flash_kernels() is flash
