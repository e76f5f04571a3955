"""Catalogues unlike the draws of a model at its posterior are told from those alike."""

from __future__ import annotations

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.normalization import Standardizer
from galgen.inference.calibration.predictive import PredictiveCheck
from galgen.inference.calibration.typical import aspects, at_the_edge, unlike
from galgen.inference.results.result_warning import ResultWarning, most_severe_first

BOX = 50.0
COLUMNS = ("x", "y", "z", "vx", "vy", "vz", "log_mass")


def catalogue(rng: np.random.Generator, **changes: float) -> Catalogue:
    """Haloes around centres, with masses and speeds of exponential and normal distributions."""
    given = {"number": 200, "members": 1, "least": 13.0, "speed": 200.0} | changes
    centres = rng.uniform(0, BOX, (rng.poisson(given["number"] / given["members"]) + 1, 3))
    x = np.repeat(centres, int(given["members"]), axis=0)
    x = (x + rng.normal(0, 1.0, x.shape)) % BOX
    columns = dict(zip("xyz", x.T, strict=True))
    v = given["speed"] * rng.normal(size=x.T.shape)
    columns |= dict(zip(("vx", "vy", "vz"), v, strict=True))
    columns["mass"] = 10 ** (given["least"] + rng.exponential(0.3, len(x)))
    return Catalogue(columns, (BOX,) * 3, 0.0, {"omega_m": 0.3 + 0.01 * rng.random()})


def warnings_of(observed: Catalogue, drawn: list[Catalogue]) -> tuple[ResultWarning, ...]:
    standardizer = Standardizer.fit(drawn, COLUMNS, ("omega_m",))
    return unlike(aspects(standardizer, observed), observed, drawn)


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"least": 13.2}, "the 5% quantile of log_mass"),
        ({"speed": 300.0}, "quantile of ln |v|"),
        ({"members": 4}, "ln(1 + xi) at"),
        ({"number": 300}, "ln N"),
        ({"number": 120, "least": 13.5}, "the 5% quantile of log_mass"),
    ],
)
def test_each_aspect_is_seen_and_the_worst_comes_first(changes, first):
    rng = np.random.default_rng(0)
    drawn = [catalogue(rng) for _ in range(40)]
    found = warnings_of(catalogue(rng, **changes), drawn)
    assert found and first in found[0].text, found
    assert {warning.name for warning in found} == {"unlike"}


def test_draws_of_the_model_are_rarely_warned_of():
    rng = np.random.default_rng(1)
    warned = 0
    for _ in range(20):
        drawn = [catalogue(rng) for _ in range(40)]
        warned += bool(warnings_of(catalogue(rng), drawn))
    assert warned <= 2  # of 0.2 expected: more come with a probability of 1e-3


def test_the_p_value_is_uniform_for_gaussians_of_any_covariance():
    rng = np.random.default_rng(2)
    mix = np.array([[1.0, 0.0, 0.0], [100.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    p = []
    for _ in range(2000):
        values = rng.normal(size=(21, 3)) @ mix.T + 5.0  # the last is constant
        p.append(PredictiveCheck(values[0], values[1:]).gaussian_p_value)
    counts = np.histogram(p, np.linspace(0, 1, 11))[0]
    assert np.sum((counts - 200) ** 2 / 200) < 27.9  # chi^2 of 9, one in a thousand


def test_what_is_the_same_in_all_draws_counts_where_the_catalogue_has_another():
    drawn = np.ones((20, 1))
    assert np.isnan(PredictiveCheck(np.ones(1), drawn).gaussian_p_value)
    assert PredictiveCheck(np.array([1.1]), drawn).gaussian_p_value == 0.0
    mixed = np.column_stack([np.random.default_rng(4).normal(size=20), drawn])
    assert PredictiveCheck(np.array([0.0, 1.1]), mixed).gaussian_p_value == 0.0
    assert PredictiveCheck(np.array([0.0, 1.0]), mixed).gaussian_p_value > 0.3


@pytest.mark.parametrize(
    ("low", "high", "end"),
    [(0.0, 1.0, None), (0.0, 0.005, "a at 0"), (0.996, 1.0, "a at 1"), (0.0, 0.1, None)],
)
def test_a_posterior_at_an_end_of_its_prior_is_told(low, high, end):
    draws = np.random.default_rng(3).uniform(low, high, (1000, 1))
    found = at_the_edge(("a",), draws, [(0.0, 1.0)])
    assert (end is None and not found) or (end is not None and end in found[0].text)


def test_an_endless_prior_has_no_edge():
    assert not at_the_edge(("a",), np.zeros((10, 1)), [(-np.inf, np.inf)])


def test_warnings_are_in_the_order_of_their_weight():
    names = ["noise", "points", "unlike", "grid", "redshift"]
    found = most_severe_first([ResultWarning(name, "") for name in names])
    assert [w.name for w in found] == ["unlike", "redshift", "points", "noise", "grid"]
