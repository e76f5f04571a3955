"""A simulated suite in a file, made in parts that a stopped job keeps."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path

from tqdm import tqdm

from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite
from galgen.data.suite_parts import SuiteParts
from galgen.errors import InputError
from galgen.places import HDF5, check_file
from galgen.serialization import from_json, parsed, to_json
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import LinearField
from galgen.simulation.recipe import SuiteRecipe

DEFAULT = SuiteRecipe()
PART = 16
"""Catalogues that are written together: what a stopped job loses at most."""


def simulate(
    output: str | Path,
    recipe: SuiteRecipe = DEFAULT,
    workers: int = 1,
    progress: bool = False,
) -> Suite:
    """Make a suite of halo catalogues, and open it.

    What a stopped call has made is kept beside the suite, and the same call goes on.

    Args:
        output: the HDF5 file to write.
        recipe: how many catalogues, of which cosmologies.
        workers: processes; the result is the same for any number. More than one need the usual
            ``if __name__ == "__main__":`` in a script.
        progress: show a progress bar.

    Raises:
        InputError: for a recipe that cannot be simulated, or a place that cannot be written to.
    """
    path = Path(output)
    check_file(path, signature=HDF5)
    total = len(recipe.cosmologies()[0])
    recipe.check()
    path.parent.mkdir(parents=True, exist_ok=True)
    with SuiteParts(path, -(-total // PART), {"recipe": to_json(recipe)}) as parts:
        _simulate(recipe, parts, total, workers, progress)
        parts.finish()
    return Suite(path)


def _simulate(
    recipe: SuiteRecipe, parts: SuiteParts, total: int, workers: int, progress: bool
) -> None:
    """The parts that are missing."""
    missing = {n: range(n * PART, min((n + 1) * PART, total)) for n in parts.missing}
    numbers = [number for part in missing.values() for number in part]
    note = {"recipe": json.dumps(to_json(recipe))}
    bar = tqdm(
        total=total,
        initial=total - len(numbers),
        desc="simulate",
        unit="catalogue",
        disable=not progress,
    )
    with contextlib.closing(recipe.simulate(workers, numbers)) as simulated, bar:
        for part, members in missing.items():
            catalogues, splits, fields = [], [], []
            for catalogue, split in itertools.islice(simulated, len(members)):
                provenance = {**catalogue.provenance, **note}
                catalogues.append(catalogue.replace(provenance=provenance))
                splits.append(split)
                fields.append(recipe.field_of(catalogue))
                bar.update()
            parts.write(part, catalogues, splits, fields)


def is_made(path: Path, recipe: SuiteRecipe) -> bool:
    """Whether ``path`` already holds the suite of this very recipe."""
    if not path.exists():
        return False
    with Suite(path) as suite:
        made = [provenance.get("recipe") for provenance in suite.provenance(0, 1)]
    try:
        return [from_json(parsed(text or "null")) for text in made] == [recipe]
    except InputError:  # of another galgen
        return False


def linear_field_of(catalogue: Catalogue) -> LinearField:
    """The linear field that a catalogue of a simulated suite comes from, made again.

    Args:
        catalogue: with the recipe and the seed in its provenance, as :func:`simulate` writes it.

    Raises:
        InputError: if it has none.
    """
    text, seed = (catalogue.provenance.get(name, "") for name in ("recipe", "seed"))
    if not text or not seed.isdecimal():
        raise InputError(
            f"expected a catalogue whose provenance has the recipe and the seed of galgen "
            f"simulate, got {sorted(catalogue.provenance) or 'none'}; read it from such a suite"
        )
    recipe = from_json(parsed(text))
    if not isinstance(recipe, SuiteRecipe):
        raise InputError(
            f"expected a recipe of galgen simulate in the provenance, got {text[:100]!r}; read the "
            "catalogue from a suite that galgen simulate made"
        )
    return recipe.simulator.linear_field(Cosmology.of(catalogue.cosmology), int(seed))
