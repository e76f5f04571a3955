"""Which trained models there are, and where.

A place of models is a folder, or an address on the web, that holds model files
(:mod:`galgen.model_file`) and ``index.json``, which has the SHA-256 of each. One lies beside this
file; the environment variable ``GALGEN_MODELS`` may name another, from which models are downloaded
(by pooch, into the user's cache) when they are used. ``galgen package`` adds to such a folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from galgen.errors import InputError
from galgen.model_file import SUFFIX, ModelFile
from galgen.option_errors import meant
from galgen.publishing import publish_text
from galgen.reading import reading, regular_file, said
from galgen.serialization import parsed

PLACE = "GALGEN_MODELS"
INDEX = "index.json"
FORMAT = 1
HERE = Path(__file__).parent
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclasses.dataclass(frozen=True)
class Listed:
    """A model in the index of a place.

    Attributes:
        name: of the model.
        place: a folder, or an address on the web.
        about: what it draws, in a few words.
        sha256: of its file.
        size: of its file, bytes.
    """

    name: str
    place: str
    about: str
    sha256: str
    size: int

    @property
    def is_remote(self) -> bool:
        """Whether it is downloaded."""
        return _is_remote(self.place)


def listed() -> dict[str, Listed]:
    """Every model that can be used by name; those that come with galgen win.

    Raises:
        InputError: if the index of the place that GALGEN_MODELS names cannot be read.
    """
    other = os.environ.get(PLACE)
    found = _index(other) if other else {}
    return found | _index(str(HERE))


def find_model(name: str) -> Path:
    """The file of a model, whose bytes are those of the index.

    Raises:
        InputError: if there is no model of that name, or its file is another.
    """
    known = _index(str(HERE))
    model = known.get(name) or (known := listed()).get(name)
    if model is None:
        hint = meant(name, known)
        raise InputError(
            f"expected the folder of a run, a model file or the name of a trained model, found no "
            f"{name}; " + (f"{hint}, and " if hint else "") + "galgen models lists them"
        )
    path = _downloaded(model) if model.is_remote else Path(model.place, name + SUFFIX)
    what = f"the model {name}"
    if hashlib.sha256(regular_file(path, what).read_bytes()).hexdigest() != model.sha256:
        raise InputError(
            f"expected {what} with the SHA-256 that {INDEX} has, got another file {path}; "
            "copy it anew, or install galgen again"
        )
    return path


def model_file(run: str | Path) -> ModelFile | None:
    """The model file that is meant: its path, or the name of a trained model; None for a folder.

    Raises:
        InputError: if there is nothing of that name, or it is no model file.
    """
    path = Path(run)
    if path.is_dir():
        return None
    if path.exists() or path.suffix == SUFFIX:
        return ModelFile.open(path)
    return ModelFile.open(find_model(str(path))) if len(path.parts) == 1 else None


def check_name(path: Path) -> str:
    """The name of the model in a file.

    Raises:
        InputError: if it is none.
    """
    name = path.name.removesuffix(SUFFIX)
    if not NAME.fullmatch(name):
        raise InputError(
            f"expected a name of small letters, digits and hyphens, got {name!r}; rename it"
        )
    return name


def add_to_index(path: Path, about: str) -> None:
    """List a model file in the index of its folder.

    Raises:
        InputError: if the name is none, or the index cannot be read.
    """
    name = check_name(path)
    index = path.with_name(INDEX)
    models = _models(index) if index.exists() else {}
    content = path.read_bytes()
    models[name] = {
        "sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "about": about
    }  # fmt: skip
    tree = {"format": FORMAT, "models": dict(sorted(models.items()))}
    publish_text(index, json.dumps(tree, indent=1) + "\n")


def _index(place: str) -> dict[str, Listed]:
    """The models of a place."""
    path = _fetched(f"{place.rstrip('/')}/{INDEX}") if _is_remote(place) else Path(place, INDEX)
    return {name: Listed(name, place, **fields) for name, fields in _models(path).items()}


def _models(path: Path) -> dict[str, dict[str, Any]]:
    what = "an index of models"
    with reading(regular_file(path, what), what):
        tree = parsed(path.read_text(encoding="utf-8"))
        models = tree.get("models") if isinstance(tree, dict) else None
        if not isinstance(models, dict) or tree.get("format") != FORMAT:
            raise InputError(
                f"expected models in an index of format {FORMAT}, got others; upgrade galgen"
            )
        if not all(_is_entry(name, entry) for name, entry in models.items()):
            raise InputError(
                "expected sha256, size and about of every model, got others; copy the index anew"
            )
        return models


def _is_entry(name: str, entry: Any) -> bool:
    kinds: Mapping[str, type] = {"sha256": str, "size": int, "about": str}
    return (
        NAME.fullmatch(name) is not None
        and isinstance(entry, dict)
        and entry.keys() == kinds.keys()
        and all(type(entry[field]) is kind for field, kind in kinds.items())
    )


def _is_remote(place: str) -> bool:
    return "://" in place


@functools.cache
def _fetched(url: str) -> Path:
    """An index from the web, which may have changed: downloaded once in a process."""
    import pooch

    cache = Path(pooch.os_cache("galgen"), hashlib.sha256(url.encode()).hexdigest()[:16] + ".json")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with _downloading(url):
        pooch.HTTPDownloader()(url, str(cache), None)
    return cache


@contextlib.contextmanager
def _downloading(url: str) -> Iterator[None]:
    """Errors of the network become one line."""
    try:
        yield
    except Exception as error:  # of requests, or of a wrong checksum
        raise InputError(
            f"expected to download {url}, got {said(error)}; check the network and {PLACE}"
        ) from error


def _downloaded(model: Listed) -> Path:
    import pooch

    url = f"{model.place.rstrip('/')}/{model.name}{SUFFIX}"
    with _downloading(url):
        found = pooch.retrieve(
            url,
            known_hash=f"sha256:{model.sha256}",
            fname=f"{model.sha256[:16]}-{model.name}{SUFFIX}",
            path=pooch.os_cache("galgen"),
        )
    return Path(found)
