"""How posteriors are drawn."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from galgen.checked import Bound, Count, PairedDraws, Seed, at_least, checked

PredictiveDraws = Annotated[int, Bound("of 0, or of 16 and more", lambda n: n == 0 or n >= 16)]
Method = Literal["auto", "grid", "nuts", "hmc", "random-walk", "tempered", "variational"]


@dataclasses.dataclass(frozen=True)
@checked
class InferenceSettings:
    """How :func:`galgen.inference.posteriors.infer` draws posteriors.

    Attributes:
        method: of a generative run; auto is the grid for one or two parameters, else nuts.
        chains: chains of draws.
        draws: draws of each chain.
        grid: conditions along each parameter of the grid, between which log p is interpolated.
        replicas: independent noises of the likelihood, averaged, from which its error is told; of
            a grid no more than are needed.
        evaluations: draws of time and noise in each, where the likelihood is an evidence lower
            bound; even.
        batch: conditions of the grid per call of the network.
        seed: seed of noise and draws.
        extrapolate: allow priors beyond the trained range.
        predictive: catalogues drawn at each posterior of a generative run, to warn of one unlike
            them; 0 for none.
    """

    method: Method = "auto"
    chains: Count = 4
    draws: Annotated[int, at_least(4)] = 1000
    grid: Annotated[int, at_least(3)] = 5
    replicas: Annotated[int, at_least(2)] = 8
    evaluations: PairedDraws = 16
    batch: Count = 25
    seed: Seed = 0
    extrapolate: bool = False
    predictive: PredictiveDraws = 40
