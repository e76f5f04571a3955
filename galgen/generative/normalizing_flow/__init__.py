"""Normalizing flows: invertible maps of known volume change, trained by likelihood."""

from galgen.generative.normalizing_flow.bijection import (
    Bijection,
    BoxMuller,
    Chain,
    Inverse,
    Orthogonal,
    Reversal,
    Rotation,
)
from galgen.generative.normalizing_flow.coupling_layer import CouplingLayer
from galgen.generative.normalizing_flow.flow import (
    NormalizingFlow,
    coupling_flow,
    masked_autoregressive_flow,
)
from galgen.generative.normalizing_flow.masked_autoregressive import MaskedAutoregressive
from galgen.generative.normalizing_flow.transforms import (
    Affine,
    RationalQuadraticSpline,
    ScalarTransform,
)

__all__ = [
    "Affine",
    "Bijection",
    "BoxMuller",
    "Chain",
    "CouplingLayer",
    "Inverse",
    "MaskedAutoregressive",
    "NormalizingFlow",
    "Orthogonal",
    "RationalQuadraticSpline",
    "Reversal",
    "Rotation",
    "ScalarTransform",
    "coupling_flow",
    "masked_autoregressive_flow",
]
