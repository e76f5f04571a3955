"""Posteriors of catalogues in one HDF5 file, whole at every moment.

Format ``galgen-posterior``, version 1 (the root attributes ``format`` and ``version`` say so)::

    /                      attributes: names, job (JSON: run, weights, settings, prior)
    /<i>/samples           (chains, draws, parameters) float64, physical values
    /<i>/log_density       (chains, draws) float64, nats up to a constant, if known
    /<i>/acceptance        (chains,) float64, if known
    /<i>/divergences       (chains,) int64, if known
    /<i>/noise             (parameters,) float64, if known
    /<i>                   attributes: cautions (JSON: names and texts), catalogue (JSON: where it
                           came from), truth (JSON: parameters it was made with, if known)

for catalogue i, counted from 0 in six digits. Samples have the names and units of their columns as
attributes; cosmological parameters have no unit. The file is replaced by one rename whenever a
posterior is added, so that a job that was stopped goes on where it was: what an equal job has left
is read back.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from galgen.errors import InputError
from galgen.inference.caution import Caution
from galgen.inference.sampling.result import PosteriorSamples
from galgen.publishing import Publication

FORMAT, VERSION = "galgen-posterior", 1
ARRAYS = ("samples", "log_density", "acceptance", "divergences", "noise")


@dataclasses.dataclass(frozen=True, eq=False)
class CataloguePosterior:
    """The posterior of one catalogue.

    Attributes:
        samples: of the posterior.
        catalogue: where the catalogue came from.
        truth: the parameters it was made with, those that are known.
    """

    samples: PosteriorSamples
    catalogue: Mapping[str, str]
    truth: Mapping[str, float]


def write_posteriors(
    path: Path, posteriors: Mapping[int, CataloguePosterior], job: Mapping[str, Any]
) -> None:
    """Write posteriors of catalogues by number, replacing what is there in one step.

    Args:
        path: of the file.
        posteriors: one or more, of the same parameters.
        job: plain values that tell this job from others.

    Raises:
        InputError: if there is no folder for the file, or no posterior.
    """
    if not posteriors:
        raise InputError("expected a posterior to write, got none")
    names = next(iter(posteriors.values())).samples.names
    with Publication(path) as publication:
        draft = publication.folder / path.name
        with h5py.File(draft, "w") as file:
            file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
            file.attrs["names"], file.attrs["job"] = json.dumps(names), _text(job)
            for number, posterior in sorted(posteriors.items()):
                _write_one(file.create_group(f"{number:06d}"), posterior)
        publication.publish(draft)


def _write_one(group: h5py.Group, posterior: CataloguePosterior) -> None:
    for name in ARRAYS:
        values = getattr(posterior.samples, name)
        if values is not None:
            group[name] = values
    group["samples"].attrs["names"] = json.dumps(posterior.samples.names)
    group["samples"].attrs["units"] = json.dumps([""] * len(posterior.samples.names))
    cautions = [dataclasses.asdict(caution) for caution in posterior.samples.cautions]
    group.attrs["cautions"] = json.dumps(cautions)
    group.attrs["catalogue"] = _text(posterior.catalogue)
    group.attrs["truth"] = _text(posterior.truth)


def read_posteriors(path: Path) -> dict[int, CataloguePosterior]:
    """The posteriors in a file, by the number of their catalogue.

    Raises:
        InputError: if there is no such file, or it is not one of posteriors.
    """
    with _opened(path) as file:
        names = tuple(json.loads(file.attrs["names"]))
        return {int(number): _read_one(group, names) for number, group in file.items()}


def _read_one(group: h5py.Group, names: tuple[str, ...]) -> CataloguePosterior:
    arrays = {name: group[name][()] for name in ARRAYS if name in group}
    cautions = tuple(Caution(**fields) for fields in json.loads(group.attrs["cautions"]))
    return CataloguePosterior(
        PosteriorSamples(names, cautions=cautions, **arrays),
        json.loads(group.attrs["catalogue"]),
        json.loads(group.attrs["truth"]),
    )


def left_over(path: Path, job: Mapping[str, Any]) -> dict[int, CataloguePosterior]:
    """What an equal job has written to ``path`` already; nothing if another did, or none.

    Raises:
        InputError: if a file is there that is not one of posteriors.
    """
    if not path.exists():
        return {}
    with _opened(path) as file:
        same = file.attrs["job"] == _text(job)
    return read_posteriors(path) if same else {}


def _opened(path: Path) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise InputError(f"expected posteriors at {path}, got no such file; check it") from error
    except OSError as error:
        raise InputError(
            f"expected an HDF5 file at {path}, got another format; choose another name"
        ) from error
    found = (file.attrs.get("format"), file.attrs.get("version"))
    if found != (FORMAT, VERSION):
        file.close()
        raise InputError(
            f"expected posteriors of format {FORMAT!r} version {VERSION} in {path}, got {found}; "
            "choose another name"
        )
    return file


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True)
