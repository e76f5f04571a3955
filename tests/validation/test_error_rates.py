"""Error rates of whole reports, by simulation: truth against truth, and planted errors.

Reports are drawn from one pool of catalogues of the embedded simulator: 20 cosmologies four times
over (``test``) and two cosmologies 80 times over (``low``, ``high``). Every catalogue is measured
once.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Measurement, Volume, measure, rows_of
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.simulator import HaloSimulator
from galgen.simulation.suite import latin_hypercube
from galgen.validation import comparison as comparisons
from galgen.validation.settings import ValidationSettings
from galgen.validation.verdict import Kind, Status

SETTINGS = ValidationSettings(mesh_size=32, separation_bins=5, relabellings=4)
REPEATS, EACH = 4, 80
NUMBER = 20
"""Catalogues of a set and split."""
REPORTS = 60
Plant = Callable[[str, str, Ratio], Ratio]
"""Split, curve and ratio of generated; the ratio with its error."""


class Pool:
    """Catalogues by split, their measurements, and reports drawn of them."""

    def __init__(self) -> None:
        simulator = HaloSimulator(box=64.0, mesh=32, mass_min=2e13)
        ranges = {"omega_m": (0.2, 0.4), "sigma_8": (0.7, 0.9)}
        grid = latin_hypercube(ranges, EACH // REPEATS, 5)
        corners = Cosmology(omega_m=0.22, sigma_8=0.72), Cosmology(omega_m=0.38, sigma_8=0.88)
        cosmologies = {
            "test": [each for each in grid for _ in range(REPEATS)],
            "low": [corners[0]] * EACH,
            "high": [corners[1]] * EACH,
        }
        self.splits = {
            name: [simulator.simulate(c, 1000 * place + i) for i, c in enumerate(each)]
            for place, (name, each) in enumerate(cosmologies.items())
        }
        every = [c for each in self.splits.values() for c in each]
        mean = float(np.mean([len(c) for c in self.splits["test"]]))
        volume = Volume(every[0].box, True, mean)
        self.measured = measure(SETTINGS.all_statistics, every, volume, 16, rows_of(every))
        self.rows = {id(c): (row, None) for row, c in enumerate(every)}
        self.base = range(NUMBER)

    def ratio(self, split: str, name: str) -> Ratio:
        place = list(self.splits).index(split)
        return self.measured.ratio(name).of(slice(place * EACH, (place + 1) * EACH))

    def report(
        self,
        rng: np.random.Generator,
        monkeypatch: pytest.MonkeyPatch,
        changed: Callable[[Catalogue], Catalogue] = Catalogue.replace,
        plant: Plant = lambda split, name, ratio: ratio,
    ) -> comparisons.Comparison:
        """Two sets of the pool that share no catalogue, one with its columns or curves changed."""
        truth, mock, rows = {}, {}, dict(self.rows)
        for name, known in self.splits.items():
            if name == "test":  # a pair at every cosmology
                pairs = [rng.permutation(REPEATS)[:2] + REPEATS * i for i in range(NUMBER)]
                first, second = np.transpose(pairs)
            else:
                first, second = np.split(rng.permutation(EACH)[: 2 * NUMBER], 2)
            truth[name] = [known[i] for i in first]
            mock[name] = [changed(known[i]) for i in second]
            for i, made in zip(second, mock[name], strict=True):
                rows[id(made)] = (self.rows[id(known[i])][0], name)

        def known_measure(statistics, catalogues, **_):
            """Of the uniform base, which no verdict rests on, anything."""
            found = [rows.get(id(c), (i, None)) for i, c in enumerate(catalogues)]
            numbers, split = [row for row, _ in found], found[0][1]
            ratios = [
                dataclasses.replace(ratio, above=ratio.above[numbers], below=ratio.below[numbers])
                for ratio in self.measured.ratios
            ]
            if split is not None:
                names = [axis.name for axis in self.measured.axes]
                ratios = [plant(split, *each) for each in zip(names, ratios, strict=True)]
            return Measurement(self.measured.axes, tuple(ratios))

        monkeypatch.setattr(comparisons, "measure", known_measure)
        return comparisons.compare(mock, truth, SETTINGS)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool()


@pytest.mark.slow
def test_truth_against_truth_is_shown_bad_in_at_most_one_report_of_twenty(pool, monkeypatch):
    rng = np.random.default_rng(0)
    bad, good = 0, 0
    for _ in range(REPORTS):
        found = pool.report(rng, monkeypatch).verdicts
        assert len(found) > 30
        bad += any(v.status is Status.BAD for v in found)
        good += sum(v.status is Status.GOOD for v in found)
    print(f"shown bad in {bad} of {REPORTS} reports of truth; shown good: {good}")
    assert bad / REPORTS <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / REPORTS)


def multiplied(names: tuple[str, ...], size: float) -> Plant:
    """Curves too large."""

    def plant(split: str, name: str, ratio: Ratio) -> Ratio:
        if name not in names:
            return ratio
        offset = ratio.offset * ratio.below
        return dataclasses.replace(ratio, above=(1 + size) * (ratio.above + offset) - offset)

    return plant


def heavier(size: float) -> Callable[[Catalogue], Catalogue]:
    def changed(c: Catalogue) -> Catalogue:
        return c.replace(columns={**c.columns, "mass": c.columns["mass"] * (1 + size)})

    return changed


def fewer(size: float) -> Callable[[Catalogue], Catalogue]:
    def changed(c: Catalogue) -> Catalogue:
        kept = np.random.default_rng(len(c)).random(len(c)) > size
        return c.replace(columns={name: values[kept] for name, values in c.columns.items()})

    return changed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "statistic", "split"),
    [
        (Kind.MEAN, "xi", "high"),
        (Kind.MEAN, "P0", "high"),
        (Kind.COUNT, "N", "high"),
        (Kind.MARK, "log10 mass", "high"),
    ],
)
def test_an_error_of_the_stated_size_is_found_four_times_in_five(
    pool, monkeypatch, kind, statistic, split
):
    def judged(found: comparisons.Comparison):
        return next(
            v
            for v in found.verdicts
            if (v.kind, v.statistic, v.splits[-1]) == (kind, statistic, split)
        )

    rng = np.random.default_rng(1)
    stated = [judged(pool.report(rng, monkeypatch)).finds for _ in range(8)]
    size = float(np.median(stated))
    plant = {Kind.MEAN: multiplied((statistic,), size)}
    changes = {"log10 mass": heavier(size), "N": fewer(size)}
    error = {"plant": plant[kind]} if kind in plant else {"changed": changes[statistic]}
    reports = [judged(pool.report(rng, monkeypatch, **error)) for _ in range(40)]
    found = np.mean([v.status is Status.BAD for v in reports])
    print(f"{statistic} {kind.value}, stated {size:.1%}: found in {found:.0%}")
    assert found >= 0.8 - 2 * np.sqrt(0.8 * 0.2 / 40)
