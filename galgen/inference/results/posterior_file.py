"""Posteriors of catalogues in one HDF5 file, whole at every moment.

Format ``galgen-posterior``, version 1 (the root attributes ``format`` and ``version`` say so)::

    /                      attributes: names, job (JSON: run, weights, settings, prior)
    /<i>/samples           (chains, draws, parameters) float64, physical values
    /<i>/log_density       (chains, draws) float64, nats up to a constant, if known
    /<i>/acceptance        (chains,) float64, if known
    /<i>/divergences       (chains,) int64, if known
    /<i>/noise             (parameters,) float64, if known
    /<i>                   attributes: cautions (JSON: names and texts of warnings), catalogue
                           (JSON: where it came from), truth (JSON: parameters it was made with,
                           if known)

for catalogue i, counted from 0 in six digits. Samples have the names and units of their columns as
attributes; cosmological parameters have no unit. The file is replaced by one rename whenever a
posterior is added, so that a job that was stopped goes on where it was: what an equal job has left
is read back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from galgen.errors import InputError
from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling.result import PosteriorSamples
from galgen.publishing import Publication
from galgen.reading.hdf5 import attribute, check_self_contained, find_group, open_hdf5, read_numbers
from galgen.serialization import parsed

FORMAT, VERSION = "galgen-posterior", 1
REMEDY = "it is damaged: move it away, and galgen infer starts anew"
STORED_WARNINGS = "cautions"
"""The attribute of warnings, by the name that they once had."""
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
        raise InputError("expected a posterior to write, got none; infer from a catalogue")
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
    warnings = [dataclasses.asdict(warning) for warning in posterior.samples.warnings]
    group.attrs[STORED_WARNINGS] = json.dumps(warnings)
    group.attrs["catalogue"] = _text(posterior.catalogue)
    group.attrs["truth"] = _text(posterior.truth)


def read_posteriors(path: Path) -> dict[int, CataloguePosterior]:
    """The posteriors in a file, by the number of their catalogue.

    Raises:
        InputError: if there is no such file, it is not one of posteriors, or it is damaged.
    """
    with _opened(path) as file:
        names = _json(file, "names", list)
        if not names or not all(isinstance(name, str) for name in names):
            raise InputError(f"expected names of parameters, got {str(names)[:100]}; {REMEDY}")
        return {_number(name): _read_one(find_group(file, name), tuple(names)) for name in file}


def _number(name: str) -> int:
    if not (name.isascii() and name.isdigit()):
        raise InputError(f"expected groups of numbered catalogues, got {name[:100]!r}; {REMEDY}")
    return int(name)


def _read_one(group: h5py.Group, names: tuple[str, ...]) -> CataloguePosterior:
    arrays = {name: read_numbers(group, name) for name in ARRAYS if name in group}
    samples = arrays.get("samples", np.zeros(0))
    chains, draws, width = samples.shape if samples.ndim == 3 else (0, 0, 0)
    shapes = {
        "samples": (chains, draws, len(names)),
        "log_density": (chains, draws),
        "acceptance": (chains,),
        "divergences": (chains,),
        "noise": (width,),
    }
    for name, values in arrays.items():
        if values.shape != shapes[name] or not chains:
            raise InputError(
                f"expected {name} of shape {shapes[name]} in {group.name}, got {values.shape}; "
                f"{REMEDY}"
            )
    warnings = _json(group, STORED_WARNINGS, list)
    catalogue, truth = _json(group, "catalogue", dict), _json(group, "truth", dict)
    texts = [*catalogue.values(), *(text for each in warnings for text in _texts(each))]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"expected warnings and a catalogue in texts in {group.name}, got others; {REMEDY}"
        )
    if not all(isinstance(value, int | float) for value in truth.values()):
        raise InputError(f"expected numbers as the truth of {group.name}, got others; {REMEDY}")
    told = tuple(ResultWarning(each["name"], each["text"]) for each in warnings)
    return CataloguePosterior(PosteriorSamples(names, warnings=told, **arrays), catalogue, truth)


def _texts(warning: Any) -> list[Any]:
    """The name and the text of a warning; what is none if it has others."""
    whole = isinstance(warning, dict) and set(warning) == {"name", "text"}
    return list(warning.values()) if whole else [None]


def _json(place: h5py.Group, name: str, kind: type) -> Any:
    """The JSON in an attribute."""
    found = parsed(str(attribute(place, name)))
    if not isinstance(found, kind):
        raise InputError(
            f"expected {name} of {place.name} to be a {kind.__name__}, got "
            f"{type(found).__name__}; {REMEDY}"
        )
    return found


def left_over(path: Path, job: Mapping[str, Any]) -> dict[int, CataloguePosterior]:
    """The posteriors that an equal job has already written to ``path``; none if another job did.

    Raises:
        InputError: if a file is there that is not one of posteriors, or is damaged.
    """
    if not path.exists():
        return {}
    with _opened(path) as file:
        same = attribute(file, "job") == _text(job)
    return read_posteriors(path) if same else {}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    with open_hdf5(path, "posteriors") as file:
        found = tuple(file.attrs.get(name) for name in ("format", "version"))
        if found != (FORMAT, VERSION):
            raise InputError(
                f"expected posteriors of format {FORMAT!r} version {VERSION} in {path}, got "
                f"{found}; choose another name"
            )
        check_self_contained(file, path)
        yield file


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True)
