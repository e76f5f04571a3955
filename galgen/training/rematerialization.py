"""Less memory for more arithmetic: layers that are computed again in the backward pass.

A backward pass needs what every layer computed on the way forward. With rematerialisation it keeps
the input of each residual block and computes the inside again when its turn comes (Chen et al.
2016, arXiv:1604.06174), for about a third more arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from galgen.losses import LossValue
from galgen.networks.layers import ResidualBlock
from galgen.training.state import Loss
from galgen.types import Batch, Params


def rematerialized(loss: Loss) -> Loss:
    """The same loss, whose residual blocks are computed again in the backward pass."""

    def lean(params: Params, key: jax.Array, batch: Batch) -> LossValue:
        with nn.intercept_methods(_Again()):
            return loss(params, key, batch)

    return lean


class _Again:
    """Computes residual blocks under Flax's ``remat``."""

    def __init__(self) -> None:
        self._inside = False

    def __call__(
        self,
        call: Callable[..., Any],
        arguments: tuple[Any, ...],
        options: dict[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        block = context.module
        outside = not isinstance(block, ResidualBlock) or context.method_name != "__call__"
        if outside or self._inside or block.is_initializing():
            return call(*arguments, **options)

        self._inside = True
        try:
            return nn.remat(_apply)(block, *arguments, **options)
        finally:
            self._inside = False


def _apply(block: nn.Module, *inputs: Any) -> Any:
    return block(*inputs)
