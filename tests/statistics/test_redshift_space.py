"""Redshift space by hand, by closed forms, and against the expansion of astropy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy import units
from astropy.cosmology import FlatLambdaCDM, Flatw0waCDM, LambdaCDM, w0waCDM
from scipy.integrate import solve_ivp

from galgen.cosmology.expansion import expansion_ratio, growth_rate
from galgen.errors import InputError
from galgen.statistics.redshift_space import (
    hubble_ratio,
    radial_redshift_space_positions,
    redshift_space_positions,
)


def test_redshift_space_by_hand():
    """E(1)² = 0.3 x 8 + 0.7 = 3.1: 500 km/s is 500 x 2 / (100 sqrt(3.1)) = 5.6796 Mpc/h."""
    x = np.array([[[1.0, 2, 3], [1.0, 2, 99]]], np.float32)
    v = np.array([[[9.0, 9, 500], [9.0, 9, 500]]], np.float32)
    shift = 500 * 2 / (100 * np.sqrt(3.1))
    for axis in range(3):
        roll = 2 - axis
        moved = redshift_space_positions(
            np.roll(x, -roll, -1), np.roll(v, -roll, -1), 100.0, 0.3, 1.0, axis
        )
        truth = np.array([[[1, 2, 3 + shift], [1, 2, 99 + shift - 100]]])
        np.testing.assert_allclose(np.roll(moved, roll, -1), truth, rtol=1e-5)
    opened = redshift_space_positions(x, v, 100.0, 0.3, 1.0, periodic=False)
    np.testing.assert_allclose(opened[0, 1, 2], 99 + shift, rtol=1e-6)


def test_redshift_space_takes_one_cosmology_per_catalogue():
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 50, (2, 7, 3)).astype(np.float32)
    v = rng.normal(0, 300, (2, 7, 3)).astype(np.float32)
    omega, z = np.array([0.2, 0.4]), np.array([0.0, 0.5])
    both = redshift_space_positions(x, v, 50.0, omega, z)
    for i in range(2):
        alone = redshift_space_positions(x[i], v[i], 50.0, omega[i], z[i])
        np.testing.assert_allclose(both[i], alone, rtol=1e-6)
    assert np.all((np.asarray(both) >= 0) & (np.asarray(both) < 50))
    np.testing.assert_allclose(hubble_ratio(1.0, 3.0), 8.0, rtol=1e-6)
    jitted = jax.jit(lambda y: redshift_space_positions(y, v, 50.0, omega, z))(x)
    np.testing.assert_allclose(jitted, both, rtol=1e-6)


@pytest.mark.parametrize("hubble", [50.0, 67.11, 100.0])
def test_the_shift_is_v_over_a_times_the_hubble_rate_of_astropy(hubble):
    """h cancels: v / (a H) in Mpc is h times less in Mpc/h, whatever H_0."""
    redshift, omega_m, speed = np.array([0.0, 0.3, 0.57, 1.0, 3.0]), 0.3175, 700.0
    cosmology = FlatLambdaCDM(hubble, omega_m, Tcmb0=0)
    rate = cosmology.H(redshift).to_value("km / (s Mpc)")
    truth = speed * (1 + redshift) / rate * cosmology.h
    with jax.enable_x64(True):
        np.testing.assert_allclose(hubble_ratio(omega_m, redshift), rate / hubble, rtol=1e-12)
        x = np.full((5, 1, 3), 10.0)
        v = np.full((5, 1, 3), speed)
        distant = redshift_space_positions(x, v, 100.0, omega_m, redshift)
        np.testing.assert_allclose(distant[:, 0, 2] - 10.0, truth, rtol=1e-12)
        np.testing.assert_array_equal(distant[..., :2], x[..., :2])
        radial = radial_redshift_space_positions(x, v, (10.0, 10.0, 0.0), omega_m, redshift)
        np.testing.assert_allclose(radial, distant, rtol=1e-12)


MODELS = {
    "flat": ({"omega_m": 0.3}, FlatLambdaCDM(70, 0.3, Tcmb0=0)),
    "w": ({"Om": 0.3, "w": -0.8}, Flatw0waCDM(70, 0.3, w0=-0.8, Tcmb0=0)),
    "w0wa": (
        {"omega_m": 0.3, "w0": -0.7, "wa": -0.5},
        Flatw0waCDM(70, 0.3, w0=-0.7, wa=-0.5, Tcmb0=0),
    ),
    "open": ({"omega_m": 0.3, "omega_k": 0.1}, LambdaCDM(70, 0.3, 0.6, Tcmb0=0)),
    "closed": (
        {"Om0": 0.3, "Ode0": 0.8, "w0": -0.9, "wa": 0.3},
        w0waCDM(70, 0.3, 0.8, w0=-0.9, wa=0.3, Tcmb0=0),
    ),
    "neutrinos": (
        {"omega_m": 0.3, "h": 0.7, "Mnu": 0.3},
        FlatLambdaCDM(70, 0.3 - 0.3 / 93.14 / 0.49, 2.7255, 3.046, m_nu=0.1 * units.eV),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_expansion_of_any_cosmology_is_that_of_astropy(name):
    parameters, cosmology = MODELS[name]
    redshift = np.array([0.0, 0.5, 3.0])
    truth = cosmology.efunc(redshift)
    np.testing.assert_allclose(expansion_ratio(parameters, redshift), truth, rtol=1e-6)
    np.testing.assert_allclose(expansion_ratio([cosmology] * 3, redshift), truth, rtol=1e-14)
    x, v = np.full((3, 1, 3), 10.0), np.full((3, 1, 3), 700.0)
    shift = 7 * (1 + redshift) / truth
    moved = redshift_space_positions(x, v, 100.0, redshift=redshift, cosmology=parameters)
    np.testing.assert_allclose(moved[:, 0, 2] - 10, shift, rtol=1e-5)
    radial = radial_redshift_space_positions(x, v, (10, 10, 0), None, redshift, parameters)
    np.testing.assert_allclose(radial, moved, rtol=1e-6)


def test_each_catalogue_has_its_own_cosmology():
    each = [{"omega_m": 0.3}, {"omega_m": 0.3, "w0": -0.7}, {"omega_m": 0.2, "omega_k": 0.1}]
    alone = [float(expansion_ratio(one, 0.7)) for one in each]
    np.testing.assert_array_equal(expansion_ratio(each, 0.7), alone)
    assert len(set(alone)) == 3
    columns = {"omega_m": np.array([0.3, 0.3]), "w0": np.array([-1.0, -0.7])}
    np.testing.assert_array_equal(expansion_ratio(columns, 0.7), alone[:2])


@pytest.mark.parametrize(
    "parameters",
    [{}, {"w0": -0.7}, {"w0": -1.3}, {"w0": -0.7, "wa": -0.5}, {"omega_k": 0.1}, {"omega_k": -0.1}],
)
def test_growth_is_that_of_its_equation(parameters):
    """f' + f² + (2 + d ln H / d ln a) f = 3/2 Omega_m(a), from f = 1 deep in the past."""
    known = {"omega_m": 0.3, **parameters}

    def slope(x, f):
        ratio, step = (expansion_ratio(known, np.expm1(-x + d)) for d in (0.0, 1e-5))
        friction = 2 - np.log(step / ratio) / 1e-5
        return 1.5 * 0.3 * np.exp(-3 * x) / ratio**2 - f**2 - friction * f

    exact = solve_ivp(slope, (-4.0, 0.0), [1.0], rtol=1e-6, t_eval=[-np.log(1.5), 0.0]).y[0]
    np.testing.assert_allclose(growth_rate(known, 0.5), exact[0], rtol=6e-3)
    np.testing.assert_allclose(growth_rate(known, 0.0), exact[1], rtol=1.3e-2)


def test_a_cosmology_that_cannot_be_followed_is_named():
    x = np.zeros((2, 4, 3))
    for arguments, message in (
        ({}, r"got none redshift and neither; pass cosmology=catalogue.cosmology"),
        ({"redshift": 0.0}, r"got a redshift and neither"),
        ({"redshift": 0.0, "omega_m": 0.3, "cosmology": {"omega_m": 0.3}}, r"redshift and both"),
        ({"redshift": 0.0, "cosmology": {"h": 0.7}}, r"omega_m in the catalogue's cosmology"),
        ({"redshift": 0.0, "cosmology": {"omega_m": 0.3, "wz": -1}}, r"known, got 'wz'"),
        ({"redshift": 2.0, "cosmology": {"omega_m": 0.1, "Ode0": 2.0}}, r"from a big bang"),
        ({"redshift": [0.0, 1.0], "cosmology": [{"omega_m": 0.3}] * 3}, r"each of 3 cosmologies"),
        ({"redshift": 0.0, "cosmology": [{"omega_m": 0.3}] * 3}, r"one per catalogue"),
    ):
        with pytest.raises(InputError, match=message):
            redshift_space_positions(x, x, 100.0, **arguments)


def test_a_radial_flow_scales_the_distance_and_a_rotation_leaves_it():
    """v = 100 d km/s is Hubble flow of h = 1: today it doubles the distance of every point."""
    rng = np.random.default_rng(4)
    observer = np.array([20.0, 30.0, 40.0])
    x = rng.uniform(0, 60, (2, 50, 3)).astype(np.float32)
    apart = x - observer.astype(np.float32)
    flow = radial_redshift_space_positions(x, 100 * apart, observer, 0.3, 0.0)
    np.testing.assert_allclose(flow, observer + 2 * apart, rtol=1e-5, atol=1e-5)
    turning = np.cross(apart, [0.0, 0.0, 1e3])
    still = radial_redshift_space_positions(x, turning, observer, 0.3, 0.0)
    np.testing.assert_allclose(still, x, atol=1e-3)
    assert np.abs(turning).max() > 1e4


def test_radial_equals_numpy_for_one_cosmology_per_catalogue_and_under_jit():
    rng = np.random.default_rng(5)
    x, v = rng.uniform(0, 50, (3, 40, 3)), rng.normal(0, 300, (3, 40, 3))
    omega, z, observer = np.array([0.2, 0.3, 0.4]), np.array([0.0, 0.5, 1.0]), np.full(3, 25.0)
    radial = x - observer
    direction = radial / np.linalg.norm(radial, axis=-1, keepdims=True)
    factor = (1 + z) / (100 * np.sqrt(omega * (1 + z) ** 3 + 1 - omega))
    speed = (v * direction).sum(-1, keepdims=True)
    truth = x + factor[:, None, None] * speed * direction
    moved = radial_redshift_space_positions(x, v, observer, omega, z)
    np.testing.assert_allclose(moved, truth, rtol=1e-12)
    jitted = jax.jit(lambda a: radial_redshift_space_positions(a, v, observer, omega, z))(x)
    np.testing.assert_allclose(jitted, moved, rtol=1e-6, atol=1e-6)
    shift = np.array([7.0, -3.0, 100.0])
    apart = radial_redshift_space_positions(x + shift, v, observer + shift, omega, z) - shift
    np.testing.assert_allclose(apart, truth, atol=1e-4)


def test_radial_is_the_distant_observer_far_away():
    rng = np.random.default_rng(6)
    x, v = rng.uniform(0, 100, (1, 30, 3)), rng.normal(0, 300, (1, 30, 3))
    with jax.enable_x64(True):
        far = radial_redshift_space_positions(x, v, (50.0, 50.0, -1e7), 0.3, 0.5)
        flat = redshift_space_positions(x, v, 100.0, 0.3, 0.5, periodic=False)
        np.testing.assert_allclose(far, flat, atol=1e-3)
    assert np.abs(np.asarray(flat) - x).max() > 3


def test_the_observer_itself_does_not_move_and_gradients_are_finite():
    x = np.array([[[1.0, 2, 3], [4.0, 2, 3]]], np.float32)
    v = np.full_like(x, 300.0)
    observer = (1.0, 2.0, 3.0)
    moved = radial_redshift_space_positions(x, v, observer, 0.3, 0.0)
    np.testing.assert_allclose(moved[0], [[1, 2, 3], [7, 2, 3]], rtol=1e-6)

    def total(y):
        return jnp.sum(radial_redshift_space_positions(y, v, observer, 0.3, 0.0))

    assert np.all(np.isfinite(jax.grad(total)(x)))


def test_padding_may_hold_anything():
    x = np.array([[[1.0, 2, 3], [np.nan] * 3]], np.float32)
    v = np.full_like(x, 100.0)
    alone = redshift_space_positions(x[:, :1], v[:, :1], 100.0, 0.3, 0.0)
    np.testing.assert_array_equal(redshift_space_positions(x, v, 100.0, 0.3, 0.0)[:, :1], alone)
    alone = radial_redshift_space_positions(x[:, :1], v[:, :1], (0, 0, 0), 0.3, 0.0)
    padded = radial_redshift_space_positions(x, v, (0, 0, 0), 0.3, 0.0)
    np.testing.assert_array_equal(padded[:, :1], alone)
    assert redshift_space_positions(x[:, :0], v[:, :0], 100.0, 0.3, 0.0).shape == (1, 0, 3)


def test_bad_input_is_named():
    x = np.zeros((2, 4, 3))
    with pytest.raises(InputError, match=r"one shape \(..., 3\), got \(2, 4, 3\) and \(2, 3, 3\);"):
        redshift_space_positions(x, x[:, :3], 100.0, 0.3, 0.0)
    with pytest.raises(InputError, match=r"line of sight of 0, 1 or 2 \(x, y, z\), got -1;"):
        redshift_space_positions(x, x, 100.0, 0.3, 0.0, line_of_sight=-1)
    with pytest.raises(InputError, match=r"one per catalogue .*\(2, 4, 3\), got \(3,\); pass a"):
        redshift_space_positions(x, x, 100.0, 0.3, [0.0, 0.1, 0.2])
    with pytest.raises(InputError, match=r"Omega_m between 0 and 10, got 67; check the order"):
        redshift_space_positions(x, x, 100.0, 67.0, 0.0)
    with pytest.raises(InputError, match=r"redshift between -1 and 10000, got -1; check"):
        redshift_space_positions(x, x, 100.0, 0.3, [0.0, -1.0])
    with pytest.raises(InputError, match=r"redshift between -1 and 10000, got nan; check"):
        radial_redshift_space_positions(x, x, (0, 0, 0), 0.3, np.nan)
    with pytest.raises(
        InputError, match=r"an observer at 3 finite coordinates .* got \[1.0, 2.0\]"
    ):
        radial_redshift_space_positions(x, x, (1.0, 2.0), 0.3, 0.0)
