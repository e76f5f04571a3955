r"""How any cosmology expands and how fast structure grows in it, for one or one per catalogue.

With matter, neutrinos that are massive and all, curvature and dark energy w = w0 + wa z / (1 + z)::

    E²    = Omega_m (1+z)³ + Omega_k (1+z)² + Omega_de (1+z)^(3 (1+w0+wa)) exp(-3 wa z / (1+z))
    f     = d ln D / d ln a = Omega_m(z)^gamma,      Omega_m(z) = Omega_m (1 + z)³ / E(z)²
    gamma = 0.55 + 0.05 [1 + w(z = 1)],              0.02 for 0.05 where w(1) < -1

(Linder 2005, PRD 72, 043529). With massive neutrinos, and of a cosmology of astropy, E(z) is
astropy's. f is within 1.3% of the solution of the equation of growth today and 0.6% at z = 0.5, for
-1.3 < w0 < -0.7 and |Omega_k| < 0.1; the slower growth by neutrinos on small scales is left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from galgen.arrays import as_finite
from galgen.cosmology.background import Cosmology, astropy_cosmology
from galgen.cosmology.parameters import canonical_parameters, expansion_parameters
from galgen.errors import InputError

Cosmologies: TypeAlias = Cosmology | Sequence[Cosmology]
"""One for all catalogues, or one each; parameters by name may be arrays of one each too."""


@dataclasses.dataclass(frozen=True)
class _Model:
    """Omega_m, w(z = 1) and E(z) of one cosmology."""

    matter: float
    equation_of_state: float
    ratio: Callable[[float], float]


def expansion_ratio(cosmology: Cosmologies, redshift: Any) -> Float[np.ndarray, "..."]:
    """E(z) = H(z) / H_0, a number, or one per catalogue ``(batch,)``.

    Args:
        cosmology: one, or one per catalogue.
        redshift: a number, or one per catalogue.

    Raises:
        InputError: parameters that are not understood, a redshift that is not finite or not above
            -1, or cosmologies and redshifts of different numbers.
    """
    return _for_each(lambda model, z: model.ratio(z), cosmology, redshift)


def growth_rate(cosmology: Cosmologies, redshift: Any) -> Float[np.ndarray, "..."]:
    """f = d ln D / d ln a, a number, or one per catalogue; arguments as :func:`expansion_ratio`."""

    def one(model: _Model, z: float) -> float:
        excess = 1.0 + model.equation_of_state
        index = 0.55 + (0.05 if excess >= 0 else 0.02) * excess
        return float((model.matter * (1 + z) ** 3 / model.ratio(z) ** 2) ** index)

    return _for_each(one, cosmology, redshift)


def _for_each(
    of: Callable[[_Model, float], float], cosmology: Cosmologies, redshift: Any
) -> Float[np.ndarray, "..."]:
    """A function of every cosmology at its redshift."""
    chosen = _one_by_one(cosmology)
    z = as_finite(redshift, "redshift", "").astype(np.float64)
    alone = not isinstance(chosen, list)
    number = z.size if alone else len(chosen)
    if z.ndim > 1 or (z.ndim and z.size != number) or np.any(z <= -1):
        raise InputError(
            f"expected a redshift above -1, or one for each of {number} cosmologies, got shape "
            f"{z.shape} from {z.min(initial=np.inf):g}; pass a number to use it for all"
        )
    models = [_model(chosen)] * number if alone else [_model(one) for one in chosen]
    places = np.broadcast_to(z, (number,)).tolist()
    values = np.array([of(model, at) for model, at in zip(models, places, strict=True)])
    if not np.all(np.isfinite(values)):
        raise InputError(
            "expected a cosmology that has expanded to its redshift from a big bang, got one that "
            "has not; check omega_lambda and omega_k"
        )
    return values.reshape(()) if alone and not z.ndim else values


def _model(cosmology: Cosmology) -> _Model:
    """In closed form, or of astropy, which takes 30 ms to make one."""
    if isinstance(cosmology, Mapping):
        known = canonical_parameters(expansion_parameters(cosmology))
        if known.get("m_nu", 0.0) == 0:
            return _closed_form(known)
    model = astropy_cosmology(cosmology)
    matter = float(model.Om0) + (float(model.Onu0) if model.has_massive_nu else 0.0)
    return _Model(matter, float(model.w(1.0)), lambda z: float(model.efunc(z)))


def _closed_form(known: Mapping[str, float]) -> _Model:
    if "omega_m" not in known:
        astropy_cosmology(known)  # refuses
    matter, curvature = known["omega_m"], known.get("omega_k", 0.0)
    w0, wa = known.get("w0", -1.0), known.get("wa", 0.0)
    dark = 1.0 - matter - curvature

    def ratio(z: float) -> float:
        a = 1.0 + z
        grown = a ** (3 * (1 + w0 + wa)) * math.exp(-3 * wa * z / a)
        squared = matter * a**3 + curvature * a**2 + dark * grown
        return math.sqrt(squared) if squared > 0 else math.nan

    return _Model(matter, w0 + wa / 2, ratio)


def _one_by_one(cosmology: Cosmologies) -> Cosmology | list[Cosmology]:
    """One cosmology, or a list of them; arrays of parameters become a list."""
    if not isinstance(cosmology, Mapping):
        return list(cosmology) if isinstance(cosmology, Iterable) else cosmology
    columns = {name: as_finite(values, name) for name, values in cosmology.items()}
    lengths = {len(values) for values in columns.values() if values.ndim == 1}
    if not lengths and all(values.ndim == 0 for values in columns.values()):
        return {name: values.item() for name, values in columns.items()}
    if len(lengths) != 1 or any(values.ndim > 1 for values in columns.values()):
        raise InputError(
            "expected parameters as numbers, or one per catalogue each, got shapes "
            f"{ {name: values.shape for name, values in columns.items()} }; take all from the "
            "same catalogues"
        )
    rows = lengths.pop()
    wide = {name: np.broadcast_to(v, (rows,)).tolist() for name, v in columns.items()}
    return [{name: values[row] for name, values in wide.items()} for row in range(rows)]
