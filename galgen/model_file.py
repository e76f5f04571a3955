"""A trained model as one file: averaged weights, experiment, encoding and card.

    <name>.safetensors   the weights, each by its path, e.g. ``params/Dense_0/kernel``
      format             of this layout, 1
      galgen             the version that wrote it
      name               of the model
      experiment         as in ``experiment.json`` of a run (:mod:`galgen.serialization`)
      encoding           as in ``encoding.json``
      card               what was measured of it, JSON (:mod:`galgen.model_card`)
      sha256             of all the rest

Nothing of it is code: a file of somebody else is safe to open. The format of weights is
`safetensors <https://huggingface.co/docs/safetensors>`_; the texts are its metadata.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from galgen import __version__
from galgen.errors import InputError
from galgen.publishing import Publication
from galgen.reading import reading, regular_file
from galgen.serialization import Trusted, as_text, from_text, parsed

if TYPE_CHECKING:
    from galgen.data.encoding import Encoding
    from galgen.training import Trainer
    from galgen.types import Params

FORMAT = 1
SUFFIX = ".safetensors"
WHAT = "a trained model in one file, as galgen package writes it"
TEXTS = ("format", "galgen", "name", "experiment", "encoding", "card")


@dataclasses.dataclass(frozen=True)
class ModelFile:
    """A model file, of which only the texts were read.

    Attributes:
        path: of the file.
        texts: by name, as above.
    """

    path: Path
    texts: Mapping[str, str] = dataclasses.field(repr=False)

    @classmethod
    def open(cls, path: str | Path) -> ModelFile:
        """The texts of a model file.

        Raises:
            InputError: if it is no such file, is damaged, or is of a newer format.
        """
        path = Path(path)
        with reading(regular_file(path, WHAT), WHAT), safe_open(path, framework="numpy") as file:
            texts = dict(file.metadata() or {})
            if missing := [name for name in (*TEXTS, "sha256") if name not in texts]:
                raise InputError(f"expected {WHAT}, got one without {missing[0]}; name another")
            if texts["format"] != str(FORMAT):
                written = texts["galgen"][:20]
                raise InputError(
                    f"expected a model of format {FORMAT}, got {texts['format'][:20]!r}, which "
                    f"galgen {written} reads; pip install --upgrade 'galgen>={written}'"
                )
        return cls(path, texts)

    @property
    def name(self) -> str:
        """Of the model."""
        return self.texts["name"]

    @property
    def outputs(self) -> Path:
        """The folder that commands write to where no other is named."""
        return Path("runs", self.name)

    @property
    def card(self) -> Mapping[str, Any]:
        """What was measured of the model."""
        with reading(self.path, WHAT):
            card = parsed(self.texts["card"])
            if not isinstance(card, dict):
                raise InputError("expected a card by names, got none; the file is damaged")
            return card

    def experiment(self, kind: type, trust: Trusted = ()) -> Any:
        """The experiment, which is to be of a kind."""
        with reading(self.path, WHAT):
            return from_text(self.texts["experiment"], kind, trust)

    def encoding(self, trust: Trusted = ()) -> Encoding[Any]:
        """Between the numbers of the model and data."""
        from galgen.data.encoding import Encoding

        with reading(self.path, WHAT):
            encoding: Encoding[Any] = from_text(self.texts["encoding"], Encoding, trust)
            return encoding

    def params(
        self, like: Params, trainer: Trainer, ema_decay: float | None = None, best: bool = False
    ) -> Params:
        """The weights, all bytes of the file checked against its SHA-256.

        Args:
            like: a tree of arrays or their shapes, as the network makes it.
            trainer: of the experiment.
            ema_decay: of the average, which must be the trainer's if given.
            best: refused, for the file holds one average.

        Raises:
            InputError: if the file is damaged, or its weights are of another network.
        """
        import jax

        if best or ema_decay not in (None, trainer.ema_decay):
            raise InputError(
                f"expected the weights that {self.path} holds, got a wish for others; leave out "
                "best and ema_decay, or name the folder of a run"
            )
        with reading(self.path, WHAT):
            with safe_open(self.path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if _digest(self.texts, arrays) != self.texts["sha256"]:
                raise InputError("expected the bytes that were written, got others; copy it anew")
            wanted = _by_path(like)
            other = sorted(wanted.keys() ^ arrays.keys()) or [
                name for name, leaf in wanted.items() if arrays[name].shape != leaf.shape
            ]
            if other:
                raise InputError(
                    f"expected weights of its network in the file, got other {other[0]}; use the "
                    f"version of galgen that wrote it, {self.texts['galgen'][:20]}"
                )
            leaves = [arrays[name].astype(leaf.dtype) for name, leaf in wanted.items()]
            return jax.tree.unflatten(jax.tree.structure(like), leaves)


def write_model_file(
    path: str | Path,
    name: str,
    experiment: Any,
    encoding: Encoding[Any],
    params: Params,
    card: Mapping[str, Any],
) -> None:
    """Write a model file, whole or not at all.

    Args:
        path: of the file.
        name: of the model.
        experiment: that was trained; a ``data.path`` that is absolute loses its folders.
        encoding: of its data.
        params: its averaged weights.
        card: JSON values.

    Raises:
        InputError: for a place that cannot be written to.
    """
    path = Path(path)
    arrays = {key: np.asarray(leaf) for key, leaf in _by_path(params).items()}
    texts = {
        "format": str(FORMAT),
        "galgen": __version__,
        "name": name,
        "experiment": as_text(without_folders(experiment)),
        "encoding": as_text(encoding),
        "card": json.dumps(card, allow_nan=False),
    }
    texts["sha256"] = _digest(texts, arrays)
    with Publication(path) as publication:
        draft = publication.folder / path.name
        draft.write_bytes(save(arrays, texts))
        publication.publish(draft)


def without_folders(experiment: Any) -> Any:
    """The experiment, a ``data.path`` that is absolute without its folders."""
    place = getattr(experiment.data, "path", None)
    if not isinstance(place, Path) or not place.is_absolute():
        return experiment
    data = dataclasses.replace(experiment.data, path=Path(place.name))
    return dataclasses.replace(experiment, data=data)


def _by_path(tree: Params) -> dict[str, Any]:
    """The leaves of a tree by their path, in the order of the tree."""
    import jax

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _digest(texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in TEXTS:
        digest.update(f"{name}\0{texts[name]}\0".encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode() + array.tobytes())
    return digest.hexdigest()
