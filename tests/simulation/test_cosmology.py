"""Expansion and growth against numerical integrals and the growth equations."""

import math

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from galgen.cosmology import flat_growth_rate
from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.suite import latin_hypercube

COSMOLOGIES = [Cosmology(), Cosmology(omega_m=0.12), Cosmology(omega_m=0.5), Cosmology(omega_m=1.0)]


def solve_growth(omega_m, redshift):
    """D, dD/dlna, D_2, dD_2/dlna from the growth equations (Bouchet et al. 1995), with D_2 > 0."""

    def right_hand_side(log_scale, state):
        growth, rate, second, second_rate = state
        matter = omega_m / (omega_m + (1.0 - omega_m) * math.exp(3.0 * log_scale))
        friction = 2.0 - 1.5 * matter
        return [
            rate,
            1.5 * matter * growth - friction * rate,
            second_rate,
            1.5 * matter * (second + growth**2) - friction * second_rate,
        ]

    start = 1e-4
    initial = [start, start, 3.0 / 7.0 * start**2, 6.0 / 7.0 * start**2]
    end = -math.log(1.0 + redshift)
    solution = solve_ivp(right_hand_side, (math.log(start), end), initial, rtol=1e-9, atol=1e-14)
    return solution.y[:, -1]


@pytest.mark.parametrize("cosmology", COSMOLOGIES)
@pytest.mark.parametrize("redshift", [0.0, 0.7, 3.0])
def test_growth_agrees_with_the_growth_equations(cosmology, redshift):
    today = solve_growth(cosmology.omega_m, 0.0)
    growth, rate, second, second_rate = solve_growth(cosmology.omega_m, redshift)
    assert cosmology.growth_factor(redshift) == pytest.approx(growth / today[0], rel=1e-5)
    assert cosmology.growth_rate(redshift) == pytest.approx(rate / growth, rel=0.03)
    exact = flat_growth_rate(cosmology.omega_m, redshift)
    assert exact == pytest.approx(rate / growth, rel=1e-5)
    assert cosmology.second_order_growth_rate(redshift) == pytest.approx(
        second_rate / second, rel=0.03
    )
    assert second / growth**2 == pytest.approx(3.0 / 7.0, rel=0.02)


def test_growth_agrees_with_the_heath_integral():
    cosmology = Cosmology(omega_m=0.3)

    def heath(redshift):
        integral = quad(
            lambda a: (a * cosmology.expansion(1.0 / a - 1.0)) ** -3, 1e-8, 1.0 / (1.0 + redshift)
        )[0]
        return cosmology.expansion(redshift) * integral

    assert cosmology.growth_factor(2.0) == pytest.approx(heath(2.0) / heath(0.0), rel=1e-6)


def test_einstein_de_sitter_is_exact():
    cosmology = Cosmology(omega_m=1.0)
    assert cosmology.growth_factor(3.0) == pytest.approx(0.25, rel=1e-12)
    assert cosmology.growth_rate(3.0) == pytest.approx(1.0)
    assert cosmology.comoving_hubble(3.0) == pytest.approx(200.0)


def test_lagrangian_radius_holds_the_mass():
    cosmology = Cosmology(omega_m=0.3)
    radius = cosmology.lagrangian_radius(1e14)
    assert 4.0 / 3.0 * np.pi * radius**3 * 0.3 * 2.7754e11 == pytest.approx(1e14, rel=1e-4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"omega_m": 1.4}, r"expected omega_m in \[0.01, 1\], got 1.4"),
        ({"h": 67.11}, r"expected h in \[0.2, 2\], got 67.11"),
        ({"sigma_8": float("nan")}, "expected sigma_8"),
        ({"omega_m": 0.04}, "expected omega_b below omega_m, got 0.049 and 0.04"),
    ],
)
def test_unphysical_parameters_are_refused(parameters, message):
    with pytest.raises(InputError, match=message):
        Cosmology(**parameters)


def test_a_catalogue_s_parameters_are_taken_or_refused_by_name():
    named = {"Om": 0.3, "Ob": 0.05, "H0": 70.0, "ns": 0.96, "s8": 0.8, "w": -1.0, "M_nu": 0.0}
    assert Cosmology.of(named) == Cosmology(0.3, 0.05, 0.7, 0.96, 0.8)
    for change, name in (
        ({"w": -0.9}, "w0 = -0.9"),
        ({"wa": 0.1}, "wa = 0.1"),
        ({"Ok0": 0.01}, "omega_k = 0.01"),
        ({"M_nu": 0.06}, "m_nu = 0.06"),
    ):
        with pytest.raises(InputError, match=f"flat Lambda CDM, which is what .* got {name};"):
            Cosmology.of({**named, **change})
    with pytest.raises(InputError, match="got none of n_s, sigma_8; add them"):
        Cosmology.of({"Om": 0.3, "Ob": 0.05, "h": 0.7})
    with pytest.raises(InputError, match=r"flat Lambda CDM, .* got w0 = -0.9"):
        latin_hypercube({"w0": (-0.9, -1.1)}, 3, 0)
