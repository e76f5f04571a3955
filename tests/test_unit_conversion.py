"""Units as files spell them."""

import numpy as np
import pytest

from galgen.errors import InputError
from galgen.units import conversion_factor, converted

H = 0.7
PARSEC = 3.0856775814913674e18


@pytest.mark.parametrize(
    ("stated", "wanted", "factor"),
    [
        ("Mpc/h", "Mpc/h", 1.0),
        ("kpc/h", "Mpc/h", 1e-3),
        ("h^-1 Mpc", "Mpc/h", 1.0),
        ("h-1 kpc", "Mpc/h", 1e-3),
        ("Mpc h**-1", "Mpc/h", 1.0),
        ("[ckpc/h]", "Mpc/h", 1e-3),
        ("comoving Mpc/h", "Mpc/h", 1.0),
        ("Gpc/h", "Mpc/h", 1e3),
        ("Mpc", "Mpc/h", H),
        ("cm", "Mpc/h", H / (1e6 * PARSEC)),
        ("3.085677581e21 cm/h", "Mpc/h", 3.085677581e21 / (1e6 * PARSEC)),
        ("1e10 Msun/h", "Msun/h", 1e10),
        ("10^10 h^-1 M_sun", "Msun/h", 1e10),
        (r"$10^{10}\,M_\odot/h$", "Msun/h", 1e10),
        ("solMass", "Msun/h", H),
        ("km s-1", "km/s", 1.0),
        ("km/sec", "km/s", 1.0),
        ("m/s", "km/s", 1e-3),
        ("rad", "deg", 180 / np.pi),
        ("DEG", "deg", 1.0),
        ("Mpc^-3", "h^3/Mpc^3", H**-3),
        ("h3 Mpc-3", "h^3/Mpc^3", 1.0),
        ("", "Mpc/h", 1.0),
        ("none", "km/s", 1.0),
    ],
)
def test_spellings(stated: str, wanted: str, factor: float) -> None:
    assert conversion_factor(stated, wanted, "x", H) == pytest.approx(factor, rel=1e-9)


def test_equal_units_keep_the_array_and_logarithms_are_undone() -> None:
    values = np.arange(3, dtype=np.int64)
    assert converted(values, "h^-1 Mpc", "Mpc/h", "x") is values
    np.testing.assert_allclose(converted(np.array([13.0]), "dex(Msun)", "Msun/h", "m", H), 1e13 * H)
    with pytest.raises(InputError, match="got the logarithm"):
        conversion_factor("log10(Msun/h)", "Msun/h", "mass")


@pytest.mark.parametrize(
    ("stated", "wanted", "found"),
    [
        ("km/s", "Mpc/h", "converts to Mpc/h, got km / s"),
        ("Mpc/hour", "Mpc/h", "got 'Mpc/hour'"),
        ("code_length", "Mpc/h", "got 'code_length'"),
        ("physical kpc", "Mpc/h", "got 'physical kpc'"),
        ("km sqrt(a)/s", "km/s", r"got 'km sqrt\(a\)/s'"),
        ("Mpc", "Mpc/h", "h is not known"),
        ("deg", "", "no unit"),
    ],
)
def test_what_cannot_be_converted_is_refused(stated: str, wanted: str, found: str) -> None:
    with pytest.raises(InputError, match=found):
        conversion_factor(stated, wanted, "x")
