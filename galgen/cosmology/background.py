"""The expansion and the growth of structure: closed forms of flat Lambda CDM, astropy for the rest.

Flat Lambda CDM without radiation has (Peebles 1980, eq. 10.12; Heath 1977)::

    E(z)² = Omega_m (1 + z)³ + 1 - Omega_m
    D(a)  ~ a 2F1(1/3, 1; 11/6; -x),   x = (1 - Omega_m) a³ / Omega_m,   D(z = 0) = 1
    f(a)  = dlnD/dlna = Omega_m(a) / 2 [5 a / D~(a) - 3],   D~ the unnormalised D above
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from galgen.cosmology.parameters import NEUTRINO_MASS, canonical_parameters, expansion_parameters
from galgen.errors import InputError

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    Cosmology: TypeAlias = Mapping[str, Any] | FLRW
else:  # astropy takes half a second to import
    Cosmology = Any
"""Parameters by name, such as a catalogue's, or a cosmology of astropy."""
SPEED_OF_LIGHT = 299_792.458
"""In km/s."""
CRITICAL_DENSITY = 2.77536627e11
"""Critical density today, in (Msun/h) / (Mpc/h)^3."""


def flat_expansion_squared(omega_m: Any, redshift: Any) -> Any:
    """E(z)² of flat Lambda CDM, for numbers and for arrays of NumPy or JAX."""
    return omega_m * (1.0 + redshift) ** 3 + 1.0 - omega_m


def flat_growth_factor(omega_m: float, redshift: float) -> float:
    """D(z), the linear growth in flat Lambda CDM, one today."""
    return _flat_growth(omega_m, redshift) / _flat_growth(omega_m, 0.0)


def flat_growth_rate(omega_m: float, redshift: float) -> float:
    """f = dlnD/dlna in flat Lambda CDM, exact."""
    scale = 1.0 / (1.0 + redshift)
    matter = omega_m / scale**3 / flat_expansion_squared(omega_m, redshift)
    return 0.5 * matter * (5.0 * scale / _flat_growth(omega_m, redshift) - 3.0)


def _flat_growth(omega_m: float, redshift: float) -> float:
    from scipy.special import hyp2f1

    scale = 1.0 / (1.0 + redshift)
    x = (1.0 - omega_m) / omega_m * scale**3
    return scale * float(hyp2f1(1.0 / 3.0, 1.0, 11.0 / 6.0, -x))


def astropy_cosmology(parameters: Cosmology) -> FLRW:
    """The expansion history of a catalogue's parameters, for distances and growth.

    With omega_m alone it is flat Lambda CDM without radiation; w0, wa, omega_k and m_nu change it.
    omega_m includes massive neutrinos. With them there is radiation, of 2.7255 K unless t_cmb is
    given.

    Args:
        parameters: by any name of :func:`canonical_parameters`; a cosmology of astropy is returned
            as it is.

    Raises:
        InputError: neither of the two, no omega_m, neutrinos without h, or what
            :func:`canonical_parameters` refuses.
    """
    from astropy import cosmology, units

    if isinstance(parameters, cosmology.FLRW):
        return parameters
    if not isinstance(parameters, Mapping):
        raise InputError(
            f"expected a cosmology of astropy or parameters by name, got "
            f"{type(parameters).__name__}; pass catalogue.cosmology or {{'omega_m': 0.3}}"
        )
    known = canonical_parameters(expansion_parameters(parameters))
    if "omega_m" not in known:
        raise InputError(
            f"expected omega_m in the catalogue's cosmology, got {list(parameters) or 'none'}; "
            "add it with catalogue.replace(cosmology=...)"
        )
    hubble, matter, mass = 100.0 * known.get("h", 1.0), known["omega_m"], known.get("m_nu", 0.0)
    curvature, w0, wa = (known.get(n, v) for n, v in (("omega_k", 0.0), ("w0", -1.0), ("wa", 0.0)))
    relics: dict[str, Any] = {"Tcmb0": 0.0}
    if mass > 0:
        if "h" not in known:
            raise InputError("expected h beside m_nu, got none; add it to the cosmology")
        species = known.get("n_eff", 3.046)
        each = mass / max(int(species), 1) * units.eV
        relics = {"Tcmb0": known.get("t_cmb", 2.7255), "Neff": species, "m_nu": each}
        matter -= mass / (NEUTRINO_MASS * known["h"] ** 2)
    if not curvature and (w0, wa) == (-1.0, 0.0):
        return cosmology.FlatLambdaCDM(hubble, matter, **relics)
    if not curvature:
        return cosmology.Flatw0waCDM(hubble, matter, w0=w0, wa=wa, **relics)
    flat = cosmology.FlatLambdaCDM(hubble, matter, **relics)
    dark = 1.0 - curvature - matter - float(flat.Ogamma0 + flat.Onu0)
    return cosmology.w0waCDM(hubble, matter, dark, w0=w0, wa=wa, **relics)
