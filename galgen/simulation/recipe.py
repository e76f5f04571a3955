"""A suite to train on and to be judged by: what ``galgen simulate`` makes.

Cosmologies of the splits ``train``, ``test`` and ``validation`` fill a Latin hypercube; the splits
``low`` and ``high`` repeat two cosmologies far apart. The change between them is then measured
against its noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence

from galgen.checked import Count, Range, Seed, Whole, checked
from galgen.data.catalogue import Catalogue
from galgen.data.field import Field, check_field_mesh
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.engine import Simulator
from galgen.simulation.phases import linear_field
from galgen.simulation.simulator import HaloSimulator
from galgen.simulation.suite import latin_hypercube, simulate_suite

VALIDATION_SEED = 1_000_000_000
"""Cosmologies of the other splits are drawn by smaller seeds."""
PHASES_PER_SEED = 1_000_000
"""Recipes of two seeds share no phases, whatever their numbers of catalogues."""


@dataclasses.dataclass(frozen=True)
@checked
class SuiteRecipe:
    """How many catalogues, of which cosmologies.

    Attributes:
        simulator: box, resolution, selection and redshift of every catalogue.
        omega_m: range of the matter density.
        sigma_8: range of the clustering amplitude.
        omega_b: range of the baryon density, None for the fiducial value.
        h: range of the Hubble parameter, None for the fiducial value.
        n_s: range of the spectral index, None for the fiducial value.
        train: catalogues to train on.
        test: catalogues held out, of other cosmologies of the same ranges.
        contrast: catalogues at each of two cosmologies, ``low`` and ``high``, which lie one tenth
            of the ranges of omega_m and sigma_8 inside opposite corners; held out.
        seed: of cosmologies and phases.
        validation: catalogues held out to watch a training by, of other cosmologies again.
        field_mesh: points per side of the linear field at redshift 0 that is stored with every
            catalogue, of its own phases; None to store none.
    """

    simulator: Simulator = HaloSimulator(box=128.0, mesh=64, mass_min=3e13)
    omega_m: Range = (0.2, 0.4)
    sigma_8: Range = (0.7, 0.9)
    omega_b: Range | None = None
    h: Range | None = None
    n_s: Range | None = None
    train: Count = 400
    test: Whole = 128
    contrast: Whole = 64
    seed: Seed = 0
    validation: Whole = 0
    field_mesh: Count | None = None

    def __post_init__(self) -> None:
        if self.field_mesh is not None:
            check_field_mesh(self.field_mesh, self.simulator.field_points, "field_mesh")

    def cosmologies(self) -> tuple[list[Cosmology], list[str]]:
        """The cosmology and the split of every catalogue."""
        names = ("omega_m", "sigma_8", "omega_b", "h", "n_s")
        ranges = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        cosmologies = latin_hypercube(ranges, self.train, 2 * self.seed)
        splits = ["train"] * self.train
        if self.test:
            cosmologies += latin_hypercube(ranges, self.test, 2 * self.seed + 1)
            splits += ["test"] * self.test
        for split, fraction in (("low", 0.1), ("high", 0.9)):
            corner = {
                name: ranges[name][0] + fraction * (ranges[name][1] - ranges[name][0])
                for name in ("omega_m", "sigma_8")
            }
            cosmologies += [Cosmology(**corner)] * self.contrast
            splits += [split] * self.contrast
        if self.validation:
            # Last: the others are then the same with and without.
            cosmologies += latin_hypercube(ranges, self.validation, VALIDATION_SEED + self.seed)
            splits += ["validation"] * self.validation
        return cosmologies, splits

    def check(self) -> None:
        """Refuse what cannot be simulated, before anything is.

        Raises:
            InputError: if haloes of one of the cosmologies would not be resolved.
        """
        for cosmology in dict.fromkeys(self.cosmologies()[0]):
            self.simulator.check_resolution(cosmology)

    def field_of(self, catalogue: Catalogue) -> Field | None:
        """The field that is stored with a catalogue of this recipe; None if none is."""
        if self.field_mesh is None:
            return None
        cosmology, seed = Cosmology.of(catalogue.cosmology), int(catalogue.provenance["seed"])
        simulator = self.simulator
        return linear_field(cosmology, seed, simulator.box, self.field_mesh, simulator.field_points)

    def simulate(
        self, processes: int = 1, numbers: Sequence[int] | None = None
    ) -> Generator[tuple[Catalogue, str], None, None]:
        """Every catalogue with its split, in order; the same for any number of processes.

        Args:
            processes: workers.
            numbers: only these catalogues, by number from 0.
        """
        cosmologies, splits = self.cosmologies()
        chosen = range(len(cosmologies)) if numbers is None else numbers
        seeds = [self.seed * PHASES_PER_SEED + number for number in chosen]
        wanted = [cosmologies[number] for number in chosen]
        catalogues = simulate_suite(self.simulator, wanted, seeds, processes)
        for number, catalogue in zip(chosen, catalogues, strict=True):
            yield catalogue, splits[number]
