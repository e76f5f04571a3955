"""What is the same in all training catalogues, but for rounding, is left out and said by name."""

import dataclasses

import numpy as np
import pytest
from constants import CASES, constant

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import ToyDataset
from galgen.data.normalization import Standardizer
from galgen.data.toys import Toy
from galgen.errors import InputError

BOX = (10.0,) * 3


def catalogues(weight: np.ndarray, tilt: np.ndarray, number: int = 8) -> list[Catalogue]:
    """Of ten points each, with a column ``weight`` and a parameter ``tilt``."""
    rng = np.random.default_rng(1)
    made = []
    for i in range(number):
        columns = dict(zip("xyz", rng.uniform(0, 10, (3, 10)), strict=True))
        columns |= {"weight": weight[10 * i : 10 * i + 10], "size": rng.normal(5, 1, 10)}
        made.append(Catalogue(columns, BOX, cosmology={"tilt": tilt[i], "omega_m": 0.2 + 0.01 * i}))
    return made


COLUMNS, CONDITION = ("x", "y", "z", "weight", "size"), ("tilt", "omega_m")


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_a_constant_column_and_condition_are_left_out(magnitude: float, dtype: type) -> None:
    made = catalogues(constant(magnitude, dtype), constant(magnitude, np.float64, 8))
    with pytest.warns(UserWarning, match=r"left out: weight \(.*\), tilt \(.*\); no model"):
        known = Standardizer.fit(made, COLUMNS, CONDITION)
    assert list(known.constant) == ["weight", "tilt"]
    # A weight twice as large was 1e7 to 1e16 deviations away.
    other = made[0].replace(columns={**made[0].columns, "weight": np.full(10, 0.6 * magnitude)})
    for one in (made[3], other):
        encoded = known.encode(one)
        assert np.all(encoded[:, 3] == 0) and encoded[:, 4].std() > 0.3
    low, high = known.condition_ranges[0]
    assert known.encode_condition([low, 0.25])[0] == known.encode_condition([high, 0.25])[0] == 0
    assert known.encode_condition([2 * high, 0.25], extrapolate=True)[0] == 0
    drawn = known.decode(np.random.default_rng(0).normal(size=(5, 5)) * 0.1 + 0.5)
    assert np.all(drawn.columns["weight"] == np.float32(known.means[3]))
    assert known.means[3] == pytest.approx(0.3 * magnitude, rel=1e-6)


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_what_varies_is_standardised_whatever_its_size(magnitude: float, dtype: type) -> None:
    relative = 1e-5 if dtype is np.float32 else 1e-9
    rng = np.random.default_rng(0)
    weight = (0.3 * magnitude * (1 + relative * rng.normal(size=80))).astype(dtype)
    made = catalogues(weight, 0.3 * magnitude * (1 + 1e-4 * rng.normal(size=8)))
    known = Standardizer.fit(made, COLUMNS, CONDITION)
    standard = np.concatenate([known.encode(one)[:, 3] for one in made])
    assert standard.std() == pytest.approx(1, abs=0.01) and abs(standard.mean()) < 0.1


@pytest.mark.parametrize("value", [1.0, 1e13])
def test_a_logarithm_is_judged_by_what_it_is_of(value: float) -> None:
    """log10 of 1 is 0 and its rounding 5e-8, which is no part of 0."""
    made = catalogues(constant(value / 0.3, np.float32), np.linspace(0.9, 1, 8))
    with pytest.warns(UserWarning, match="left out: log_weight"):
        known = Standardizer.fit(made, ("x", "y", "z", "log_weight"), ("omega_m",))
    assert known.scales[3] == 0


def test_columns_at_rest_and_integers() -> None:
    made = catalogues(np.full(80, 3), np.linspace(0.9, 1, 8))
    still = {name: np.zeros(10) for name in ("vx", "vy", "vz")}
    made = [one.replace(columns={**one.columns, **still}) for one in made]
    with pytest.warns(UserWarning, match=r"vx \(0\), vy \(0\), vz \(0\), weight \(3\)"):
        known = Standardizer.fit(made, ("x", "y", "z", "vx", "vy", "vz", "weight"), ())
    assert np.all(known.encode(made[0])[:, 3:] == 0)
    counted = catalogues(np.arange(80) % 2 + 2**40, np.linspace(0.9, 1, 8))
    assert Standardizer.fit(counted, ("weight",), ()).scales == (0.5,)


def test_a_constant_condition_has_no_bounds() -> None:
    made = catalogues(np.arange(80.0), np.full(8, 0.1))
    with pytest.warns(UserWarning, match="left out: tilt"):
        known = Standardizer.fit(made, ("x", "y", "z"), CONDITION)
    with pytest.raises(InputError, match="vary within their bounds, got tilt the same"):
        known.bounded(((0.0, 1.0), (0.1, 0.5)))


@dataclasses.dataclass(frozen=True)
class Same(Toy):
    """All points alike."""

    def sample_with_labels(self, rng, number):
        return np.full((number, 2), 0.1), np.zeros(number, int)


def test_a_toy_of_one_point_is_refused() -> None:
    with pytest.raises(InputError, match="points of Same that differ"):
        ToyDataset(Same(), 80).prepare(8, 0)
