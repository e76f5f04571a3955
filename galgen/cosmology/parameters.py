"""Cosmological parameters: one vocabulary for the names that codes give them.

Names are read as CAMELS, Quijote, AbacusSummit, Gadget, AREPO, SWIFT, CLASS, CAMB and astropy spell
them. Those of the library::

    omega_m, omega_b   matter (with massive neutrinos) and baryons today, in critical densities
    h                  Hubble constant in 100 km/s/Mpc; H0 = 67 is h = 0.67
    n_s, sigma_8       slope and amplitude of the linear spectrum
    w0, wa             dark energy, w(a) = w0 + (1 - a) wa (Chevallier & Polarski 2001; Linder 2003)
    omega_k            curvature today, in critical densities
    m_nu               sum of the neutrinos' masses [eV]

Physical densities, ``omega_b`` of CLASS and ``ombh2`` of CAMB, are divided by h². A name that looks
like cosmology and is none of these is refused: ignored, it would make distances wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from galgen.errors import InputError

RANGES: Mapping[str, tuple[float, float]] = {
    "omega_m": (0.01, 1.5),
    "omega_b": (1e-4, 0.5),
    "h": (0.2, 2.0),
    "n_s": (0.2, 2.0),
    "sigma_8": (0.05, 3.0),
    "s_8": (0.05, 3.0),
    "w0": (-5.0, 0.0),
    "wa": (-10.0, 5.0),
    "omega_k": (-1.0, 1.0),
    "m_nu": (0.0, 10.0),
    "omega_lambda": (0.0, 2.0),
    "omega_cdm": (0.0, 1.5),
    "n_eff": (0.0, 20.0),
    "a_s": (1e-10, 1e-7),
    "ln_1e10_a_s": (0.0, 7.0),
    "tau": (0.0, 1.0),
    "t_cmb": (0.0, 10.0),
    "alpha_s": (-1.0, 1.0),
    "omega_b_h2": (1e-4, 0.5),
    "omega_cdm_h2": (1e-3, 1.0),
    "omega_m_h2": (1e-3, 1.0),
    "omega_nu_h2": (0.0, 0.5),
    "sigma_8_cb": (0.05, 3.0),
    "f_nl": (-1e4, 1e4),
}
"""Every parameter that is known, and the values that it may have."""

COMMON = ("omega_m", "omega_b", "h", "n_s", "sigma_8", "w0", "wa", "omega_k", "m_nu")
"""Those that most files have."""

_SPELLINGS: Mapping[str, str] = {
    "omega_m": "Om Om0 Omega0 OmegaM Omega_M Omega_m omega_matter Omega_matter OmegaMatter "
    "Omega_m0 Omega_0 omegam",
    "omega_b": "Ob Ob0 OmegaBaryon OmegaB Omega_b Omega_B Omega_b0 Omega_baryon omega_baryon "
    "omegab",
    "omega_lambda": "OL Ol Omega_L OmegaL OmegaLambda Omega_Lambda Omega_lambda Ode0 Omega_DE "
    "Omega_de OmegaDE Omega_fld Omega_Lambda0 Omega_L0 omegal",
    "omega_k": "Ok0 Ok omk OmegaK Omega_k Omega_K OmegaCurvature Omega_k0 omegak",
    "omega_cdm": "Omega_cdm OmegaCDM Omega_c Oc Oc0 Odm0",
    "h": "HubbleParam little_h littleh h_0 hubble_h hubble100",
    "H0": "H0 H_0 Hubble0 hubble_constant",
    "n_s": "ns n_S ns0 PrimordialIndex spectral_index ns_scalar",
    "sigma_8": "s8 sigma8 Sigma8 Sigma_8 sig8 sigma8_m sigma_8_m sigma8_matter",
    "sigma_8_cb": "sigma8_cb sigma_8_cb",
    "s_8": "S8 S_8 Sigma8_Om05",
    "w0": "w w_0 w0_fld w0_de wde w0_DE w0DE",
    "wa": "w_a wa_fld wa_de wa_DE waDE",
    "m_nu": "Mnu mnu M_nu sum_mnu summnu SumMnu m_ncdm Mnu_eV m_nu_sum neutrino_mass mnu_sum",
    "n_eff": "Neff N_eff nnu N_ur_eff",
    "a_s": "As A_s",
    "ln_1e10_a_s": "ln10^{10}A_s ln10^10A_s ln10As lnAs logA ln_A_s_1e10 ln1e10As",
    "tau": "tau_reio tau_re optical_depth",
    "t_cmb": "Tcmb0 T_cmb TCMB Tcmb T_cmb0",
    "alpha_s": "nrun n_run running",
    "omega_b_h2": "ombh2 omega_bh2 Omega_b_h2 Obh2 Omegabh2 omegabh2 Omega_bh2 obh2",
    "omega_cdm_h2": "omch2 omega_cdm Omega_cdm_h2 Omega_ch2 omega_c omegach2 Och2",
    "omega_m_h2": "ommh2 Omega_mh2 Omega_m_h2 omegamh2 Omh2 Omegamh2",
    "omega_nu_h2": "omnuh2 omega_ncdm omega_nu Omega_nu_h2",
    "f_nl": "fnl fNL f_NL",
}
_KNOWN = {name: name for name in RANGES if name != "omega_cdm"} | {
    spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings.split()
}
_FOLDED: dict[str, set[str]] = {}
for _spelling, _name in _KNOWN.items():
    _FOLDED.setdefault(_spelling.casefold(), set()).add(_name)
_COSMIC = re.compile(
    r"w0.*|wa_.*|sigma_?8.*|s_?8|h_?0|hubble|w_?[0az]?(_(fld|de|0))?|o[mbklc]0?|ln_?10.*|a_?s|n_?s|"
    r"m_?nu.*|n_?eff.*|tau.*|om.*h2|ode0|.*_fld|dark_?energy.*|curvature.*"
)
NEUTRINO_MASS = 93.14
"""Sum of the neutrinos' masses [eV] over their Omega h²."""
ROUNDED = 5e-3
"""How far a density and the same density times h² may differ, as tables round them."""
_PHYSICAL_COLD_MATTER = 0.2
"""Above it a number called ``omega_cdm`` may be a fraction of the critical density."""
_PHYSICAL_BARYONS = 0.028
"""Below it a number called ``omega_b`` is Omega_b h² in all likelihood, never Omega_b."""


def parameter_name(name: str) -> str:
    """A parameter's name as the library spells it, ``H0`` for a Hubble constant in km/s/Mpc.

    The exact spelling wins; another case is taken where it can mean one parameter only. A name that
    has nothing to do with cosmology is lower case.

    Raises:
        InputError: for a name that looks like cosmology and is not known, or means two parameters.
    """
    plain = name.strip().lstrip("#").strip()
    if plain in _KNOWN:
        return _KNOWN[plain]
    meanings = _FOLDED.get(plain.casefold(), set())
    if len(meanings) == 1:
        return next(iter(meanings))
    if meanings or _COSMIC.fullmatch(plain.casefold()) or plain.casefold().startswith("omega"):
        found = f"one that may be {' or '.join(sorted(meanings))}" if meanings else "an unknown one"
        raise InputError(
            f"expected a cosmological parameter by a name that is known, got {plain!r}, {found}; "
            f"rename it to one of {', '.join(COMMON)}, or leave it out"
        )
    return plain.lower()


def canonical_parameters(
    named: Mapping[str, float], where: str = "the cosmology"
) -> dict[str, float]:
    """Parameters by the library's names, physical densities and H0 turned into them.

    Args:
        named: as a file or a user spells them; what is no cosmology is kept, in lower case.
        where: they come from, for errors.

    Raises:
        InputError: if two names mean one parameter and differ, a name is not known, a value is
            outside its range, or parameters contradict each other.
    """
    found: dict[str, float] = {}
    spelled: dict[str, str] = {}
    class_like = {"omega_cdm", "omega_ncdm"} & set(named)
    for label, value in named.items():
        name, number = parameter_name(label), float(value)
        if name == "H0":
            name, number = "h", number / 100 if number > 10 else number
        if label.strip() == "omega_b" and class_like:
            name = "omega_b_h2"
        _put(found, spelled, name, number, label, where)
    for name, number in found.items():
        _check_range(name, number, spelled[name], where)
    return _derived(found, spelled, where)


def _put(
    found: dict[str, float],
    spelled: dict[str, str],
    name: str,
    number: float,
    label: str,
    where: str,
    rounding: float = 1e-6,
) -> None:
    if name in found and not np.isclose(found[name], number, rtol=rounding, atol=0):
        raise InputError(
            f"expected {name} once in {where}, got {spelled[name]} = {found[name]:g} and {label} = "
            f"{number:g}; leave one out"
        )
    found[name], spelled[name] = number, label


def _check_range(name: str, number: float, label: str, where: str) -> None:
    if name not in RANGES:
        if not np.isfinite(number):
            raise InputError(f"expected a finite {label} in {where}, got {number}; mend it")
        return
    low, high = RANGES[name]
    if not low <= number <= high:
        raise InputError(
            f"expected {label} between {low:g} and {high:g} in {where}, got {number:g}; check its "
            "unit, or which parameter it is"
        )
    if (name, label.strip()) == ("omega_b", "omega_b") and number < _PHYSICAL_BARYONS:
        raise InputError(
            f"expected {label} as a fraction of the critical density in {where}, got {number:g}, "
            "which looks like Omega_b h^2; name it omega_b_h2 if it is"
        )
    if (name, label.strip()) == ("omega_cdm_h2", "omega_cdm") and number > _PHYSICAL_COLD_MATTER:
        raise InputError(
            f"expected {label} as Omega_cdm h^2, as CLASS spells it, in {where}, got {number:g}, "
            "which looks like a fraction of the critical one; name it Omega_cdm, or omega_cdm_h2"
        )


def _derived(found: dict[str, float], spelled: dict[str, str], where: str) -> dict[str, float]:
    """Physical densities and omega_lambda as omega_b, omega_m and omega_k."""
    kept = dict(found)
    densities = {name: kept.pop(name) for name in list(kept) if name.endswith("_h2")}
    h = kept.get("h")
    if densities and h is None:
        raise InputError(
            f"expected h or H0 beside {', '.join(spelled[n] for n in densities)} in {where}, got "
            "none; add it"
        )
    fractions = {name: value / (h or 1.0) ** 2 for name, value in densities.items()}
    for name in ("omega_b", "omega_m", "omega_cdm"):
        if f"{name}_h2" in fractions:
            label = spelled[f"{name}_h2"]
            _put(kept, spelled, name, fractions[f"{name}_h2"], label, where, ROUNDED)
    if "omega_cdm" in kept and "omega_b" in kept:
        mass = kept.get("m_nu", 0.0)
        neutrinos = fractions.get("omega_nu_h2", mass / (NEUTRINO_MASS * (h or 1.0) ** 2))
        total = kept["omega_cdm"] + kept["omega_b"] + neutrinos
        parts = f"omega_b + {spelled['omega_cdm']}"
        kept.setdefault("omega_m", total)
        if abs(total / kept["omega_m"] - 1) > 2e-2:  # neutrinos that are not named are 1%
            raise InputError(
                f"expected omega_m of {parts} = {total:.4g} in {where}, got {kept['omega_m']:.4g}; "
                "mend one of them"
            )
    kept.pop("omega_cdm", None)
    dark = kept.pop("omega_lambda", None)
    if dark is not None and "omega_m" in kept:
        curvature = 1.0 - kept["omega_m"] - dark
        known = kept.get("omega_k", 0.0)
        if "omega_k" in kept and abs(curvature - known) > 2e-3:
            raise InputError(
                f"expected omega_k of 1 - omega_m - omega_lambda = {curvature:.4g} in {where}, got "
                f"{known:g}; mend one of them"
            )
        if "omega_k" not in kept and abs(curvature) > 2e-3:  # radiation is 1e-4
            kept["omega_k"] = curvature
    if kept.get("omega_b", 0.0) > kept.get("omega_m", np.inf):
        raise InputError(
            f"expected omega_b below omega_m in {where}, got {kept['omega_b']:g} and "
            f"{kept['omega_m']:g}; check which column is which"
        )
    return kept


def expansion_parameters(parameters: Mapping[str, float]) -> Mapping[str, float]:
    """Those that the expansion depends on, by the names they have.

    Not what is called omega_b beside an omega_m: it may be Omega_b h², and no distance needs it.
    """
    if all(parameter_name(name) != "omega_m" for name in parameters):
        return parameters
    return {n: v for n, v in parameters.items() if parameter_name(n) != "omega_b"}
