"""The command ``survey``: galaxies on the sky, cut into cubes inside their footprint."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from data_prep.options import parse_numbers, parse_pairs
from data_prep.source import Source
from data_prep.surveys.columns import SkyColumns, Weighting
from data_prep.surveys.cubes import cut_survey, read_survey
from data_prep.tables.parameters import together
from galgen.cosmology import canonical_parameters
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurveySource(Source):
    """Survey catalogues with RA, DEC and Z, cut into cubes inside the footprint."""

    z_min: float
    """Lower end of the redshift range; the survey should be volume limited over it."""
    z_max: float
    """Upper end of the redshift range."""
    omega_m: float | None = None
    """Of the cosmology that turns redshifts into distances; 0.3 if not given."""
    w0: float | None = None
    """Dark energy today in w(a) = w0 + (1 - a) wa; -1 if not given."""
    wa: float | None = None
    """Its change; 0 if not given."""
    omega_k: float | None = None
    """Curvature; 0 if not given."""
    cosmology: str = ""
    """All of the cosmology in one, e.g. omega_m=0.31,h=0.68,m_nu=0.06."""
    nside: int = 32
    """HEALPix resolution of the footprint."""
    offsets: int = 1
    """Try so many shifts of the grid of cubes and keep the one with the most."""
    randoms: tuple[Path, ...] = ()
    """Catalogues of the survey's randoms, which say where it looked."""
    weights: Weighting = "auto"
    """boss: systot (cp + noz - 1); eboss: systot cp noz; auto: WEIGHT, or boss; or none."""
    columns: str = ""
    """ra=, dec= or redshift= a column of another name, and more to keep, e.g. id=TARGETID."""
    hdu: str | None = None
    """Number or name of the table in FITS; the first, if not given."""
    drop_missing: bool = False
    """Drop rows in which a column that is needed is masked, blank, NaN or infinite."""

    def boxes(self) -> Iterator[Catalogue]:
        if self.cut is None:
            raise InputError(
                "expected a cube side for a survey, got none; pass --cut, e.g. --cut 35 (Mpc/h)"
            )
        cosmology = self.parameters()
        chosen = SkyColumns(parse_pairs(self.columns), self.hdu, self.drop_missing)
        for path in self.inputs:
            how = self.nside, self.randoms, self.weights, chosen, self.account
            survey = read_survey(path, self.z_min, self.z_max, cosmology, *how)
            edges, densities = survey.densities()
            print(f"{path.name}: {len(survey.positions)} galaxies; density in equal volumes")
            for low, high, density in zip(edges, edges[1:], densities, strict=False):
                print(f"  {low:7.1f} to {high:7.1f} Mpc/h  {density:.3e} h^3/Mpc^3")
            cubes = cut_survey(survey, self.cut, self.offsets, self.seed)
            self.account.read(0, 1)
            inside = sum(map(len, cubes))
            self.account.drop("in no cube inside the footprint", len(survey.positions) - inside)
            share = 100 * len(cubes) * self.cut**3 / survey.footprint.volume
            self.account.note(f"{len(cubes)} cubes hold {share:.3g}% of the volume of {path.name}")
            yield from cubes

    def parameters(self) -> dict[str, float]:
        """The parameters behind distances."""
        given = {name: getattr(self, name) for name in ("omega_m", "w0", "wa", "omega_k")}
        options = {name: value for name, value in given.items() if value is not None}
        text = canonical_parameters(parse_numbers(self.cosmology), "--cosmology")
        return together(text, options, ("--cosmology", "the other options"), "leave one out")

    def cubes(self, box: Catalogue) -> Iterator[Catalogue]:
        yield self._above_limit(box)
