"""The numbers of a comparison by dotted name: what a gate in a script asks about.

====================================== =====================================================
name                                   meaning
====================================== =====================================================
``targets.met``, ``.missed``,          how many rows of the summary
``.not_judged``
``xi.response``, ``xi.response_error`` slope from the low to the high split (so ``P0``, ``N``)
``xi.closure``, ``xi.closure_median``  over the judged bins of a curve: least, median
``xi.chi2``, ``xi.p``                  per degree of freedom, whole covariance; its p-value
``xi.chi2_diagonal``                   the same, bins taken as independent
``xi.bias``                            greatest bias in cosmic variance, over the bins
``xi.variance_ratio``, ``xi.rank_p``,  spread of single catalogues: median variance ratio, p of
``xi.crps_ratio``                      the rank histograms, median CRPS over its null
``xi.gradient.omega_m``                slope of d ln xi / d omega_m (also ``.gradient_error``)
``N.ratio``, ``N.ratio_error``         mean number of points
``N.std_ratio``                        ratio of the standard deviations of the number
``log10_mass.ks``, ``.ks_null``        Kolmogorov-Smirnov distance of a mark
``pqmass.chi2``, ``.null``, ``.p``     sample-level test
``memorisation.fraction``,             nearest is training, by summaries and by points
``.point_fraction``, ``.expected``,
``.excess``, ``.copies``
====================================== =====================================================

Every name but the first two rows is that of the main split; with the name of a split before it
(``low.xi.closure``), that of another. Words of a name that are no identifiers have underscores.
"""

from __future__ import annotations

import math
import re

import numpy as np

from galgen.validation.comparison import Comparison
from galgen.validation.curves import CurveComparison
from galgen.validation.split import SplitComparison
from galgen.validation.verdict import MET, MISSED, NOT_JUDGED, median


def numbers(comparison: Comparison) -> dict[str, float]:
    """Every number by name; NaN for what was not measured."""
    found: dict[str, float] = {}
    for name, status in (("met", MET), ("missed", MISSED), ("not_judged", NOT_JUDGED)):
        found[f"targets.{name}"] = float(sum(v.status == status for v in comparison.verdicts))
    for response in comparison.responses:
        found[f"{response.name}.response"] = response.slope
        found[f"{response.name}.response_error"] = response.slope_error
    found |= _of_split(comparison.main)
    for split in comparison.splits:
        prefix = identifier(split.name)
        found |= {f"{prefix}.{name}": value for name, value in _of_split(split).items()}
    return found


def identifier(name: str) -> str:
    """The name with underscores for what an identifier cannot hold."""
    plain = re.sub(r"\W", "_", name)
    return plain if plain.isidentifier() else f"_{plain}"


def _of_split(split: SplitComparison) -> dict[str, float]:
    found: dict[str, float] = {}
    for curve in split.curves:
        found |= {f"{identifier(curve.name)}.{n}": v for n, v in _of_curve(curve).items()}
    for gradient in split.gradients:
        name, slope = gradient.response.name, gradient.response
        found[f"{name}.gradient.{identifier(gradient.parameter)}"] = slope.slope
        found[f"{name}.gradient_error.{identifier(gradient.parameter)}"] = slope.slope_error
    count = split.count
    found["N.ratio"], found["N.ratio_error"] = count.ratio, count.ratio_error
    spread = float(count.held_out.std(ddof=1))
    found["N.std_ratio"] = float(count.generated.std(ddof=1)) / spread if spread else math.nan
    for mark in split.marks:
        found[f"{identifier(mark.name)}.ks"] = mark.distance
        found[f"{identifier(mark.name)}.ks_null"] = mark.null
    test = split.two_sample
    found |= {"pqmass.chi2": test.chi_square, "pqmass.null": test.null, "pqmass.p": test.p_value}
    memory = split.memorisation
    if memory is not None:
        found |= {
            "memorisation.fraction": memory.fraction,
            "memorisation.expected": memory.expected,
            "memorisation.excess": memory.excess,
            "memorisation.point_fraction": memory.point_fraction,
            "memorisation.copies": memory.copies,
        }
    return found


def _of_curve(curve: CurveComparison) -> dict[str, float]:
    worst, spread = curve.worst, curve.spread
    bias, varied = np.abs(curve.bias), curve.held_out.scatter > 0
    return {
        "closure": math.nan if worst is None else float(curve.closure[worst]),
        "closure_median": curve.median,
        "chi2": curve.chi_square.reduced,
        "p": curve.chi_square.p_value,
        "chi2_diagonal": curve.reduced_chi_square,
        "bias": float(np.max(bias[varied])) if varied.any() else math.nan,
        "variance_ratio": median(spread.variance_ratio),
        "rank_p": spread.flatness_p_value,
        "crps_ratio": median(spread.crps_ratio),
    }
