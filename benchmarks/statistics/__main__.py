"""Statistics beside the reference codes: P(k) multipoles, then pair counts, in one run.

    pip install Corrfunc abacusutils
    python benchmarks/statistics
    python benchmarks/statistics --pairs.sizes 5000 20000 --power.points 200000

The same cores for every code; pair counts always on one. Each part runs alone too:

    python benchmarks/statistics/pair_counts.py
    python benchmarks/statistics/power_spectrum.py

A folder, not a file: ``benchmarks/statistics.py`` would hide Python's own module ``statistics``
from every script beside it, and from what they import.
"""

from __future__ import annotations

import dataclasses

import pair_counts
import power_spectrum
import tyro


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of both parts."""

    power: power_spectrum.Options = power_spectrum.Options()
    """Of the power spectrum."""
    pairs: pair_counts.Options = pair_counts.Options()
    """Of the pair counts."""


def main(options: Options) -> None:
    """Print both."""
    power_spectrum.main(options.power)
    pair_counts.main(options.pairs)


if __name__ == "__main__":
    main(tyro.cli(Options))
