"""From a trained run to draws: in memory, or in a file that a stopped job goes on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from galgen.data.encoding import CatalogueEncoding, Condition, Draw
from galgen.data.field import Field
from galgen.data.suite import Suite, SuiteView
from galgen.data.suite_parts import SuiteParts
from galgen.errors import InputError
from galgen.places import HDF5, check_file
from galgen.randomness import STREAMS
from galgen.run import Run
from galgen.training.sharding import ALL_ON_DATA, MeshShape


def sample(
    run: Run | str | Path,
    conditions: Sequence[Condition],
    output: str | Path | None = None,
    seed: int = 0,
    batch: int = 16,
    points: int | None = None,
    extrapolate: bool = False,
    splits: Sequence[str] | None = None,
    mesh: MeshShape = ALL_ON_DATA,
    progress: bool = False,
    fields: Sequence[Any] | None = None,
    box: float | None = None,
) -> Sequence[Any]:
    """One catalogue (or array) for each condition, in order.

    Args:
        run: a trained run, or its folder.
        conditions: physical values by name; ``[{}] * n`` for an unconditional model.
        output: a file to write. Catalogues are written as they are drawn: what a stopped call has
            drawn is kept beside it, and the same call goes on. Those returned are read from it. The
            fields of draws are written with them.
        seed: of the numbers of points and the base draws.
        batch: examples per call of the sampler, rounded up to what the mesh divides.
        points: a fixed number of points per catalogue, else the model's own, or drawn from p(N |
            condition). Of haloes from a field the heaviest.
        extrapolate: allow conditions outside the trained range.
        splits: of each in the file; all ``sample`` if not given.
        mesh: of all devices of this process.
        progress: show a progress bar.
        fields: what each is drawn from, for a model that reads a field: a
            :class:`~galgen.data.Field` for each condition, or its values.
        box: side [Mpc/h] of linear fields that are drawn for it, their phases by the seed: the
            same at every cosmology.

    Raises:
        InputError: for a condition that is missing or outside the trained range, a mesh that does
            not fit, fields that are missing or unlike those of training, or a place that cannot
            be written to.
    """
    run = run if isinstance(run, Run) else Run.load(run)
    if box is not None:
        if fields is not None:
            raise InputError(
                f"expected fields or a box to draw them in, got both ({box:g} Mpc/h); leave one out"
            )
        fields = run.encoding.seeded_fields(conditions, seed, box)
    if output is None:
        return run.sample(conditions, seed, batch, points, extrapolate, progress, mesh, fields)
    path, clouds = Path(output), isinstance(run.encoding, CatalogueEncoding)
    check_file(path, signature=HDF5 if clouds else None)
    splits = ["sample"] * len(conditions) if splits is None else list(splits)
    if len(splits) != len(conditions):
        raise InputError(
            f"expected a split for each of {len(conditions)} conditions, got {len(splits)}; leave "
            "out splits, or give as many"
        )
    if not clouds:
        examples = run.sample(conditions, seed, batch, points, extrapolate, progress, mesh, fields)
        path.parent.mkdir(parents=True, exist_ok=True)
        run.encoding.save(path, examples, splits)
        return examples
    draws = run.plan(conditions, seed, batch, points, extrapolate, mesh, fields)
    asked = [{name: float(value) for name, value in one.items()} for one in conditions]
    job = {
        "weights": run.weights_hash,
        "conditions": hashlib.sha256(json.dumps([asked, splits]).encode()).hexdigest(),
        "seed": seed,
        "streams": STREAMS,
        "batch": draws[0].shape[0],
        "points": points,
    }
    if fields is not None:
        digest = hashlib.sha256()
        for draw in draws:
            digest.update(draw.field_digest)
        job["fields"] = digest.hexdigest()
    assert isinstance(run.encoding, CatalogueEncoding)
    kept = run.encoding.kept_fields(fields)
    path.parent.mkdir(parents=True, exist_ok=True)
    with SuiteParts(path, len(draws), job) as parts:
        _stream(run, draws, splits, seed, parts, mesh, progress, kept)
    return SuiteView(Suite(path), np.arange(len(conditions)))


def _stream(
    run: Run,
    draws: Sequence[Draw],
    splits: Sequence[str],
    seed: int,
    parts: SuiteParts,
    mesh: MeshShape,
    progress: bool,
    fields: Sequence[Field] | None,
) -> None:
    """Write each draw of a plan as soon as it is made, then the suite in the order asked for."""
    missing = parts.missing
    total = sum(len(draw.wanted) for draw in draws)
    left = sum(len(draws[number].wanted) for number in missing)
    bar = tqdm(
        total=total, initial=total - left, desc="sample", unit="catalogue", disable=not progress
    )
    with bar:
        for number, drawn in run.draw(draws, seed, missing, mesh):
            rows = draws[number].wanted
            theirs = None if fields is None else [fields[row] for row in rows]
            parts.write(number, drawn, [splits[row] for row in rows], theirs)
            bar.update(len(drawn))
    places = [
        (row, (number, place))
        for number, draw in enumerate(draws)
        for place, row in enumerate(draw.wanted)
    ]
    parts.finish([place for _, place in sorted(places)])
