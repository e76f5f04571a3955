"""A summary, a truth, a component that is the same in all but for rounding: left out and said."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from constants import CASES, constant
from known_fields import draw, marks

from galgen.data.catalogue import Catalogue
from galgen.data.suite import write_suite
from galgen.errors import InputError
from galgen.inference.calibration.predictive import PredictiveCheck
from galgen.inference.calibration.two_sample import ClassifierTest, _standardised
from galgen.inference.neural.regression import score
from galgen.inference.neural.summaries import SummaryDataset
from galgen.inference.neural.vectors import Parameters, VectorEncoding
from galgen.measurements.counts import Joint, LogNumber
from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Axis, Statistic

RNG = np.random.default_rng(0)
PARAMETERS = Parameters(("a",), (0.0,), (1.0,), ((-1.0, 1.0),))
VARIED = RNG.normal(5.0, 2.0, 80)


def rows(magnitude: float, dtype: type) -> np.ndarray:
    """A column that varies and one that does not."""
    return np.column_stack([VARIED.astype(dtype), constant(magnitude, dtype)])


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_networks_do_not_see_a_constant_column(magnitude: float, dtype: type) -> None:
    x = rows(magnitude, dtype)
    with pytest.warns(UserWarning, match="the same in all 80 examples .* left out: depth"):
        encoding = VectorEncoding.fit(x, PARAMETERS, ("size", "depth"))
    assert encoding.encode(x).shape == (80, 1)
    assert encoding.encode(x).std() == pytest.approx(1, rel=1e-5)
    plan = encoding.plan([{"a": 0.0}] * 3, 4, 0)[0]
    assert plan.shape == (4, 1)
    with pytest.raises(InputError, match="got 3 NaN or infinite; the model has diverged"):
        encoding.decode(plan, np.full((4, 1), np.nan, np.float32), {})
    back = np.stack(encoding.decode(plan, encoding.encode(x[:4]), {}))
    assert np.allclose(back, x[:3], rtol=1e-6)
    assert encoding.differing(x[5]) == {}
    other = x[5] * np.array([1.0, 3.0])
    assert list(encoding.differing(other)) == [1]
    assert encoding.differing(other)[1] == pytest.approx(0.6 * magnitude, rel=1e-5)


def test_vectors_that_tell_nothing_are_refused_by_name() -> None:
    x = rows(1.0, np.float64)
    with pytest.raises(InputError, match="columns that vary, got depth, each the same"):
        VectorEncoding.fit(x[:, 1:], PARAMETERS, ("depth",))
    with pytest.raises(InputError, match="NaN or infinite values of column 1"):
        VectorEncoding.fit(np.where(np.arange(2) == 1, np.nan, x), PARAMETERS)


@dataclasses.dataclass(frozen=True)
class Shape(Statistic):
    """A number that follows omega_m and one that does not vary."""

    def axes(self, volume):
        return (Axis("shape", "bin", "", np.arange(3.0)),)

    def measure(self, clouds, volume):
        values = [clouds.cosmology["omega_m"] ** 2, 0.1 * clouds.mask.sum(axis=1) / 7]
        return (Ratio.of_values(np.stack(values, axis=1), clouds.filled),)


def suite(path, omega_m: np.ndarray) -> None:
    made = [
        Catalogue(dict(zip("xyz", RNG.uniform(0, 9, (3, 7)), strict=True)), (9.0,) * 3,
                  cosmology={"omega_m": value})
        for value in omega_m
    ]  # fmt: skip
    write_suite(path, made, ["train"] * len(made))


def test_a_dataset_of_summaries_names_what_it_leaves_out(tmp_path) -> None:
    suite(tmp_path / "s.h5", np.linspace(0.2, 0.4, 30))
    summary = Joint((LogNumber(), Shape()))
    data = SummaryDataset(tmp_path / "s.h5", summary, condition=("omega_m",))
    with pytest.warns(UserWarning, match="left out: ln N, shape bin 1-2$"):
        prepared = data.prepare(10, 0)
    assert prepared.source.batch(0).x.shape == (10, 1)
    few = {name: np.full(5, 1.0) for name in "xyz"}
    same = Catalogue({n: np.arange(7.0) for n in "xyz"}, (9.0,) * 3, cosmology={"omega_m": 0.3})
    assert prepared.encoding.check(same) == ()
    (warning,) = prepared.encoding.check(same.replace(columns=few))
    assert warning.name == "constant" and "shape bin 1-2 was constant in training" in warning.text


def test_a_parameter_that_never_varied_is_not_inferred(tmp_path) -> None:
    suite(tmp_path / "s.h5", 0.3 + 1e-17 * RNG.normal(size=30))
    data = SummaryDataset(tmp_path / "s.h5", LogNumber(), condition=("omega_m",))
    with (
        pytest.warns(UserWarning, match=r"left out: omega_m \(0.3\)"),
        pytest.raises(InputError, match="vary in training, got omega_m the same"),
    ):
        data.prepare(10, 0)


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_a_classifier_sees_no_last_digits(magnitude: float, dtype: type) -> None:
    """One unit in the last place that tells the sets apart made the C2ST 1.0."""
    x = rows(magnitude, dtype)
    up = np.nextafter(x[:, 1], dtype(np.inf))
    both, kept = _standardised(x, np.column_stack([x[:, 0], up]))
    assert kept.tolist() == [True, False] and both.shape == (160, 1)
    # The same number in the other type differs by less than a float32 tells.
    other = x.astype(np.float64 if dtype is np.float32 else np.float32)
    assert _standardised(x, other)[1].tolist() == [True, False]
    # A constant that is truly another one is told, in units of both.
    both, kept = _standardised(x, x * np.array([1.0, 1.5]))
    assert kept.all() and both[80:, 1].mean() == pytest.approx(2, rel=1e-3)
    with pytest.raises(InputError, match="same in all columns but for rounding"):
        ClassifierTest()(x[:, 1:], x[::-1, 1:])


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_scores_of_what_does_not_vary_are_refused(magnitude: float, dtype: type) -> None:
    truth = rows(magnitude, dtype).astype(float)
    with pytest.raises(InputError, match="among the catalogues, got h the same"):
        score(("a", "h"), truth, truth)
    assert score(("a",), truth[:, :1], truth[:, :1]).r_squared[0] == 1
    with pytest.raises(InputError, match="finite values in the estimates"):
        score(("a",), truth[:, :1], np.full((80, 1), np.nan))


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_a_predictive_check_of_a_constant_component(magnitude: float, dtype: type) -> None:
    drawn = rows(magnitude, dtype).astype(float)
    alone = PredictiveCheck(np.array([5.5]), drawn[:, :1]).p_value
    assert alone > 0.3
    same = np.array([5.5, drawn[0, 1]])
    assert PredictiveCheck(same, drawn).p_value == pytest.approx(alone)
    # No draw has what was observed: as unlikely as 80 draws can say.
    other = PredictiveCheck(np.array([5.5, 0.4 * magnitude]), drawn)
    assert other.p_value == 1 / 81 and other.p_values[1] == pytest.approx(2 / 81)
    assert np.isnan(PredictiveCheck(drawn[0, 1:], drawn[:, 1:]).p_value)


def test_a_likelihood_leaves_out_a_constant_column_and_condition() -> None:
    catalogue = draw((0.3, 0.8), seed=4)
    field = marks(means=(2.0, -1.0), scales=(5.0, 0.0), condition_scales=(0.1, 0.0))
    encoded = field.encode(catalogue)
    (warning,) = encoded.warnings
    assert np.isfinite(encoded.constant) and np.all(encoded.x[:, 1] == 0)
    assert warning.name == "constant" and "b was -1 in all training" in warning.text
    theta = jnp.array([[0.3, 0.7], [0.3, 0.9]])
    found = np.asarray(field.log_prob(encoded, theta, jax.random.key(0)))
    assert np.isfinite(found).all() and found[0] == found[1]
    still = catalogue.replace(columns={**catalogue.columns, "b": np.full(len(catalogue), -1.0)})
    assert field.encode(still).warnings == ()
