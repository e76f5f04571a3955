"""Examples by number, in memory where they fit, from the suite's file where they do not.

A suite is memory-mapped (:mod:`galgen.data.suite`): an example of a file larger than memory costs
one read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import Catalogue
from galgen.data.normalization import Standardizer

Cloud = Float[np.ndarray, "points features"]


class EncodedClouds:
    """Clouds in model space by number.

    Args:
        catalogues: where they come from.
        standardizer: between catalogues and model space.
        in_memory: encode all at once; else each when it is asked for.
    """

    def __init__(
        self, catalogues: Sequence[Catalogue], standardizer: Standardizer, in_memory: bool
    ) -> None:
        self._catalogues, self._standardizer = catalogues, standardizer
        self._clouds = [standardizer.encode(c) for c in catalogues] if in_memory else None

    def __len__(self) -> int:
        return len(self._catalogues)

    def __getitem__(self, index: int) -> Cloud:
        if self._clouds is not None:
            return self._clouds[index]
        return self._standardizer.encode(self._catalogues[index])
