"""06_mock_survey: files that keep the rules of the survey, and the clustering of its box back."""

import numpy as np
import pytest
from astropy.io import fits
from notebook_runs import run
from scipy.spatial import cKDTree

ARCSECOND = np.pi / 180 / 3600


@pytest.fixture(scope="module")
def names():
    return run("06_mock_survey")


@pytest.fixture(scope="module")
def tables(names):
    """Every file, as astropy reads it."""
    return {path.stem: fits.getdata(path, "LSS") for path in names["folder"].glob("*.fits")}


def directions(table):
    ra, dec = np.radians(table["RA"]), np.radians(table["DEC"])
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def apart(table, place):
    """Degrees from a place on the sky."""
    ra, dec = np.radians(place)
    there = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    return np.degrees(np.arccos(np.clip(directions(table) @ there, -1, 1)))


@pytest.mark.slow
def test_files_keep_the_rules_of_the_survey(names, tables) -> None:
    assert set(tables) == {f"{a}_{b}" for a in ("complete", "fibres") for b in ("data", "randoms")}
    for name, table in tables.items():
        assert {"RA", "DEC", "Z", "WEIGHT", "WEIGHT_FKP", "NZ", "COMP"} <= set(table.names)
        assert ("Z_COSMO" in table.names) == name.endswith("data")
        assert 0.45 <= table["Z"].min() < 0.46 and 0.54 < table["Z"].max() < 0.55
        # A pixel of nside 128 reaches 0.33 degrees from its centre, by which it is in or out.
        assert 9.5 < apart(table, names["CENTRE"]).max() < 10.4
        assert apart(table, names["STAR"]).min() > 1.1
        np.testing.assert_allclose(table["WEIGHT_FKP"], 1 / (1 + 1e4 * table["NZ"]))
    data = tables["complete_data"]
    centrals = data["HALO"][data["CENTRAL"]]
    assert len(np.unique(centrals)) == len(centrals) > 5000, "no galaxy is seen twice"
    assert len(tables["complete_randoms"]) == 20 * len(data)


@pytest.mark.slow
def test_fibres_keep_apart_and_weights_keep_the_number(tables) -> None:
    complete, fibres = tables["complete_data"], tables["fibres_data"]
    chord = 2 * np.sin(62 * ARCSECOND / 2)
    assert len(cKDTree(directions(complete)).query_pairs(chord)) > 300
    assert not cKDTree(directions(fibres)).query_pairs(chord)
    assert fibres["WEIGHT"].sum() == len(complete) > len(fibres)
    assert set(fibres["RA"]) < set(complete["RA"])


@pytest.mark.slow
def test_the_survey_has_the_multipoles_of_its_box(names) -> None:
    complete, pull = names["found"]["complete"], names["pulls"]["complete"]
    assert np.sqrt(np.mean(pull**2)) < 1.3 and np.abs(pull).max() < 3.0, np.round(pull, 1)
    # It is a signal that agrees, and that of redshift space.
    assert np.all(complete.mean[0] > 5 * complete.error[0])
    still = (complete.mean[0] - names["of_real"]) / complete.error[0]
    assert np.sqrt(np.mean(still**2)) > 1.5, np.round(still, 1)
    assert np.all(complete.mean[1, 2:] < -2 * complete.error[1, 2:])
    # Fibres take pairs along the line of sight, and leave the monopole beyond 10 Mpc/h.
    of_fibres = names["pulls"]["fibres"]
    assert np.all(of_fibres[1, :2] < -3) and np.abs(of_fibres[0, 3:]).max() < 2


@pytest.mark.slow
def test_kaisers_formula_holds_on_large_scales_only(names) -> None:
    excess = names["ratio"] / names["kaiser"] - 1
    assert 1.15 < names["kaiser"] < 1.35 and 1.8 < names["bias"] < 2.6
    assert np.abs(excess[2:]).max() < 0.05 and excess[0] > 0.3, np.round(excess, 2)
