"""Warnings that draws themselves give, parameter by parameter.

A number that is NaN fails every check. R-hat and effective sizes are NaN for a parameter that never
moved or has draws that are not finite. The other parameters are judged all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from arviz_stats.base.array import array_stats
from jaxtyping import Bool, Float

from galgen.inference.results.result_warning import ResultWarning
from galgen.resolution import spread

LARGEST_R_HAT = 1.01
"""Beyond which chains have not mixed (Vehtari et al. 2021, section 4.3)."""
FEWEST_EFFECTIVE = 100.0
"""Effective draws of a chain's bulk and tail, over all chains (ibid.: 100 per chain is safe)."""

Draws = Float[np.ndarray, "chains draws parameters"]


def finite(samples: Draws) -> Bool[np.ndarray, " parameters"]:
    """Whether all draws of a parameter are numbers."""
    return np.all(np.isfinite(samples), axis=(0, 1))


def moving(samples: Draws) -> Bool[np.ndarray, " parameters"]:
    """Whether the draws of a parameter are finite and differ by more than rounding."""
    kept = finite(samples)
    flat = np.where(kept, samples, 0.0).reshape(-1, samples.shape[-1])
    return kept & (spread(flat) > 0)


def r_hat(samples: Draws) -> Float[np.ndarray, " parameters"]:
    """R-hat; of one chain, that of its two halves. NaN where it cannot be told."""
    if len(samples) == 1:
        half = samples.shape[1] // 2
        samples = np.concatenate([samples[:, :half], samples[:, -half:]])
    return _told(samples, lambda x: array_stats.rhat(x, chain_axis=0, draw_axis=1))


def ess_bulk(samples: Draws) -> Float[np.ndarray, " parameters"]:
    """Effective draws of the bulk; NaN where they cannot be told."""
    return _told(samples, lambda x: array_stats.ess(x, 0, 1, method="bulk"))


def ess_tail(samples: Draws) -> Float[np.ndarray, " parameters"]:
    """Effective draws of the 5% and 95% quantiles; NaN where they cannot be told."""
    return _told(samples, lambda x: array_stats.ess(x, 0, 1, method="tail", prob=(0.05, 0.95)))


def _told(samples: Draws, number: Callable[[Draws], np.ndarray]) -> np.ndarray:
    """A number of the parameters that move; NaN of the others."""
    found, told = np.full(samples.shape[-1], np.nan), moving(samples)
    with np.errstate(all="ignore"):  # a chain of its own may stand still
        if told.any():
            found[told] = number(samples[..., told])
    return found


def degenerate(names: Sequence[str], samples: Draws) -> tuple[ResultWarning, ...]:
    """Warnings of draws that are no numbers, or all the same one."""
    found = []
    wrong = np.sum(~np.isfinite(samples), axis=(0, 1))
    if wrong.any():
        total = samples.shape[0] * samples.shape[1]
        counts = _said(names, wrong, wrong > 0, f"{{value}} of {total} of {{name}}")
        text = f"{counts} are NaN or infinite: no moment of them means anything"
        found.append(ResultWarning("finite", text))
    still = _said(names, samples[0, 0], finite(samples) & ~moving(samples), "{name} = {value:g}")
    if still:
        text = f"all draws are {still}: R-hat and effective draws cannot be told"
        found.append(ResultWarning("constant", text))
    return tuple(found)


def diagnosed(names: Sequence[str], samples: Draws) -> tuple[ResultWarning, ...]:
    """Warnings of draws that are no numbers, do not move, or are few, and of chains that differ."""
    found = list(degenerate(names, samples))
    moves = moving(samples)
    differs = r_hat(samples)
    wrong = _said(names, differs, moves & ~(differs <= LARGEST_R_HAT), "{name} {value:.3f}")
    if wrong:
        whose = "chains differ" if len(samples) > 1 else "its halves differ"
        found.append(
            ResultWarning("r_hat", f"R-hat of {wrong}: {whose}; draw more, or warm up longer")
        )
    elif len(samples) == 1:
        text = "one chain: its halves agree, but whether others would cannot be told; draw several"
        found.append(ResultWarning("r_hat", text))
    fewest = np.fmin(ess_bulk(samples), ess_tail(samples))
    few = _said(names, fewest, moves & ~(fewest >= FEWEST_EFFECTIVE), "{name} {value:.0f}")
    if few:
        found.append(ResultWarning("ess", f"effective draws of {few} only; draw more"))
    return tuple(found)


def _said(names: Sequence[str], values: np.ndarray, which: np.ndarray, form: str) -> str:
    rows = zip(names, values, which, strict=True)
    return ", ".join(form.format(name=name, value=value) for name, value, chosen in rows if chosen)
