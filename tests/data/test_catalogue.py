import sys

import numpy as np
import pytest
from astropy import units
from astropy.cosmology.units import with_H0
from astropy.table import Column

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError


def make(points=5, side=10.0, **fields):
    rng = np.random.default_rng(3)
    columns = {name: rng.uniform(0, side, points) for name in "xyz"}
    return Catalogue(columns, (side, side, side), **fields)


def test_density_units_and_selection():
    catalogue = make(8, 2.0, cosmology={"omega_m": 0.3}, provenance={"seed": "3"})
    assert catalogue.number_density == 1.0
    assert catalogue.units == {"x": "Mpc/h", "y": "Mpc/h", "z": "Mpc/h"}
    mask = catalogue.columns["x"] > np.median(catalogue.columns["x"])
    half = catalogue.select(mask)
    assert len(half) == 4 and half.cosmology == catalogue.cosmology
    assert half == catalogue.select(np.flatnonzero(mask))
    assert half != catalogue
    np.testing.assert_array_equal(half.positions[:, 1], catalogue.columns["y"][mask])


def test_empty_catalogue_is_valid():
    assert len(make(0)) == 0 and make(0).positions.shape == (0, 3)


def test_replacing_columns_drops_their_units():
    smaller = make().replace(columns={"x": np.ones(2)})
    assert smaller.units == {"x": "Mpc/h"}


def test_repr_says_what_is_inside():
    catalogue = make(5, cosmology={"omega_m": 0.3}, provenance={"note": "<b>"}, periodic=False)
    text = repr(catalogue)
    assert "5 points" in text and "10 x 10 x 10 Mpc/h, open" in text and "omega_m=0.3" in text
    page = catalogue._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page and "x [Mpc/h]" in page


@pytest.mark.parametrize(
    ("columns", "box", "message"),
    [
        (
            {"x": np.array([0.0, 10.0])},
            (10.0, 10.0, 10.0),
            r"column 'x' in \[0, 10\) .* wrap or shift them",
        ),
        (
            {"y": np.array([-1e-9])},
            (10.0, 10.0, 10.0),
            r"column 'y' .* check the units",
        ),
        (
            {"x": np.ones(2), "mass": np.ones(3)},
            (10.0, 10.0, 10.0),
            r"equal length, got \{'x': 2, 'mas",
        ),
        (
            {"vx": np.array([1.0, np.nan])},
            (10.0, 10.0, 10.0),
            r"'vx', got 1 NaN or infinite of 2; drop",
        ),
        ({"x": np.ones((2, 2))}, (10.0, 10.0, 10.0), r"one number per point, got shape \(2, 2\)"),
        ({"x": np.array(["a"])}, (10.0, 10.0, 10.0), r"numbers in column 'x', got text"),
        ({}, (10.0, 10.0, 10.0), r"at least one column, got none; pass columns"),
        (
            {"x": np.ones(1)},
            (10.0, 0.0, 10.0),
            r"three positive sides in Mpc/h, got \(10.0, 0.0, 10.0\); pass",
        ),
        ({"x": np.ones(1)}, (10.0, np.nan, 10.0), r"three positive sides"),
    ],
)
def test_bad_input_is_named_with_its_remedy(columns, box, message):
    with pytest.raises(InputError, match=message) as caught:
        Catalogue(columns, box)
    assert "\n" not in str(caught.value)


def test_non_finite_cosmology_and_redshift():
    with pytest.raises(InputError, match="finite omega_m, got nan; mend"):
        make(cosmology={"omega_m": np.nan})
    with pytest.raises(InputError, match="finite redshift, got inf"):
        make(redshift=np.inf)


def test_missing_column_lists_those_present():
    with pytest.raises(InputError, match=r"column 'vx', got columns \['x', 'y', 'z'\]; choose"):
        _ = make().velocities
    with pytest.raises(InputError, match=r"units of \['mass'\]; drop"):
        make(units={"mass": "Msun/h"})


def test_columns_are_in_the_byte_order_of_the_machine():
    catalogue = Catalogue(
        {"x": np.arange(3, dtype=">f4"), "n": np.arange(3, dtype=">i8")}, (9,) * 3
    )
    assert catalogue.columns["x"].dtype == np.float32 and catalogue.columns["n"].dtype == np.int64
    assert catalogue.columns["x"].tolist() == catalogue.columns["n"].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="names of columns as text, got ''"):
        Catalogue({"": np.ones(1)}, (1.0, 1.0, 1.0))


def test_stated_units_are_converted_and_others_kept():
    kpc = Column(np.array([1000.0, 2000.0]), unit="kpc")
    columns = {
        "x": kpc,
        "mass": np.array([12.0, 13.0]),
        "size": Column([1.0, 2.0], unit="kpc"),
    }
    found = Catalogue(columns, (10.0,) * 3, cosmology={"h": 0.7}, units={"mass": "dex(Msun/h)"})
    np.testing.assert_allclose(found.columns["x"], [0.7, 1.4])
    np.testing.assert_allclose(found.columns["mass"], [1e12, 1e13])
    assert found.units == {"x": "Mpc/h", "mass": "Msun/h", "size": "kpc"}
    with pytest.raises(InputError, match=r"column .x. in Mpc/h, got kpc, .* h is not known"):
        Catalogue({"x": kpc}, (10.0,) * 3)
    with pytest.raises(InputError, match="column 'vx' in a unit that converts to km/s, got Mpc"):
        Catalogue({"vx": np.ones(2)}, (10.0,) * 3, units={"vx": "Mpc/h"})


def test_masked_rows_are_refused():
    with pytest.raises(InputError, match="every row of column 'weight', got 1 masked"):
        Catalogue({"weight": np.ma.MaskedArray([1, 999999], [False, True])}, (10.0,) * 3)


def test_tables_have_units_and_all_else():
    extra = {"mass": np.array([1e13, 2e13]), "size": np.ones(2), "n": np.array([1, 2**62])}
    catalogue = make(2, cosmology={"h": 0.7}, provenance={"seed": "3"}, redshift=0.5)
    catalogue = catalogue.replace(columns={**catalogue.columns, **extra}, units={"size": "blob"})
    table = catalogue.to_table()
    assert table.colnames == list(catalogue.columns) and table["n"].tolist() == [1, 2**62]
    megaparsec = table["x"].quantity.to("Mpc", with_H0(70 * units.km / units.s / units.Mpc))
    np.testing.assert_allclose(megaparsec.value, catalogue.columns["x"] / 0.7)
    assert table["size"].unit.to_string() == "blob" and table["n"].unit is None
    meta = table.meta | {"box": tuple(table.meta["box"])}
    again = Catalogue({name: table[name] for name in table.colnames}, **meta)
    assert again.replace(units=catalogue.units) == catalogue


def test_pandas_where_it_is_there(monkeypatch):
    catalogue = make(3, provenance={"seed": "3"})
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"expected pandas, .*; pip install pandas"):
        catalogue.to_pandas()
    monkeypatch.undo()
    pytest.importorskip("pandas")
    frame = catalogue.to_pandas()
    assert list(frame.columns) == ["x", "y", "z"] and frame.attrs["units"] == catalogue.units
    np.testing.assert_array_equal(frame["y"].to_numpy(), catalogue.columns["y"])
    assert frame.attrs["provenance"] == {"seed": "3"} and frame.attrs["box"] == [10.0] * 3
