"""The Tinker mass function against colossus."""

import numpy as np
import pytest

from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.mass_function import TinkerMassFunction

FIDUCIAL = TinkerMassFunction(LinearPower(Cosmology()))


@pytest.mark.parametrize("redshift", [0.0, 1.0])
@pytest.mark.parametrize(("omega_m", "sigma_8"), [(0.3175, 0.834), (0.2, 0.7)])
def test_agrees_with_colossus(redshift, omega_m, sigma_8):
    reason = "needs colossus, the extra 'reference'"
    colossus = pytest.importorskip("colossus.cosmology.cosmology", reason=reason)
    mass_function = pytest.importorskip("colossus.lss.mass_function", reason=reason)
    cosmology = Cosmology(omega_m=omega_m, sigma_8=sigma_8)
    colossus.setCosmology(
        "galgen",
        params={
            "flat": True,
            "relspecies": False,
            "H0": 100.0 * cosmology.h,
            "Om0": omega_m,
            "Ob0": cosmology.omega_b,
            "sigma8": sigma_8,
            "ns": cosmology.n_s,
            "persistence": "",
        },
    )
    masses, density = TinkerMassFunction(LinearPower(cosmology, redshift)).table
    used = (masses > 3e12) & (masses < 2e15)
    expected = mass_function.massFunction(
        masses[used], redshift, mdef="200m", model="tinker08", q_out="dndlnM"
    )
    np.testing.assert_allclose(density[used], expected, rtol=0.03)


def test_cumulative_number_is_the_integral_of_the_density():
    masses, density = FIDUCIAL.table
    start = 150
    integral = np.trapezoid(density[start:], np.log(masses[start:]))
    assert FIDUCIAL.number_above(np.asarray(masses[start])) == pytest.approx(integral, rel=1e-6)


def test_mass_at_inverts_number_above():
    masses = np.geomspace(1e12, 3e15, 40)
    np.testing.assert_allclose(FIDUCIAL.mass_at(FIDUCIAL.number_above(masses)), masses, rtol=1e-9)


def test_messages():
    with pytest.raises(InputError, match="not their logarithms"):
        FIDUCIAL.number_above(np.array(13.5))
    with pytest.raises(InputError, match="ask for fewer haloes"):
        FIDUCIAL.mass_at(np.array(10.0))
