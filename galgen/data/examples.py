"""Examples and their fields by number: in memory where they fit, else from the suite's file.

A suite is memory-mapped (:mod:`galgen.data.suite`): an example of a file larger than memory costs
one read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import Catalogue
from galgen.data.field import Field
from galgen.data.field_encoding import Encoded, FieldEncoding
from galgen.data.fingerprint import Parts
from galgen.data.normalization import Standardizer
from galgen.data.suite import SuiteView

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


class EncodedFields:
    """Fields as a model sees them, by number.

    Args:
        view: the catalogues that they are of.
        encoding: of training.
        in_memory: encode all at once; else each when it is asked for.
    """

    def __init__(self, view: SuiteView, encoding: FieldEncoding, in_memory: bool) -> None:
        self._view, self._encoding = view, encoding
        self._kept = [self._encoded(i) for i in range(len(view))] if in_memory else None

    def __getitem__(self, index: int) -> Encoded:
        return self._encoded(index) if self._kept is None else self._kept[index]

    def _encoded(self, index: int) -> Encoded:
        return self._encoding.encode(self._view.field(index))


def fields_through(view: SuiteView, parts: Parts) -> Iterator[Field]:
    """The fields of some catalogues in order, each added to a fingerprint as it passes."""
    for number in range(len(view)):
        field = view.field(number)
        parts.add("field", field.values, " ".join(map(str, field.attributes.values())))
        yield field
