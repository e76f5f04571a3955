"""A statistic called on one catalogue is the vector of its values; former names are read."""

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.measurements.counts import CountsInCells, Joint, LogNumber, NearestNeighbors
from galgen.measurements.fourier import LogPower, Power
from galgen.measurements.pairs import Correlation, LogCorrelation
from galgen.measurements.statistic import measure, volume_of
from galgen.serialization import from_json
from galgen.statistics.pairs import two_point_correlation

SIDE = 50.0


def uniform(number: int, seed: int) -> Catalogue:
    x = np.random.default_rng(seed).uniform(0, SIDE, (3, number))
    return Catalogue(dict(zip("xyz", x, strict=True)), (SIDE,) * 3)


def test_the_vector_of_a_catalogue_is_its_row_of_a_set() -> None:
    edges = (2.0, 6.0, 12.0)
    statistic = Joint(
        (LogNumber(), Correlation(edges), LogCorrelation(edges), Power((0.2, 0.5), 16))
    )
    made = [uniform(number, number) for number in (80, 300)]
    rows = measure((statistic,), made, volume_of(made[0]), batch_size=2).vectors
    for catalogue, row in zip(made, rows, strict=True):
        found, shot_noise = statistic(catalogue), SIDE**3 / len(catalogue)
        np.testing.assert_allclose(found[:5], row[:5], rtol=1e-6)
        # P(k) in float32 is right to 3e-5 of itself with its shot noise.
        np.testing.assert_allclose(found[5:], row[5:], rtol=3e-5, atol=3e-5 * shot_noise)
    vector = statistic(made[0])
    found = two_point_correlation(made[0].positions[None], None, edges, SIDE)
    pairs, random_pairs = np.asarray(found.pairs)[0], np.asarray(found.random_pairs)[0]
    assert vector[0] == np.log(80)
    np.testing.assert_allclose(vector[1:3], pairs / random_pairs - 1, rtol=1e-6)
    np.testing.assert_allclose(vector[3:5], np.log((pairs + 1) / (random_pairs + 1)), rtol=1e-6)
    assert statistic.names(made[0]) == (
        "ln N", "xi r 2.0-6.0", "xi r 6.0-12.0", "ln_xi r 2.0-6.0", "ln_xi r 6.0-12.0",
        "P0 k 0.200-0.500", "P2 k 0.200-0.500",
    )  # fmt: skip


def test_one_catalogue_chooses_no_bins() -> None:
    for statistic in (Correlation(), NearestNeighbors(), CountsInCells()):
        with pytest.raises(InputError, match="expected bins for a statistic of single catalogues"):
            statistic(uniform(80, 0))


def test_statistics_that_were_saved_by_former_names_are_read() -> None:
    saved = {
        "type": "JointSummary",
        "parts": [
            {"type": "CountSummary"},
            {"type": "CorrelationSummary", "edges": [1.0, 4.0, 9.0]},
            {"type": "PowerSummary", "k_edges": [0.2, 0.4, 0.7], "mesh": 32},
        ],
    }
    now = Joint((LogNumber(), LogCorrelation((1.0, 4.0, 9.0)), LogPower((0.2, 0.4, 0.7), 32)))
    assert from_json(saved) == now
