"""Are posteriors of catalogues unlike those of training warned of, and only those?

    galgen simulate -o runs/small.h5 --train 1 --test 100 --contrast 0 --seed 77 \\
        --omega-m 0.2 0.4 --sigma-8 0.7 0.9
    python benchmarks/unlike.py haloes-small runs/small.h5 --number 100
    python benchmarks/unlike.py haloes-small FOLDER/nbody_fof_fiducial.npz --number 20

Of a suite, its test catalogues; of a file of haloes in a larger box, sub-boxes of the side that the
model was trained on. Prints how far each posterior is off in its deviations, and its warnings. What
is measured is kept in ``runs/unlike``, and the next call goes on.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import tyro

import galgen
from galgen.inference.posteriors import infer_each, known_parameters
from galgen.inference.settings import InferenceSettings


@dataclasses.dataclass(frozen=True)
class Measure:
    """See the module's docstring."""

    run: tyro.conf.Positional[Path]
    """The run, or the name of a model."""
    data: tyro.conf.Positional[Path]
    """A suite, or a .npz of haloes."""
    number: int = 20
    """Catalogues, at most."""
    grid: int = 5
    """Conditions along each parameter."""
    replicas: int = 2
    """Noises of the likelihood."""
    evaluations: int = 8
    """Of the likelihood, for each noise."""
    output: Path = Path("runs/unlike")
    """Folder of what is measured."""

    def __call__(self) -> None:
        run = galgen.Run.load(self.run)
        box = run.encoding.standardizer.box[0]
        catalogues = self._of_suite() if self.data.suffix == ".h5" else sub_boxes(self.data, box)
        self.output.mkdir(parents=True, exist_ok=True)
        path = self.output / f"{self.data.stem}.json"
        found = json.loads(path.read_text()) if path.exists() else {}
        missing = {i: c for i, c in enumerate(catalogues[: self.number]) if str(i) not in found}
        settings = InferenceSettings(
            grid=self.grid, replicas=self.replicas, evaluations=self.evaluations, draws=250
        )
        for number, samples in infer_each(run, missing, None, settings):
            known = known_parameters(samples.names, missing[number])
            truth = np.array([known[name] for name in samples.names])
            off = (samples.flat.mean(axis=0) - truth) / samples.flat.std(axis=0)
            warnings = [str(w) for w in samples.warnings]
            found[str(number)] = {"off": off.tolist(), "warnings": warnings}
            path.write_text(json.dumps(found, indent=1))
            print(number, len(missing[number]), np.round(off, 1), *warnings, sep="\n  ", flush=True)
        self._told(list(found.values()))

    def _of_suite(self) -> list[galgen.Catalogue]:
        return list(galgen.Suite(self.data).catalogues("test"))

    def _told(self, found: list[dict]) -> None:
        names = ("unlike", "edge", "constant", "redshift", "cosmology", "range", "points")

        def warned(one: dict, kinds: tuple[str, ...]) -> bool:
            return any(text.split(":")[0] in kinds for text in one["warnings"])

        off = [np.max(np.abs(one["off"])) > 3 for one in found]
        for label, kinds in (("unlike or edge", names[:2]), ("any but of noise", names)):
            flags = [warned(one, kinds) for one in found]
            both = sum(np.logical_and(off, flags))
            print(f"{label}: {sum(flags)} of {len(found)}; of {sum(off)} off by 3, {both}")


def sub_boxes(path: Path, side: float) -> list[galgen.Catalogue]:
    """Of the first box of a file, as if each were periodic; or of each box the first."""
    data, found = np.load(path), []
    if "pos" in data:
        x, mass, cosmology = data["pos"], data["mass"], data["th"]
        corners = side * np.array(list(np.ndindex((int(1000.0 // side),) * 3)))
        parts = [(x, mass, cosmology, corner) for corner in corners]
    else:
        parts = [
            (x[:, :3], 10.0 ** x[:, 6].astype(float), cosmology, np.zeros(3))
            for x, cosmology in zip(data["x"], data["theta"], strict=True)
        ]
    for x, mass, cosmology, corner in parts:
        inside = np.all((x >= corner) & (x < corner + side), axis=1)
        if inside.any():
            columns = dict(zip("xyz", (x[inside] - corner).T.astype(float), strict=True))
            known = {"omega_m": float(cosmology[0]), "sigma_8": float(cosmology[4])}
            columns["mass"] = mass[inside]
            found.append(galgen.Catalogue(columns, (side,) * 3, 0.0, known))
    return found


if __name__ == "__main__":
    tyro.cli(Measure)()
