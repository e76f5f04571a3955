import json

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.normalization import Standardizer
from galgen.errors import InputError
from galgen.serialization import from_json, to_json

SIDE = 1000.0
ALL = ("x", "y", "z", "vx", "vy", "vz", "log_mass")


def make(seed, points=200, side=SIDE, **fields):
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, side, points) for name in "xyz"}
    columns |= {name: rng.normal(30, 300, points) for name in ("vx", "vy", "vz")}
    columns["mass"] = 10 ** rng.normal(13.5, 0.4, points)
    cosmology = {"omega_m": rng.uniform(0.1, 0.5), "sigma_8": rng.uniform(0.6, 1), "h": 0.7}
    return Catalogue(columns, (side,) * 3, **({"cosmology": cosmology} | fields))


@pytest.fixture(scope="module")
def catalogues():
    return [make(seed, 150 + seed) for seed in range(20)]


@pytest.fixture(scope="module")
def standardizer(catalogues):
    return Standardizer.fit(catalogues, ALL)


def test_model_space_is_the_unit_box_and_unit_scales(catalogues, standardizer):
    x = np.concatenate([standardizer.encode(c) for c in catalogues])
    assert x.dtype == np.float32
    assert x[:, :3].min() >= 0 and x[:, :3].max() < 1
    np.testing.assert_allclose(x[:, 6].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(x[:, 6].std(), 1, atol=1e-5)
    np.testing.assert_allclose(np.mean(x[:, 3:6] ** 2), 1, rtol=1e-5)
    conditions = np.stack(
        [standardizer.encode_condition(standardizer.condition_values(c)) for c in catalogues]
    )
    np.testing.assert_allclose(conditions.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(conditions.std(0), 1, atol=1e-6)


def test_rotations_commute_with_standardising(catalogues, standardizer):
    turned = dict(catalogues[0].columns)
    turned["vx"], turned["vy"] = -turned["vy"], turned["vx"]
    rotated = standardizer.encode(catalogues[0].replace(columns=turned))
    original = standardizer.encode(catalogues[0])
    np.testing.assert_allclose(rotated[:, 3], -original[:, 4], rtol=1e-6)
    np.testing.assert_allclose(rotated[:, 4], original[:, 3], rtol=1e-6)


def test_decode_inverts_encode(catalogues, standardizer):
    original = catalogues[3]
    decoded = standardizer.decode(
        standardizer.encode(original), standardizer.condition_values(original), {"seed": "1"}
    )
    np.testing.assert_allclose(decoded.positions, original.positions, atol=1e-4)
    np.testing.assert_allclose(decoded.velocities, original.velocities, atol=1e-3)
    np.testing.assert_allclose(decoded.columns["mass"], original.columns["mass"], rtol=1e-5)
    assert decoded.cosmology == original.cosmology
    assert (decoded.box, decoded.periodic, decoded.redshift) == (original.box, True, 0.0)
    assert decoded.units == original.units and decoded.provenance == {"seed": "1"}


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("side", [0.1, 33.3, 420.0, 1000.0])
def test_positions_stay_below_the_side_in_float32(side, periodic):
    edge = np.array([0.0, np.nextafter(side, 0), side * (1 - 1e-9)])
    box = (side, side, side)
    catalogue = Catalogue({"x": edge, "y": edge, "z": edge}, box, periodic=periodic)
    standardizer = Standardizer.fit([catalogue], ("x", "y", "z"), ())
    encoded = standardizer.encode(catalogue)
    assert encoded.max() < 1
    beyond = np.array([[1.0, 1 - 1e-8, -1e-9], [1 + 1e-7, np.nextafter(1, 0), 0.5]])
    for x in (encoded, beyond, beyond.astype(np.float32)):
        decoded = standardizer.decode(x)
        for name in "xyz":
            assert np.all(decoded.columns[name] < np.float32(side))
            assert np.all(decoded.columns[name] >= 0)


def test_open_boxes_clip_and_periodic_ones_wrap():
    columns = {name: np.array([1.0, 4.0]) for name in "xyz"}
    outside = np.array([[-0.1, 0.5, 1.2], [0.5, 0.5, 1.0 + 1e-7]])
    for periodic, wanted in ((True, [4.5, 2.5, 1.0]), (False, [0.0, 2.5, 5.0])):
        catalogue = Catalogue(columns, (5.0, 5.0, 5.0), periodic=periodic)
        decoded = Standardizer.fit([catalogue], ("x", "y", "z"), ()).decode(outside)
        np.testing.assert_allclose(decoded.positions[0], wanted, atol=1e-5)
    assert decoded.provenance == {"points clipped to the open box": "1"}


def test_json_round_trip(standardizer):
    again = from_json(json.loads(json.dumps(to_json(standardizer))))
    assert again == standardizer
    assert all(type(value) is float for value in again.means + again.scales)


def test_structure(catalogues, standardizer):
    assert standardizer.positions and standardizer.velocity_columns == (3, 4, 5)
    assert standardizer.points_range == (150, 169) and standardizer.fixed_cosmology == {"h": 0.7}
    assert standardizer.cubic
    masses = Standardizer.fit(catalogues, ("log_mass",), ())
    assert not masses.positions and masses.velocity_columns is None
    assert masses.encode_condition({}).shape == (0,)
    assert len(masses.decode(np.zeros((3, 1)))) == 3


def test_redshift_may_be_a_condition():
    suite = [make(seed, redshift=0.5 * seed) for seed in range(3)]
    standardizer = Standardizer.fit(suite, ("x", "y", "z"), ("redshift",))
    assert standardizer.redshifts == (0.0, 0.5, 1.0)
    assert standardizer.condition_ranges == ((0.0, 1.0),)
    decoded = standardizer.decode(standardizer.encode(suite[1]), {"redshift": 0.5})
    assert decoded.redshift == 0.5 and "redshift" not in decoded.cosmology


def test_extrapolation_is_asked_for(standardizer):
    _, high = standardizer.condition_ranges[0]
    inside = {"omega_m": high, "sigma_8": 0.8}
    np.testing.assert_array_equal(
        standardizer.encode_condition(inside), standardizer.encode_condition([high, 0.8])
    )
    with pytest.raises(InputError, match=r"omega_m in the trained range \[.*\], got 0.9; .*extrap"):
        standardizer.encode_condition({"omega_m": 0.9, "sigma_8": 0.8})
    beyond = standardizer.encode_condition({"omega_m": 0.9, "sigma_8": 0.8}, extrapolate=True)
    assert beyond[0] > standardizer.encode_condition(inside)[0]
    with pytest.raises(InputError, match="got nan"):
        standardizer.encode_condition([np.nan, 0.8], extrapolate=True)
    with pytest.raises(InputError, match="add sigma_8"):
        standardizer.encode_condition({"omega_m": 0.3})
    with pytest.raises(InputError, match=r"expected 2 values.* got shape \(1,\)"):
        standardizer.encode_condition([0.3])


def test_what_cannot_be_fitted(catalogues):
    fit = Standardizer.fit
    with pytest.raises(InputError, match=r"one box size, .*; cut into equal boxes"):
        fit([catalogues[0], make(0, side=500.0)])
    with pytest.raises(InputError, match="periodic or all open"):
        fit([catalogues[0], make(0, periodic=False)])
    with pytest.raises(InputError, match="got none; pass some"):
        fit([])
    with pytest.raises(InputError, match="a point or more to standardise, got none in 2"):
        fit([make(0, 0), make(1, 0)])
    with pytest.raises(InputError, match="x, y, z first"):
        fit(catalogues, ("log_mass", "x", "y", "z"))
    with pytest.raises(InputError, match=r"column 'age', got columns \['x', 'y', 'z', 'vx'"):
        fit(catalogues, ("x", "y", "z", "log_age"))
    with pytest.raises(InputError, match=r"'n_s' to condition on, got \['redshift', 'omega_m'"):
        fit(catalogues, condition=("n_s",))
    negative = catalogues[0].replace(columns={**catalogues[0].columns, "mass": -np.ones(150)})
    with pytest.raises(InputError, match="positive values of 'mass' for 'log_mass', got 150"):
        fit([negative])


def test_what_cannot_be_encoded_or_decoded(catalogues, standardizer):
    with pytest.raises(InputError, match="expected the trained box"):
        standardizer.encode(make(0, side=10.0))
    with pytest.raises(InputError, match=r"shape \(points, 7\), got \(2, 3\)"):
        standardizer.decode(np.zeros((2, 3)))
    with pytest.raises(InputError, match="got 1 NaN or infinite; the model has diverged"):
        standardizer.decode(np.array([[np.nan, 0, 0, 0, 0, 0, 0]]))
    with pytest.raises(InputError, match=r"log_mass that a float32 can hold, got up to .* longer"):
        standardizer.decode(np.array([[0, 0, 0, 0, 0, 0, 1e4]]))


def test_constant_columns_do_not_divide_by_zero():
    columns = {name: np.array([1.0, 2.0]) for name in ("x", "y", "z")} | {"weight": np.ones(2)}
    catalogue = Catalogue(columns, (5.0, 5.0, 5.0), cosmology={"omega_m": 0.3})
    with pytest.warns(UserWarning, match=r"left out: weight \(1\), omega_m \(0.3\)"):
        standardizer = Standardizer.fit([catalogue], ("x", "y", "z", "weight"), ("omega_m",))
    assert np.all(np.isfinite(standardizer.encode(catalogue)))
    assert standardizer.encode_condition([0.3]).tolist() == [0.0]
