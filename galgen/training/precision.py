"""In what precision a network multiplies.

``bfloat16`` keeps the range of float32 and 8 of its 24 digits; a GPU or TPU multiplies it several
times faster. Weights, optimiser, activations, norms and every sum stay float32 (Micikevicius et al.
2018, arXiv:1710.03740, section 3): only the factors of the products of dense layers are rounded,
and their sums are kept in float32. Neither positions nor what is measured from them are rounded,
so neighbours stay neighbours.

Gradients pass the rounding as if it were not there, and their own products are rounded by devices
that know how to multiply bfloat16; a CPU multiplies the rounded factors in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Precision = Literal["float32", "bfloat16"]
"""Of the factors of the products of dense layers."""


@contextmanager
def multiplying_in(precision: Precision) -> Iterator[None]:
    """Flax networks applied inside multiply in ``precision``."""
    if precision == "float32":
        yield
        return
    with nn.intercept_methods(_rounding_dense):
        yield


def _rounding_dense(
    call: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    context: nn.module.InterceptorContext,
) -> Any:
    """A dense layer by rounded factors; whatever is not a dense layer as it is."""
    layer = context.module
    if type(layer) is not nn.Dense or layer.is_initializing():
        return call(*arguments, **options)
    weights = layer.variables["params"]
    (x,) = arguments
    product = jnp.matmul(
        rounded(x),
        rounded(weights["kernel"]),
        precision=jax.lax.DotAlgorithmPreset.BF16_BF16_F32,
    )
    return product + weights["bias"] if layer.use_bias else product


def rounded(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The nearest bfloat16, as float32; its derivative is that of ``x``."""
    return x + jax.lax.stop_gradient(jax.lax.reduce_precision(x, 8, 7) - x)
