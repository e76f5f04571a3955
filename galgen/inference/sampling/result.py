r"""Draws of a posterior, and whether they can be trusted.

R-hat is the rank-normalised split R-hat, the larger of that of the values and of their distances
from the median; effective sample sizes are those of the bulk and of the 5% and 95% quantiles
(Vehtari et al. 2021, arXiv:1903.08008, eqs. 4.1 to 4.5), as arviz-stats computes them from arrays.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling import diagnosis
from galgen.printing import printable

QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)


@dataclasses.dataclass(frozen=True, eq=False)
class PosteriorSamples:
    """Draws of a posterior.

    =========== =============================== ===========================================
    field       shape                           meaning
    =========== =============================== ===========================================
    names       one per parameter               of the parameters
    samples     ``(chains, draws, parameters)`` physical values
    log_density ``(chains, draws)``             log posterior up to a constant, in nats, or
                                                None where it is not known
    acceptance  ``(chains,)``                   mean acceptance, or None for other draws
    divergences ``(chains,)``                   diverging transitions, or None
    warnings    any number                      what is unusual
    noise       ``(parameters,)``               Monte Carlo standard error of each mean, that
                                                the noise of the likelihood makes, or None
    =========== =============================== ===========================================
    """

    names: tuple[str, ...]
    samples: Float[np.ndarray, "chains draws parameters"]
    log_density: Float[np.ndarray, "chains draws"] | None = None
    acceptance: Float[np.ndarray, " chains"] | None = None
    divergences: Int[np.ndarray, " chains"] | None = None
    warnings: tuple[ResultWarning, ...] = ()
    noise: Float[np.ndarray, " parameters"] | None = None

    def __repr__(self) -> str:
        chains, draws, _ = self.samples.shape
        mean, std = self.flat.mean(axis=0), self.flat.std(axis=0)
        rows = zip(self.names, mean, std, strict=True)
        found = ", ".join(f"{name} {m:.4g} ± {s:.2g}" for name, m, s in rows)
        warnings = "".join(f"; {warning.name}: {warning.text}" for warning in self.warnings)
        return printable(f"PosteriorSamples({chains} x {draws} draws: {found}{warnings})")

    @property
    def flat(self) -> Float[np.ndarray, "draws parameters"]:
        """The draws of all chains."""
        return self.samples.reshape(-1, self.samples.shape[-1])

    @property
    def r_hat(self) -> Float[np.ndarray, " parameters"]:
        """Rank-normalised split R-hat of each parameter; 1 where chains agree.

        Of one chain, that of its two halves; NaN where draws do not move or are not finite.
        """
        return diagnosis.r_hat(self.samples)

    @property
    def ess_bulk(self) -> Float[np.ndarray, " parameters"]:
        """Independent draws that would tell the mean as well; NaN as for R-hat."""
        return diagnosis.ess_bulk(self.samples)

    @property
    def ess_tail(self) -> Float[np.ndarray, " parameters"]:
        """Independent draws that would tell the 5% and 95% quantiles as well."""
        return diagnosis.ess_tail(self.samples)

    def summary(self) -> dict[str, dict[str, float]]:
        """Mean, std, quantiles, noise of the mean, R-hat and effective sizes, by parameter."""
        draws, columns = self.flat, {}
        columns["mean"], columns["std"] = draws.mean(axis=0), draws.std(axis=0, ddof=1)
        for level, value in zip(QUANTILES, np.quantile(draws, QUANTILES, axis=0), strict=True):
            columns[f"{100 * level:g}%"] = value
        if self.noise is not None:
            columns["mean_noise"] = self.noise
        columns |= {"r_hat": self.r_hat, "ess_bulk": self.ess_bulk, "ess_tail": self.ess_tail}
        return {
            name: {column: float(values[i]) for column, values in columns.items()}
            for i, name in enumerate(self.names)
        }

    def judged(self) -> PosteriorSamples:
        """The same with the warnings of its diagnostics."""
        found = list(diagnosis.diagnosed(self.names, self.samples))
        if self.divergences is not None and self.divergences.sum():
            text = f"{self.divergences.sum()} of {self.samples.shape[0] * self.samples.shape[1]}"
            found.append(
                ResultWarning("divergences", f"{text} transitions diverged; warm up longer")
            )
        return dataclasses.replace(self, warnings=self.warnings + tuple(found))
