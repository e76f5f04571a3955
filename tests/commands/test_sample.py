"""Which conditions a validation draws at."""

from pathlib import Path

import numpy as np

from galgen.commands import conditions_of
from galgen.data.cardinality import Cardinality
from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CloudEncoding
from galgen.data.normalization import Standardizer
from galgen.data.suite import write_suite


def test_repeats_limit_one_condition_of_one_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def catalogue(omega_m: float) -> Catalogue:
        columns = dict(zip("xyz", rng.random((3, 20)) * 99, strict=True))
        columns["mass"] = 10 ** rng.normal(13.5, 0.2, 20)
        return Catalogue(columns, (100.0,) * 3, 0.0, {"omega_m": omega_m, "sigma_8": 0.8})

    values = [0.2, 0.25, 0.3, 0.3, 0.3, 0.3, 0.3]
    splits = ["test", "test", "test", "low", "low", "low", "high"]
    catalogues = [catalogue(value) for value in values]
    write_suite(tmp_path / "suite.h5", catalogues, splits)
    standardizer = Standardizer.fit(catalogues, condition=("omega_m",))
    standard = np.stack(
        [standardizer.encode_condition(standardizer.condition_values(c)) for c in catalogues]
    )
    encoding = CloudEncoding(standardizer, Cardinality.fit([20] * 7, standard), (32,))

    def drawn(repeats: int | None) -> list[tuple[str, float]]:
        conditions, chosen, _ = conditions_of(
            tmp_path / "suite.h5", ("test", "low", "high"), encoding, repeats
        )
        return [(s, c["omega_m"]) for s, c in zip(chosen, conditions, strict=True)]

    assert drawn(None) == list(zip(splits, values, strict=True))
    assert drawn(2) == [
        ("test", 0.2),
        ("test", 0.25),
        ("test", 0.3),
        ("low", 0.3),
        ("low", 0.3),
        ("high", 0.3),
    ]
