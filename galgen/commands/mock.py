"""galgen mock: survey catalogues from the boxes of a suite."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

import galgen
from galgen import mocks
from galgen.checked import RISING, Names, NotNegative, Positive, Seed, Whole, checked
from galgen.commands.command import Command
from galgen.commands.options import Output
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.places import check_folder
from galgen.printing import say
from galgen.randomness import Role, child_seed

NOT_RECORDED = ("output", "catalogues", "splits", "hdf5", "parquet", "picture", "overwrite")
"""Options that change no number of a mock."""


@dataclasses.dataclass(frozen=True)
@checked
class Mock(Command):
    """Turn boxes into survey catalogues: FITS of data and randoms, with the survey's column names.

    A box that is repeated to fill the sky shows the same structure again after each period. One
    snapshot serves all redshifts: give the suite the redshift of the survey. What is there already
    is kept, so that the same command goes on after a stop.

    Example: galgen mock suite.h5 -o mocks --redshifts 0.45 0.55 --mask cmass.fits --populate

    Example, one box seen once, as a long cuboid: galgen mock suite.h5 --catalogues 7 --no-tiled
    --remapping 1 1 0 0 0 1 1 0 0 --observer -2 0.5 0.5 --redshifts 0.1 0.3
    """

    suite: tyro.conf.Positional[Path]
    """The suite, or the samples.h5 of a run."""
    output: Output[Path] = Path("mocks")
    """Folder for mock_000000_data.fits, mock_000000_randoms.fits, mock_000000.png, ..."""
    catalogues: tuple[Whole, ...] | None = None
    """Which catalogues, by number from 0; all of the splits if not given."""
    splits: Names | None = None
    """Which splits of the suite; all if not given."""
    light_cone: bool = False
    """The chosen catalogues are snapshots of one box: make one light cone through all of them."""
    redshifts: Annotated[tuple[NotNegative, NotNegative], RISING] = (0.05, 0.2)
    """Lowest and highest observed redshift."""
    viewpoint: Annotated[mocks.Viewpoint, tyro.conf.arg(name="")] = mocks.Viewpoint()
    """The observer."""
    redshift_space: bool = True
    """Add peculiar velocities to redshifts."""
    populate: bool = False
    """Put galaxies in the haloes; else each point of the box is a galaxy."""
    occupation: mocks.HaloOccupation = mocks.HaloOccupation()
    """How many galaxies a halo hosts, with --populate."""
    density: Positive | None = None
    """Constant n(z) in (h/Mpc)^3 to thin the box to; as dense as the box if not given."""
    radial: Path | None = None
    """n(z) as text: two columns, redshift and (h/Mpc)^3."""
    mask: Path | None = None
    """HEALPix FITS map of what is seen, 0 to 1; all of the sky if not given."""
    completeness: Path | None = None
    """A second map, which multiplies the mask."""
    nested: bool | None = None
    """Whether pixels are in nested order, for maps whose header does not say."""
    fibre_collisions: bool = False
    """Lose galaxies that are too close for two fibres; neighbours get their weight."""
    fibres: mocks.FibreCollisions = mocks.FibreCollisions()
    """How close, with --fibre-collisions."""
    power: NotNegative = 1e4
    """P_0 of the weights WEIGHT_FKP, (Mpc/h)^3."""
    randoms: mocks.RandomRecipe = mocks.RandomRecipe()
    """Random points."""
    hdf5: bool = False
    """Write both as HDF5 too."""
    parquet: bool = False
    """Write both as Parquet too; needs pyarrow."""
    picture: bool = True
    """Draw the sky and n(z)."""
    seed: Seed = 0
    """Of all mocks; the draws of each depend on its number too."""
    overwrite: bool = False
    """Make again what is there."""

    def run(self) -> None:
        from tqdm import tqdm

        check_folder(self.output)
        survey, options = self._survey(), self._options()
        with galgen.Suite(self.suite) as suite:
            numbers = self._numbers(suite)
            groups = [numbers] if self.light_cone else [[number] for number in numbers]
            kept = 0
            for group in tqdm(groups, desc="mock", unit="mock"):
                snapshots = [suite[number] for number in group]
                recipe = json.dumps({**options, "boxes": [_digest(box) for box in snapshots]})
                if not self.overwrite and self._is_there(group[0], recipe):
                    kept += 1
                    continue
                try:
                    mock = self._observe(survey, snapshots, group[0])
                except InputError as error:
                    raise InputError(f"{self.suite}, catalogue {group[0]}: {error}") from error
                self._write(mock, group, recipe)
        say(f"{len(groups) - kept} mocks written to {self.output}" + f", {kept} kept" * bool(kept))

    def _survey(self) -> mocks.Survey:
        """How to observe, its files read."""
        if self.density is not None and self.radial is not None:
            raise InputError("expected one of --density and --radial, got both; leave one out")
        radial = None if self.radial is None else mocks.read_radial_selection(self.radial)
        if self.density is not None:
            radial = mocks.RadialSelection(self.redshifts, (self.density, self.density))
        mask = mocks.SkyMask.full_sky()
        for path in (self.mask, self.completeness):
            mask = mask if path is None else mask.times(mocks.read_mask(path, self.nested))
        return mocks.Survey(
            redshifts=self.redshifts,
            viewpoint=self.viewpoint,
            mask=mask,
            radial=radial,
            collisions=self.fibres if self.fibre_collisions else None,
            redshift_space=self.redshift_space,
            power=self.power,
            randoms=self.randoms,
        )

    def _numbers(self, suite: galgen.Suite) -> list[int]:
        """Numbers of the chosen catalogues."""
        chosen = np.arange(len(suite))
        if self.splits is not None:
            chosen = np.sort(np.concatenate([suite.indices(split) for split in self.splits]))
        if self.catalogues is None:
            return [int(number) for number in chosen]
        wrong = sorted(set(self.catalogues) - set(chosen.tolist()))
        if wrong:
            raise InputError(
                f"expected catalogues among {len(chosen)} of {self.suite}, from "
                f"{chosen.min()} to {chosen.max()}, got {wrong}; galgen inspect tells of them"
            )
        return sorted(set(self.catalogues))

    def _options(self) -> dict[str, Any]:
        """All options that the numbers depend on, and the hash of each file, as JSON values."""
        from galgen.serialization import to_json

        options = {
            field.name: to_json(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name not in NOT_RECORDED
        }
        options["suite"] = self.suite.name
        for name in ("radial", "mask", "completeness"):
            path = getattr(self, name)
            if path is not None:
                options[name] = {"name": path.name, "sha256": _hash(path)}
        return options

    def _paths(self, number: int) -> dict[str, list[Path]]:
        """Files of a mock: of its data, of its randoms, and its picture."""
        suffixes = [".fits"] + [".h5"] * self.hdf5 + [".parquet"] * self.parquet
        name = f"mock_{number:06d}"
        tables = {
            what: [self.output / f"{name}_{what}{suffix}" for suffix in suffixes]
            for what in ("data", "randoms")
        }
        return {**tables, "picture": [self.output / f"{name}.png"] * self.picture}

    def _is_there(self, number: int, recipe: str) -> bool:
        """Whether a mock is whole, made by the same options of the same boxes.

        Raises:
            InputError: if it was made otherwise.
        """
        from galgen.mocks.sky_catalogue_files import read_provenance

        paths = self._paths(number)
        for fits in (paths["data"][0], paths["randoms"][0]):
            if fits.exists() and read_provenance(fits).get("recipe") != recipe:
                raise InputError(
                    f"expected mocks of these options and boxes in {self.output}, got {fits.name} "
                    "of others; pass --overwrite or another folder with -o"
                )
        return all(path.exists() for group in paths.values() for path in group)

    def _observe(
        self, survey: mocks.Survey, snapshots: Sequence[Catalogue], number: int
    ) -> mocks.MockSurvey:
        galaxies = child_seed(Role.MOCK_GALAXIES, self.seed, number)
        sky = child_seed(Role.MOCK_SKY, self.seed, number)
        if self.populate:
            # Draws go by row, and a halo is another row of another snapshot: along the light cone
            # it does not keep its galaxies.
            snapshots = [mocks.populate(s, self.occupation, galaxies) for s in snapshots]
        return survey.observe(snapshots, sky)

    def _write(self, mock: mocks.MockSurvey, group: Sequence[int], recipe: str) -> None:
        """All files; those of the data come last, so that with them the mock is whole."""
        notes = {
            "software": f"galgen {galgen.__version__}",
            "recipe": recipe,
            "seed": str(self.seed),
            "catalogue": " ".join(map(str, group)),
            "expected objects": f"{mock.expected:.6g}",
            "area": f"{mock.mask.area:.6g} square degrees",
        }
        paths = self._paths(group[0])
        self.output.mkdir(parents=True, exist_ok=True)
        for path in paths["picture"]:
            mocks.write_picture(path, mock)
        for what, catalogue in (("randoms", mock.randoms), ("data", mock.data)):
            provenance = {**catalogue.provenance, **notes, "content": what}
            noted = dataclasses.replace(catalogue, provenance=provenance)
            for path in reversed(paths[what]):
                mocks.write_sky_catalogue(path, noted)


def _digest(box: Catalogue) -> str:
    """Of the numbers of a catalogue, so that one that has changed is known."""
    text = hashlib.sha256(repr((box.box, box.redshift, dict(box.cosmology))).encode())
    for name, values in box.columns.items():
        text.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return text.hexdigest()


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise InputError(f"expected a file at {path}, got none; check the path") from error
