"""One vocabulary of cosmological parameters, and the distances that follow."""

import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM, Flatw0waCDM, LambdaCDM

from galgen.cosmology import RANGES, astropy_cosmology, canonical_parameters, parameter_name
from galgen.errors import InputError

QUIJOTE = {"omega_m": 0.3175, "omega_b": 0.049, "h": 0.6711, "n_s": 0.9624, "sigma_8": 0.834}
FILES = {
    "Quijote": {"#Om": 0.3175, "Ob": 0.049, "h": 0.6711, "ns": 0.9624, "s8": 0.834},
    "CAMELS": {"Omega_m": 0.3175, "OmegaBaryon": 0.049, "HubbleParam": 0.6711, "n_s": 0.9624}
    | {"sigma_8": 0.834},
    "CAMB": {"H0": 67.11, "ombh2": 0.049 * 0.6711**2, "omch2": 0.2685 * 0.6711**2, "ns": 0.9624}
    | {"sigma8": 0.834},
    "CLASS": {"omega_b": 0.049 * 0.6711**2, "omega_cdm": 0.2685 * 0.6711**2, "h": 0.6711}
    | {"n_s": 0.9624, "sigma8_m": 0.834},
    "Gadget": {"Omega0": 0.3175, "OmegaLambda": 0.6825, "HubbleParam": 0.6711, "OmegaBaryon": 0.049}
    | {"PrimordialIndex": 0.9624, "Sigma8": 0.834},
    "astropy": {"Om0": 0.3175, "Ob0": 0.049, "H0": 67.11, "Ode0": 0.6825, "n_s": 0.9624}
    | {"sigma_8": 0.834},
}


@pytest.mark.parametrize("code", FILES)
def test_codes_spell_the_same_cosmology(code: str) -> None:
    assert canonical_parameters(FILES[code]) == pytest.approx(QUIJOTE, rel=1e-12)


def test_every_canonical_name_is_itself() -> None:
    for name in RANGES:
        assert parameter_name(name) in (name, f"{name}_h2")  # omega_cdm is CLASS's density
    assert [parameter_name(n) for n in ("s8", "S8", "A_SN1", "Mnu", "w")] == (
        ["sigma_8", "s_8", "a_sn1", "m_nu", "w0"]
    )


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"Omega_foo": 0.3}, "known, got 'Omega_foo'"),
        ({"wz": -1.0}, "known, got 'wz'"),
        ({"w0wacdm": -1.0}, "known, got 'w0wacdm'"),
        ({"Om": 0.3, "Omega_m": 0.31}, "omega_m once .* Om = 0.3 and Omega_m = 0.31"),
        ({"h": 67.0}, "h between 0.2 and 2"),
        ({"omega_m": 1e30}, "omega_m between"),
        ({"Omega_m": -5.0}, "Omega_m between"),
        ({"omega_m": np.nan}, "omega_m between"),
        ({"a_sn1": np.inf}, "a finite a_sn1"),
        ({"omega_b": 0.0224, "omega_m": 0.3}, r"looks like Omega_b h\^2"),
        ({"ombh2": 0.0224}, "h or H0 beside ombh2"),
        ({"omega_m": 0.3, "omega_lambda": 0.6, "omega_k": 0.0}, "omega_k of 1 - omega_m"),
        ({"omega_m": 0.05, "Omega_b": 0.3}, "omega_b below omega_m"),
        ({"omega_b": 0.05, "omega_cdm": 0.25, "h": 0.7}, "name it Omega_cdm, or omega_cdm_h2"),
        ({"omega_b": 0.0224, "omega_cdm": 0.12, "h": 0.6736, "Om": 0.4}, r"= 0\.3138 in .* 0\.4"),
        ({"Omega_b": 0.05, "ombh2": 0.03, "h": 0.7}, "omega_b once in"),
    ],
)
def test_what_is_not_understood_is_refused(named: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        canonical_parameters(named)


def test_densities_that_are_not_flat_are_curvature() -> None:
    found = canonical_parameters({"Om0": 0.3, "Ode0": 0.6})
    assert found == pytest.approx({"omega_m": 0.3, "omega_k": 0.1})
    assert "omega_k" not in canonical_parameters({"Om0": 0.3, "Ode0": 0.69991})


@pytest.mark.parametrize(
    ("parameters", "right"),
    [
        ({}, FlatLambdaCDM(67.11, 0.3175, Tcmb0=0)),
        ({"omega_b": 0.0224}, FlatLambdaCDM(67.11, 0.3175, Tcmb0=0)),
        ({"w0": -0.7, "wa": -0.5}, Flatw0waCDM(67.11, 0.3175, w0=-0.7, wa=-0.5, Tcmb0=0)),
        ({"w": -0.7}, Flatw0waCDM(67.11, 0.3175, w0=-0.7, Tcmb0=0)),
        ({"w0_fld": -0.9, "wa_fld": 0.1}, Flatw0waCDM(67.11, 0.3175, w0=-0.9, wa=0.1, Tcmb0=0)),
        ({"Ok0": 0.1}, LambdaCDM(67.11, 0.3175, 0.5825, Tcmb0=0)),
        ({"omega_lambda": 0.5825}, LambdaCDM(67.11, 0.3175, 0.5825, Tcmb0=0)),
        (
            {"Mnu": 0.3},
            FlatLambdaCDM(67.11, 0.3175 - 0.3 / 93.14 / 0.6711**2, 2.7255, 3.046, m_nu=0.1 * u.eV),
        ),
    ],
)
def test_distances(parameters: dict[str, float], right: FlatLambdaCDM) -> None:
    redshift = np.array([0.25, 1.0, 3.0])
    found = astropy_cosmology({"omega_m": 0.3175, "h": 0.6711, **parameters})
    np.testing.assert_allclose(
        found.comoving_distance(redshift).value, right.comoving_distance(redshift).value, rtol=1e-9
    )
    # The whole of omega_m, neutrinos with it, is matter today.
    np.testing.assert_allclose(float(found.Om0 + found.Onu0), 0.3175, atol=2e-4)


def test_no_matter_no_distance() -> None:
    with pytest.raises(InputError, match="omega_m in the catalogue's cosmology, got none"):
        astropy_cosmology({})
    with pytest.raises(InputError, match="astropy or parameters by name, got list; pass catalogue"):
        astropy_cosmology([0.3])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="h beside m_nu"):
        astropy_cosmology({"omega_m": 0.3, "m_nu": 0.1})


def test_densities_beside_their_physical_ones_may_be_rounded() -> None:
    planck = {"Omega_b": 0.0493, "ombh2": 0.02237, "omch2": 0.12, "H0": 67.36, "Omega_m": 0.3153}
    found = canonical_parameters(planck | {"Mnu": 0.06})
    assert found["omega_m"] == 0.3153
    assert abs(found["omega_b"] - 0.0493) < 1e-4
