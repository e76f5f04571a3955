"""Catalogues drawn on the field that a held-out one comes from: how well they share its phases.

With t held-out, g drawn on its field f and s drawn on f a second time
(:mod:`galgen.statistics.fourier.cross_coefficient`, shot noise left in)::

    r_gt(k),   T(k) = sqrt(P_g / P_t),   r_gf(k),   r_tf(k),   r_gs(k)

are measured on every field, and averaged over the fields of a split.

The field does not tell where every galaxy is, so a mock that is right has r_gt < 1. Its **ceiling**
is r_gs, of two draws on one field: given f, a draw of a right mock and the truth are draws of one
distribution, and no statistic tells one from the other. So::

    d(k) = [r_gt(k) + r_st(k)] / 2 - r_gs(k)

is zero on average. Its error is the scatter from field to field, where the three r move together.
Below zero, draws agree more with each other than with the truth: they vary too little, or are
wrong in the same way. Above zero, they vary too much.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from galgen.data.batching import pad
from galgen.data.catalogue import Catalogue
from galgen.data.field import Field
from galgen.errors import InputError
from galgen.measurements.ratio import Curve, Ratio
from galgen.measurements.statistic import Axis, rows_of
from galgen.statistics.fourier.cross_coefficient import (
    CrossCoefficient,
    cross_coefficient,
    field_cross_coefficient,
)
from galgen.statistics.fourier.modes import nyquist
from galgen.validation.sets import MINIMUM_CATALOGUES
from galgen.validation.settings import ValidationSettings


@dataclasses.dataclass(frozen=True)
class SharedField:
    """A field, the held-out catalogue that comes from it, and what was drawn on it.

    Attributes:
        field: of both.
        held_out: the truth.
        generated: a draw.
        second: another draw on the same field, for the ceiling; None for none.

    Raises:
        InputError: boxes that differ.
    """

    field: Field
    held_out: Catalogue
    generated: Catalogue
    second: Catalogue | None = None

    def __post_init__(self) -> None:
        box = (self.field.box,) * 3
        for catalogue in self.catalogues:
            if not np.allclose(catalogue.box, box, rtol=1e-6):
                raise InputError(
                    f"expected catalogues of the box of their field, {box} Mpc/h, got "
                    f"{catalogue.box}; give the field that they come from"
                )

    @property
    def catalogues(self) -> list[Catalogue]:
        """Held-out and drawn."""
        known = (self.held_out, self.generated, self.second)
        return [catalogue for catalogue in known if catalogue is not None]

    @property
    def filled(self) -> bool:
        """Whether every catalogue has a point."""
        return all(len(catalogue) > 0 for catalogue in self.catalogues)


@dataclasses.dataclass(frozen=True)
class PhaseComparison:
    """r(k) and T(k) of generated with held-out of the same fields, means over the fields.

    ============== ============= ===============================================================
    field          type          meaning
    ============== ============= ===============================================================
    axis           Axis          bins of k
    fields         int           that both sets share
    pairs          int           of these, drawn twice
    coefficient    Curve         r_gt
    transfer       Curve         T
    field_axis     Axis          bins of k that the mesh of the fields resolves; None for none
    generated      Curve         r_gf, in these bins; so ``held_out``, r_tf
    ceiling        Curve         r_gs; None with too few pairs
    difference     Curve         d; the same
    ============== ============= ===============================================================
    """

    axis: Axis
    fields: int
    pairs: int
    coefficient: Curve
    transfer: Curve
    field_axis: Axis | None
    generated: Curve | None
    held_out: Curve | None
    ceiling: Curve | None
    difference: Curve | None


def over_bins(curve: Curve | None) -> tuple[float, float]:
    """The mean of a curve over its bins, and its error; NaN for none."""
    if curve is None:
        return np.nan, np.nan
    return float(curve.mean.mean()), float(np.sqrt(curve.covariance.mean()))


def compare_phases(
    shared: Sequence[SharedField], edges: Float[np.ndarray, "edges"], settings: ValidationSettings
) -> PhaseComparison | None:
    """Compare what was drawn on fields with the catalogues that come from them.

    Args:
        shared: the fields of a split. One with an empty catalogue has no r, and is left out.
        edges: of the bins of k, h/Mpc.
        settings: the mesh.

    Returns:
        None for fewer than four fields; a ceiling only where four or more were drawn twice.

    Raises:
        InputError: edges that the mesh of the settings does not resolve.
    """
    known = [each for each in shared if each.filled]
    if len(known) < MINIMUM_CATALOGUES:
        return None
    rows = rows_of([catalogue for each in known for catalogue in each.catalogues])
    mesh, box = settings.mesh_size, known[0].held_out.box
    limit = nyquist(box, min(each.field.mesh for each in known)) * (1 + 1e-12)
    inner = edges[edges <= limit]

    def across(one: Catalogue, other: Catalogue) -> CrossCoefficient:
        (x, mask), (y, there) = (pad([c.positions], rows) for c in (one, other))
        return cross_coefficient(x, mask, y, there, box, mesh, edges)

    def with_field(catalogue: Catalogue, field: Field) -> Array:
        x, mask = pad([catalogue.positions], rows)
        values = field.values[None]
        return field_cross_coefficient(x, mask, values, box, mesh, inner).coefficient()

    truth = [across(each.generated, each.held_out) for each in known]
    own = own_truth = None
    if len(inner) > 1:
        own = _mean([with_field(each.generated, each.field) for each in known])
        own_truth = _mean([with_field(each.held_out, each.field) for each in known])
    again = [
        (r, across(each.second, each.held_out), across(each.generated, each.second))
        for each, r in zip(known, truth, strict=True)
        if each.second is not None
    ]
    enough = len(again) >= MINIMUM_CATALOGUES
    coefficients = [[found.coefficient() for found in three] for three in again]
    return PhaseComparison(
        axis=Axis("r", "k", "h/Mpc", edges),
        fields=len(known),
        pairs=len(again),
        coefficient=_mean([found.coefficient() for found in truth]),
        transfer=_mean([found.transfer() for found in truth]),
        field_axis=None if own is None else Axis("r", "k", "h/Mpc", inner),
        generated=own,
        held_out=own_truth,
        ceiling=_mean([draws for _, _, draws in coefficients]) if enough else None,
        difference=_mean([(a + b) / 2 - c for a, b, c in coefficients]) if enough else None,
    )


def _mean(values: Sequence[Array]) -> Curve:
    """Over fields, each counted once."""
    found = np.concatenate([np.asarray(value, np.float64) for value in values])
    return Ratio.of_values(found, np.ones((len(found), 1), bool)).curve()
