"""The card of a trained model: what it draws, what was measured of it, where it may be used.

A card is JSON, kept in the model file, and is made of measured numbers alone: those of
``comparison.json``, which ``galgen validate`` wrote, of the log of the training and of a draw that
is timed. What was not measured is not said. :mod:`galgen.card_page` prints it.

A bin of a statistic is *good to 10%* where its ratio of generated to held-out lies within 10% of 1
by twice its error, in every split; *off by more than 10%* where it lies outside by twice its error
in any split; else the catalogues are too few to tell. Bins in which held-out does not differ from
zero are left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

import galgen
from galgen.data.encoding import ArrayEncoding, CloudEncoding
from galgen.data.features import source_column
from galgen.data.suite import Suite
from galgen.errors import InputError
from galgen.model_file import without_folders
from galgen.reading import reading, regular_file
from galgen.run import Run
from galgen.serialization import called, parsed
from galgen.training.tracking import read_metrics
from galgen.validation.checks.energy_distance import energy_distance
from galgen.validation.report.table import VERSION

TOLERANCE = 0.1
SIGMAS = 2.0
TIMED = 4
"""Draws that are timed."""
COMPARED = 1000
"""Arrays drawn and held out, at most, whose energy distance is measured."""
CITE = (
    "The galgen developers, galgen: point-cloud generative modelling for cosmology (CITATION.cff)"
)


def model_card(
    run: Run, name: str, report: Path | None = None, licence: str = "MIT"
) -> dict[str, Any]:
    """The card of a run.

    Args:
        run: trained.
        name: of the model.
        report: ``comparison.json`` of the run; that of its folder, if there is one, if not given.
        licence: of the weights.

    Raises:
        InputError: if the report is none.
    """
    kept = run.folder / "report" / "comparison.json"
    report = report or (kept if kept.exists() else None)
    comparison = None if report is None else _read(report)
    return {
        "name": name,
        "about": _about(run),
        "model": _model(run),
        "draws": _draws(run.encoding),
        "data": _data(run),
        "judged": _judged(comparison) if comparison else _judged_arrays(run),
        "use": usable(comparison) if comparison else {},
        "cost": _cost(run),
        "licence": licence,
        "cite": CITE,
        "galgen": galgen.__version__,
    }


def _about(run: Run) -> str:
    """What it draws, in a few words."""
    ranges = run.encoding.condition_ranges.items()
    told = ", ".join(f"{name} {low:.3g} to {high:.3g}" for name, (low, high) in ranges)
    return f"{_what(run.encoding)}; {told or 'no condition'}"


def _what(encoding: Any) -> str:
    if not isinstance(encoding, CloudEncoding):
        return str(encoding)
    box = " x ".join(f"{side:g}" for side in encoding.standardizer.box)
    return f"{encoding} in {box} Mpc/h at z = {_redshifts(encoding)}"


def _redshifts(encoding: CloudEncoding) -> str:
    return ", ".join(f"{z:.3g}" for z in encoding.standardizer.redshifts)


def _model(run: Run) -> dict[str, Any]:
    return {
        **{part: called(getattr(run.experiment, part)) for part in ("model", "network", "sampler")},
        "weights": int(sum(leaf.size for leaf in jax.tree.leaves(run.params))),
    }


def _draws(encoding: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"what": _what(encoding)}
    if isinstance(encoding, CloudEncoding):
        known = encoding.standardizer
        found |= {
            "box [Mpc/h]": list(known.box),
            "periodic": known.periodic,
            "redshift": _redshifts(encoding),
            "columns": {
                name: known.units.get(name, "") for name in map(source_column, known.columns)
            },
            "points per catalogue in training": list(known.points_range),
            "fixed parameters": dict(known.fixed_cosmology),
        }
    ranges = {name: list(pair) for name, pair in encoding.condition_ranges.items()}
    return found | {"conditions, trained from and to": ranges}


def _data(run: Run) -> dict[str, Any]:
    """What it was trained on, as the training suite tells."""
    data = run.experiment.data
    found: dict[str, Any] = {"dataset": called(without_folders(run.experiment).data)}
    path = data.held_out()
    if path is None or not path.exists():
        return found
    with Suite(path) as suite:
        provenance = suite[0].provenance
        found["catalogues"] = len(suite.indices(getattr(data, "split", "train")))
    found |= {key: text for key, text in provenance.items() if key not in ("seed", "index")}
    if "recipe" in found:
        recipe = parsed(found.pop("recipe"))
        simulator = {k: v for k, v in recipe["simulator"].items() if v is not None}
        kind = str(simulator.pop("type", "")).rpartition(".")[2]
        found["simulator"] = {"engine": kind, **simulator}
    return found


def _read(report: Path) -> dict[str, Any]:
    """A comparison.json.

    Raises:
        InputError: if it is none, or of another version.
    """
    what = "the comparison.json that galgen validate wrote"
    with reading(regular_file(report, what), what):
        tree = parsed(report.read_text(encoding="utf-8"))
        if not isinstance(tree, dict) or tree.get("format") != "galgen-comparison":
            raise InputError(f"expected {what}, got another file; run galgen validate")
        if tree.get("version") != VERSION:
            raise InputError(
                f"expected {what} of version {VERSION}, got {str(tree.get('version'))[:20]}; run "
                "galgen validate anew"
            )
        return tree


def _curves(split: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [split["correlation"], *split["power"], *split["statistics"]]


def _deviation(curve: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Ratio of generated to held-out less 1, and its error; NaN where held-out is as zero."""
    judged = np.array(curve["judged"], bool)
    ratio, error = (np.array(curve[name], np.float64) for name in ("ratio", "ratio_error"))
    return np.where(judged, ratio - 1, np.nan), np.where(judged, error, np.nan)


def _judged(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Errors of every statistic of every split, with their noise."""
    numbers, found = comparison["numbers"], []
    for split in comparison["splits"]:
        name = split["name"]
        for curve in _curves(split):
            value, error = _deviation(curve)
            size = np.abs(value)
            if not np.isfinite(size).any():
                continue
            worst = int(np.nanargmax(size - SIGMAS * error))
            found.append(
                {
                    "statistic": curve["name"], "split": name,
                    "median": float(np.nanmedian(size)),
                    "median_noise": float(np.nanmedian(error)),
                    "worst": float(value[worst]),
                    "worst_noise": float(error[worst]),
                    "where": _range(curve, worst, worst),
                    "spread": numbers.get(f"{name}.{curve['name']}.variance_ratio"),
                }
            )  # fmt: skip
    splits = {split["name"] for split in comparison["splits"]}
    single = {name: value for name, value in numbers.items() if name.partition(".")[0] in splits}
    return {"summary": comparison["summary"], "curves": found, "numbers": single}


def _judged_arrays(run: Run) -> dict[str, Any]:
    """The energy distance of draws from held-out; arrays alone."""
    if not isinstance(run.encoding, ArrayEncoding) or run.experiment.sampler is None:
        return {}
    batch = run.experiment.data.held_out_source(run.encoding, COMPARED, "test").batch(0)
    real = slice(None) if batch.weight is None else np.asarray(batch.weight) > 0
    truth = np.asarray(batch.x)[real]
    conditions: list[dict[str, float]] = [{}] * len(truth)
    if batch.condition is not None:
        labels = np.argmax(np.asarray(batch.condition)[real], axis=1)
        conditions = [{run.encoding.class_name: float(label)} for label in labels]
    drawn = run.encoding.encode(np.stack(run.sample(conditions, batch=250)))
    n = len(truth)
    found, null, p_value = energy_distance(drawn.reshape(n, -1), truth.reshape(n, -1))
    return {
        "energy distance": {"draws from held-out": found, "relabelled": null, "p": p_value},
        "examples": n,
    }


def usable(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """For each statistic, the bins that are good, off, or not known well enough."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for split in comparison["splits"]:
        for curve in _curves(split):
            by_name.setdefault(curve["name"], []).append(curve)
    found: dict[str, Any] = {"tolerance": TOLERANCE}
    for name, curves in by_name.items():
        value, error = np.array([_deviation(curve) for curve in curves]).swapaxes(0, 1)
        size = np.abs(value)
        known = np.isfinite(size).all(axis=0)
        good = known & (size + SIGMAS * error <= TOLERANCE).all(axis=0)
        off = (size - SIGMAS * error > TOLERANCE).any(axis=0)
        parts: dict[str, Any] = {"good": good, "off": off, "cannot tell": known & ~good & ~off}
        found[name] = {
            what: [_range(curves[0], first, last) for first, last in _runs(bins)]
            for what, bins in parts.items()
        }
    return found


def _runs(chosen: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last place of each run of True."""
    start = None
    for i, one in enumerate([*chosen, False]):
        if one and start is None:
            start = i
        elif not one and start is not None:
            yield start, i - 1
            start = None


def _range(curve: Mapping[str, Any], first: int, last: int) -> str:
    edges, symbol = curve["edges"], curve["symbol"]
    return f"{symbol} {edges[first]:.3g}-{edges[last + 1]:.3g} {curve['unit']}".strip()


def _cost(run: Run) -> dict[str, Any]:
    """Of the training, as its log tells, and of a draw, measured now."""
    found: dict[str, Any] = {}
    if lines := read_metrics(run.folder / "metrics.jsonl"):
        seconds = [float(line["seconds"]) for line in lines]
        ends = [a for a, b in zip(seconds, [*seconds[1:], 0.0], strict=True) if b < a]
        found |= {"training, by the clock [s]": round(sum(ends)), "steps": int(lines[-1]["step"])}
    if run.experiment.sampler is not None:
        conditions = run.encoding.random_conditions(TIMED, {}, 0)
        fields = run.encoding.fields_to_time(conditions)
        times = []
        for _ in range(2):
            start = time.perf_counter()
            run.sample(conditions, batch=TIMED, fields=fields)
            times.append(time.perf_counter() - start)
        found |= {
            f"first {TIMED} draws, with compilation [s]": round(times[0], 2),
            "a draw [s]": round(times[1] / TIMED, 3),
        }
    device = jax.local_devices()[0]
    return found | {"device": f"{device.device_kind}, {len(jax.local_devices())}"}
