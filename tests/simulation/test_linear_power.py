"""The linear power spectrum against camb, and its normalisation."""

import numpy as np
import pytest
from scipy.integrate import quad

from galgen.cosmology.transfer import top_hat, transfer_function
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.linear_power import LinearPower

FIDUCIAL = Cosmology()


@pytest.mark.parametrize("cosmology", [FIDUCIAL, Cosmology(omega_m=0.2, sigma_8=0.7, n_s=1.1)])
def test_rms_in_eight_megaparsecs_is_sigma_8(cosmology):
    power = LinearPower(cosmology)
    assert power.sigma(np.array(8.0)) == pytest.approx(cosmology.sigma_8, rel=1e-12)

    def integrand(log_k):
        k = np.exp(log_k)
        return k**3 * power(np.array(k)) * top_hat(np.array(8.0 * k)) ** 2 / (2.0 * np.pi**2)

    variance = quad(integrand, np.log(1e-5), np.log(20.0), limit=500)[0]
    assert np.sqrt(variance) == pytest.approx(cosmology.sigma_8, rel=1e-3)


def test_amplitude_follows_the_growth():
    k = np.array([0.01, 0.1, 1.0])
    ratio = LinearPower(FIDUCIAL, 1.0)(k) / LinearPower(FIDUCIAL)(k)
    np.testing.assert_allclose(ratio, FIDUCIAL.growth_factor(1.0) ** 2, rtol=1e-12)


def test_large_scales_are_primordial():
    k = np.array([1e-5, 2e-5])
    np.testing.assert_allclose(
        transfer_function(k, FIDUCIAL.omega_m, FIDUCIAL.omega_b, FIDUCIAL.h), 1.0, atol=2e-3
    )
    assert LinearPower(FIDUCIAL)(np.array(0.0)) == 0.0


def test_top_hat_is_the_transform_of_a_sphere():
    for x in (1e-3, 0.02, 1.0, 7.3):
        numerical = quad(lambda r, x=x: 3.0 * r**2 * np.sinc(r * x / np.pi), 0.0, 1.0)[0]
        assert top_hat(np.array(x)) == pytest.approx(numerical, rel=1e-7, abs=1e-10)


@pytest.mark.parametrize(
    "cosmology",
    [FIDUCIAL, Cosmology(omega_m=0.22, sigma_8=0.72), Cosmology(omega_m=0.38, sigma_8=0.88)],
)
def test_agrees_with_a_boltzmann_code(cosmology):
    camb = pytest.importorskip("camb", reason="needs camb, the extra 'reference'")
    h = cosmology.h
    parameters = camb.set_params(
        H0=100.0 * h,
        ombh2=cosmology.omega_b * h**2,
        omch2=(cosmology.omega_m - cosmology.omega_b) * h**2,
        mnu=0.0,
        omk=0.0,
        ns=cosmology.n_s,
        As=2e-9,
        WantTransfer=True,
    )
    parameters.set_matter_power(redshifts=[0.0], kmax=5.0)
    results = camb.get_results(parameters)
    k, _, expected = results.get_matter_power_spectrum(minkh=3e-3, maxkh=3.0, npoints=120)
    expected = expected[0] * (cosmology.sigma_8 / results.get_sigma8_0()) ** 2
    np.testing.assert_allclose(LinearPower(cosmology)(k), expected, rtol=0.06)
