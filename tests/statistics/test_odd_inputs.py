"""Every public statistic takes arrays as they come, to the same number, or refuses them by name.

Each argument that is an array is handed over in all the forms that mean the same, and with each
fault. Shapes are the same throughout, so that a statistic is compiled once.
"""

import inspect

import astropy.units as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.cosmology.units import littleh as LITTLE_H
from astropy.table import MaskedColumn
from statistic_table import (
    COSMOLOGY,
    EDGES,
    K_EDGES,
    POINTS,
    POINTS_OF,
    SIDE,
    TABLE,
    data,
)

from galgen.errors import InputError
from galgen.mocks import SkyMask
from galgen.statistics import counts, fourier, pairs, sky

MPC, KMS = u.Mpc / LITTLE_H, u.km / u.s
ELSEWHERE = {
    # what they take was checked by as_points, or is no array
    "pairs.as_points", "pairs.pair_sums", "pairs.sums_by_cells", "pairs.sums_by_columns",
    "pairs.sums_by_tiles",
    "fourier.equilateral", "fourier.squeezed", "fourier.fourier_modes", "counts.lattice_centers",
    # randoms as of survey_power_spectrum, after a compilation of its own
    "fourier.survey_window",
}  # fmt: skip
COMPILED = {name for name in POINTS_OF if "tree" not in name and "by cells" not in name}
FEW = {"pairs.pair_counts", "fourier.power_spectrum", "counts.neighbor_counts"}
"""Compiled in every run; the others take a minute."""
FAST_VALUES = [
    pytest.param(name, marks=pytest.mark.slow if name in COMPILED - FEW else ()) for name in TABLE
]
MOVED = {name for name in TABLE if name.startswith("redshift_space.")}
"""They have no mask: a row of NaN is moved to NaN."""
PADDED = {"positions", "other_positions", "velocities", "weights", "other_weights", "marks"} | {
    "log10_mass"
}
UNITS = {
    "positions": MPC, "other_positions": MPC, "queries": MPC, "places": MPC, "distance": MPC,
    "velocities": KMS, "right ascension": u.deg, "declination": u.deg,
}  # fmt: skip


def strided(values):
    wide = np.zeros((*values.shape, 2), values.dtype)
    wide[..., 0] = values
    return wide[..., 0]


def frozen(values):
    values = values.copy()
    values.flags.writeable = False
    return values


def masked_padding(values, name):
    """As missing values come: a number under a mask."""
    if name not in PADDED:
        return np.ma.MaskedArray(values)
    return np.ma.MaskedArray(np.nan_to_num(values, nan=999999.0), ~np.isfinite(values))


FORMS = {
    "big-endian": lambda v, name: v.astype(v.dtype.newbyteorder(">")),
    "Fortran order": lambda v, name: np.asfortranarray(v),
    "a view": lambda v, name: strided(v),
    "read-only": lambda v, name: frozen(v),
    "a list": lambda v, name: v.tolist(),
    "float32": lambda v, name: v.astype(np.float32) if v.dtype.kind == "f" else v,
    "float16": lambda v, name: v.astype(np.float16) if v.dtype.kind == "f" else v,
    "an array of JAX": lambda v, name: jnp.asarray(v),
    "masked in the padding": masked_padding,
    "objects": lambda v, name: v.astype(object),
    "zero in the padding": lambda v, name: np.where(np.isfinite(v), v, 0) if name in PADDED else v,
    "a column": lambda v, name: MaskedColumn(v) if v.ndim == 1 else v,
    "a quantity": lambda v, name: v * UNITS[name] if name in UNITS else v,
}


@pytest.mark.parametrize("name", FAST_VALUES)
def test_what_means_the_same_gives_the_same_number(name):
    names, measure = TABLE[name]
    plain = data()
    truth = np.asarray(measure(plain))
    assert np.any(np.isfinite(truth)) and np.any(truth != 0)
    for form, change in FORMS.items():
        odd = {**plain, **{n: change(plain[n], n) for n in names}}
        found = np.asarray(measure(odd))
        if name in MOVED and form == "an array of JAX":  # stays one, of float32
            np.testing.assert_allclose(found, truth, rtol=1e-5)
        else:
            np.testing.assert_array_equal(found, truth, err_msg=form)


@pytest.mark.parametrize("name", FAST_VALUES)
def test_integers_are_numbers(name):
    measure = TABLE[name][1]
    whole = {n: np.nan_to_num(np.ceil(v.astype(float))) for n, v in data().items()}
    truth = np.asarray(measure({**whole, "mask": data()["mask"], "other_mask": data()["mask"]}))
    for dtype in (np.int64, ">i4", np.int16):
        odd = {n: v.astype(dtype) for n, v in whole.items()}
        np.testing.assert_array_equal(np.asarray(measure(odd)), truth)


def broken(values, place, fault):
    values = values.copy().astype(object if fault is None else float)
    values[place] = fault
    return values


FAULTS = {
    "NaN": lambda v: broken(v, (0,) * v.ndim, np.nan),
    "infinity": lambda v: broken(v, (0,) * v.ndim, -np.inf),
    "a masked value": lambda v: np.ma.MaskedArray(v, np.arange(v.size).reshape(v.shape) == 0),
    "None": lambda v: broken(v, (0,) * v.ndim, None),
    "text": lambda v: v.astype(str),
    "complex numbers": lambda v: v.astype(complex),
    "a row too few": lambda v: v[:, :-1],
    "an axis too many": lambda v: v[..., None],
    "another unit": lambda v: v * u.kg,
}
NAMED = {  # how errors call an argument, where it is not by its name here
    "object weights": "weights",
    "queries": "centres",
    "places": "positions",
    "log10_mass": "log10_mass|values",
    "marks": "marks|column 'of'",
    "distance": "comoving distance",
    "counts": "counts|overdensity",
    "other_mask": "mask",
    "density": "densit",
}


def faults_of(name, argument):
    """Those that are some for this argument."""
    rows = argument in PADDED | {"mask", "other_mask"}
    for fault, change in FAULTS.items():
        shape = fault in ("a row too few", "an axis too many")
        unit = fault == "another unit"
        if (shape and not rows) or (unit and argument not in UNITS):
            continue
        if name in MOVED and fault in ("NaN", "infinity"):
            continue
        yield fault, change


@pytest.mark.parametrize("name", TABLE)
def test_what_cannot_be_right_is_refused_by_name(name):
    """Before anything is compiled: so all statistics are tried in every run."""
    names, measure = TABLE[name]
    plain = data()
    for argument in names:
        for fault, change in faults_of(name, argument):
            odd = {**plain, argument: change(plain[argument])}
            with pytest.raises(InputError) as error:
                measure(odd)
            words = str(error.value)
            called = NAMED.get(argument, argument).split("|")
            called += ["mask"] * (fault == "a row too few")
            assert any(word in words for word in called), (argument, fault, words)
            assert "\n" not in words and words.startswith("expected"), (argument, fault, words)


REFUSES_NEGATIVE = {
    "fourier.velocity_power_spectrum": "weights",
    "counts.mass_function": "weights",
    "pairs.landy_szalay": "object weights",
    "fourier.survey_power_spectrum": "object weights",
    "fourier.fkp_weights": "density",
    "sky.redshift_distribution": "object weights",
    "sky.jackknife_redshift_distribution": "object weights",
    "sky.sky_regions": "object weights",
    "sky.survey_area": "completeness",
    "sky.galaxy_field": "counts",
    "mocks.SkyMask": "completeness",
    "mocks.HaloOccupation": "mass",
}


@pytest.mark.parametrize("name", REFUSES_NEGATIVE)
def test_negative_weights_that_have_no_meaning_are_refused(name):
    argument, plain = REFUSES_NEGATIVE[name], data()
    values = plain[argument].copy()
    values[(0,) * values.ndim] = -99.0  # a mark of missing values
    with pytest.raises(InputError, match=argument.split()[-1].removesuffix("y")):
        TABLE[name][1]({**plain, argument: values})


def test_every_public_function_is_in_the_table():
    packages = {"pairs": pairs, "fourier": fourier, "counts": counts, "sky": sky}
    public = {
        f"{package}.{name}"
        for package, module in packages.items()
        for name in module.__all__
        if inspect.isfunction(getattr(module, name))
    }
    tried = {name.split(" ")[0] for name in TABLE}
    assert not public - tried - ELSEWHERE
    assert not ELSEWHERE - public


@pytest.mark.parametrize("name", [p for p in FAST_VALUES if "mask" in TABLE[p.values[0]][0]])
def test_no_points_and_one_point_are_undefined_or_counted(name):
    measure = TABLE[name][1]
    for real in (0, 1):
        few = np.broadcast_to(np.arange(POINTS) < real, (2, POINTS))
        found = np.asarray(measure({**data(), "mask": few, "other_mask": few}))
        assert found.dtype.kind in "if"
        assert not np.any(np.isinf(found))
        if real == 0 and name != "counts.counts_in_cells":  # of which all are empty
            assert np.all(np.isnan(found) | (found == 0))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in POINTS_OF if "mask" in POINTS_OF[n][0]])
def test_catalogues_without_rows_and_batches_without_catalogues_are_empty(name):
    for batch, rows in ((2, 0), (0, POINTS)):
        few = {n: v[:batch, :rows] if len(v) == 2 else v for n, v in data().items()}
        found = np.asarray(POINTS_OF[name][1](few))
        assert len(found) == batch and not np.any(np.isinf(found))


def close_pairs(number):
    """Pairs 1e-4 Mpc/h apart in a box of 3,000, a tenth of what float32 tells apart there."""
    rng = np.random.default_rng(1)
    first = rng.uniform(0, 3000.0, (number // 2, 3))
    return np.concatenate([first, first + np.array([1e-4, 0.0, 0.0])])


@pytest.mark.parametrize("form", ["NumPy", "big-endian", "a list"])
@pytest.mark.parametrize("rows", [1000, 1024, 1025, 1300])
def test_integers_do_not_depend_on_the_size(rows, form):
    """1,000 points alone, and padded to more rows than one method counts."""
    x = np.full((1, rows, 3), np.nan)
    x[0, :1000] = close_pairs(1000)
    given = {"NumPy": x, "big-endian": x.astype(">f8"), "a list": x.tolist()}[form]
    mask = np.arange(rows)[None] < 1000
    found = pairs.pair_counts(given, mask, (0.0, 5e-5, 2e-4, 1.0), 3000.0)
    assert isinstance(found, np.ndarray) and found.dtype == np.int64
    np.testing.assert_array_equal(found, [[0, 1000, 0]])
    x[0, 3] = np.nan
    with pytest.raises(InputError, match="positions of real points finite, got NaN"):
        pairs.pair_counts(x, mask, (0.0, 5e-5, 2e-4, 1.0), 3000.0)


def test_all_routes_count_the_same_in_every_precision():
    rng = np.random.default_rng(2)
    x = (rng.integers(0, 1000, (2, 300, 3)) / 10).astype(np.float32)
    edges, queries = np.arange(0, 40) * 0.5, x[0, :50]
    for given in (x, jnp.asarray(x), x.astype(np.float64)):
        by_tiles, by_cells, by_columns = (
            pairs.pair_counts(given, None, edges, 100.0, method=method)
            for method in (pairs.sums_by_tiles, pairs.sums_by_cells, pairs.sums_by_columns)
        )
        np.testing.assert_array_equal(by_tiles, by_cells)
        np.testing.assert_array_equal(by_tiles, by_columns)
        radii = edges[1:20] + 0.01
        np.testing.assert_array_equal(
            counts.sphere_counts(given, None, radii, 100.0, queries),
            counts.sphere_counts_by_tree(given, None, radii, 100.0, queries),
        )
    assert by_tiles.sum() > 5000


def test_known_positions_inside_a_jit_are_counted_exactly():
    x = close_pairs(100)[None]

    @jax.jit
    def counted(scale):
        return scale * jnp.sum(pairs.pair_counts(x, None, (5e-5, 2e-4), 3000.0))

    assert counted(2.0) == 200


def test_positions_that_cannot_be_in_the_box_are_named():
    x = data()["positions"]
    mask = data()["mask"]
    with pytest.raises(InputError, match=r"positions within 100 sides .* check the units \(kpc/h"):
        fourier.power_spectrum(1000 * x, mask, SIDE, 8, K_EDGES)
    with pytest.raises(InputError, match=r"positions in \[0, side\] of the open .* got 1 points"):
        pairs.two_point_correlation(broken(x, (0, 0, 0), -1.0), mask, EDGES, SIDE, periodic=False)
    edge = broken(x, (0, 0, 0), SIDE)
    pairs.two_point_correlation(edge, mask, EDGES, SIDE, periodic=False)
    around = np.where(mask[..., None], x - SIDE / 2, np.nan)  # a box around zero wraps
    np.testing.assert_array_equal(
        pairs.pair_counts(around, mask, EDGES, SIDE), pairs.pair_counts(x, mask, EDGES, SIDE)
    )
    with pytest.raises(InputError, match=r"a mask of True .* got other numbers; were the weights"):
        pairs.pair_counts(x, np.full(mask.shape, 0.5), EDGES, SIDE)


def test_units_are_converted():
    x, mask = data()["positions"], data()["mask"]
    kpc, side = 1000 * x * (u.kpc / LITTLE_H), SIDE * 1000 * (u.kpc / LITTLE_H)
    edges = np.array(EDGES) * 1000 * (u.kpc / LITTLE_H)
    np.testing.assert_array_equal(
        pairs.pair_counts(kpc, mask, edges, side), pairs.pair_counts(x, mask, EDGES, SIDE)
    )
    angles = np.array([10.0, 200.0]), np.array([-20.0, 40.0])
    np.testing.assert_allclose(
        sky.unit_vectors(*(np.radians(a) * u.rad for a in angles)), sky.unit_vectors(*angles)
    )
    with pytest.raises(InputError, match="in Mpc/h, got Mpc, which differs by a power of h"):
        pairs.pair_counts(x * u.Mpc, mask, EDGES, SIDE)


def lattice(step=0.1, cells=30, number=150, seed=0):
    """Points on a lattice of decimals, and their places on it."""
    places = np.random.default_rng(seed).integers(0, cells, (number, 3))
    return places * step, places


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    "method", [pairs.sums_by_tiles, pairs.sums_by_cells, pairs.sums_by_columns]
)
def test_pairs_of_a_lattice_are_counted_by_integers(method, periodic):
    """0.1 x 3 is 0.30000000000000004, and 0.8 - 0.5 is less than 0.3: both are 3 steps."""
    x, places = lattice()
    apart = places[:, None] - places
    if periodic:
        apart = apart - 30 * np.round(apart / 30).astype(int)
    squared = (apart**2).sum(-1)[~np.eye(len(x), dtype=bool)]
    bins = np.arange(13)
    truth = [np.sum((squared >= k**2) & (squared < (k + 1) ** 2)) for k in bins[:-1]]
    edges = 0.1 * bins if periodic else np.cumsum([0.0] + [0.1] * 12)
    found = pairs.pair_counts(x[None], None, edges, 3.0, periodic, method=method)
    np.testing.assert_array_equal(found[0], truth)


def test_pi_and_mu_on_an_edge_are_counted_by_integers():
    x, places = lattice()
    apart = places[:, None] - places
    apart = (apart - 30 * np.round(apart / 30).astype(int))[~np.eye(len(x), dtype=bool)]
    across, along = (apart[:, :2] ** 2).sum(-1), np.abs(apart[:, 2])
    bins = pairs.ProjectedBins((0.2, 0.5, 0.9), 0.6, 6)
    found = pairs.pair_counts(x[None], None, bins, 3.0)[0]
    for row, (low, high) in enumerate([(2, 5), (5, 9)]):
        inside = (across >= low**2) & (across < high**2)
        truth = np.bincount(along[inside & (along < 6)], minlength=6)
        np.testing.assert_array_equal(found[row], truth)
    squared = across + along**2
    inside = (squared >= 4) & (squared < 100)
    # mu >= k / 10 where 100 pi² >= k² s², and mu = 1 is in the last bin.
    wedge = np.sum(100 * along[:, None] ** 2 >= np.arange(1, 10) ** 2 * squared[:, None], axis=1)
    found = pairs.pair_counts(x[None], None, pairs.AngleBins((0.2, 1.0), 10), 3.0)[0]
    np.testing.assert_array_equal(found[0], np.bincount(wedge[inside], minlength=10))


def test_spheres_and_neighbours_of_a_lattice_are_counted_by_integers():
    x, places = lattice()
    queries = lattice(number=20, seed=1)
    apart = queries[1][:, None] - places
    apart = apart - 30 * np.round(apart / 30).astype(int)
    squared, steps = (apart**2).sum(-1), np.array([3, 6, 7, 9])
    truth = np.sum(squared[..., None] < steps**2, axis=1)
    arguments = 0.1 * steps, 3.0, queries[0]
    for count in (counts.sphere_counts, counts.sphere_counts_by_tree):
        np.testing.assert_array_equal(count(x[None], None, *arguments)[0], truth)
    reached = np.stack([np.sum(truth >= k, axis=0) for k in (1, 3)])
    for count in (counts.neighbor_counts, counts.neighbor_counts_by_tree):
        np.testing.assert_array_equal(count([(x[None], None)], *arguments, (1, 3))[0, 0], reached)


@pytest.mark.parametrize("side", [100.0, 0.7, 2000.0 / 3])
@pytest.mark.parametrize("cells", [3, 7, 10, 13])
def test_points_on_walls_are_in_the_cell_above(side, cells):
    wall = {
        "products": np.arange(cells) * side / cells,
        "steps": np.arange(cells) * (side / cells),
        "linspace": np.linspace(0, side, cells, endpoint=False),
        "float32": np.linspace(0, side, cells, endpoint=False).astype(np.float32),
        "beyond": np.arange(cells, 2 * cells) * side / cells,
    }
    for name, x in wall.items():
        points = np.stack([x, x[::-1], x], axis=-1)[None]
        found = counts.counts_in_cells(points, None, side, cells)
        index = np.arange(cells)
        grid = np.zeros((cells,) * 3, int)
        np.add.at(grid, (index, index[::-1], index), 1)
        np.testing.assert_array_equal(
            np.asarray(found.probability)[0, 0], np.bincount(grid.ravel()) / cells**3, err_msg=name
        )


def test_values_on_the_edges_of_their_own_precision_are_in_the_bin_above():
    edges = np.array([12.0, 12.3, 12.7, 13.1])
    for dtype in (np.float64, np.float32, np.float16, ">f4"):
        found = counts.mark_distribution(edges[None].astype(dtype), None, edges).counts
        np.testing.assert_array_equal(found, [[1, 1, 1]])
        density = counts.mass_function(edges[None].astype(dtype), None, edges, 1.0).counts
        np.testing.assert_array_equal(density, [[1, 1, 1]])
        mean = counts.mean_in_bins(edges[None].astype(dtype), edges[None], None, edges)
        np.testing.assert_array_equal(mean, edges[None, :-1])
        limits = np.array([0.1, 0.3, 0.6, 0.7])
        shells = sky.redshift_distribution(limits.astype(dtype), limits, COSMOLOGY, 100.0)
        np.testing.assert_array_equal(shells.counts, [1, 1, 1])


def test_the_same_direction_has_the_same_pixel():
    """A full turn more, ring or nested order, on the borders of pixels too."""
    longitude, latitude = map(
        np.ravel, np.meshgrid(np.arange(0, 360, 22.5), np.arange(-90, 91, 15))
    )
    truth = sky.count_map(longitude, latitude, 8)
    turned = np.where(longitude >= 180, longitude - 360, longitude)
    np.testing.assert_array_equal(sky.count_map(turned, latitude, 8), truth)
    whole = np.where(longitude == 0, 360.0, longitude)
    np.testing.assert_array_equal(sky.count_map(whole, latitude, 8), truth)
    mask = SkyMask.from_ring((truth > 0).astype(float))
    assert np.all(mask.at(longitude, latitude) == 1)
