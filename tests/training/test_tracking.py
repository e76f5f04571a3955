"""What follows a run: its log, TensorBoard's events, Weights & Biases."""

import importlib
import json
import struct
import sys
import types
from pathlib import Path

import pytest

from galgen.errors import InputError
from galgen.training.tracking import Journal, TensorBoard, WeightsAndBiases, read_metrics


def test_the_journal_drops_what_came_after_and_what_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    told: list[tuple[int, dict]] = []

    class Told:
        def write(self, step, values):
            told.append((step, dict(values)))

        def close(self):
            raise AssertionError("whoever opened it closes it")

    first = Journal(path, 0, True, [Told()])
    for step in (5, 10, 15):
        first.write(step, {"loss": 1.0 / step})
    path.write_text(path.read_text() + '{"step": 20, "lo')
    assert [line["step"] for line in read_metrics(path)] == [5, 10, 15]
    second = Journal(path, 10, True)
    assert [line["step"] for line in second.before] == [5, 10]
    second.write(15, {"loss": 3.0})
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in found] == [(5, 0.2), (10, 0.1), (15, 3.0)]
    assert all(line["seconds"] >= 0 for line in found)
    assert told == [(5, {"loss": 0.2}), (10, {"loss": 0.1}), (15, {"loss": 1 / 15})]


def test_another_process_reads_but_does_not_write(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    Journal(path, 0, True).write(5, {"loss": 1.0})
    before = path.read_bytes()
    other = Journal(path, 5, False)
    other.write(10, {"loss": 2.0})
    assert path.read_bytes() == before and [line["step"] for line in other.before] == [5]


def events(folder: Path) -> list[tuple[int, str, float]]:
    """Step, name and value, from TensorBoard's records: length, its checksum, event, checksum."""
    proto = importlib.import_module("tensorboardX.proto.event_pb2")
    (path,) = folder.glob("events.*")
    content, place, found = path.read_bytes(), 0, []
    while place < len(content):
        (length,) = struct.unpack("<Q", content[place : place + 8])
        event = proto.Event.FromString(content[place + 12 : place + 12 + length])
        found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
        place += 16 + length
    return found


def test_tensorboard_shows_every_number(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="needs tensorboardX")
    tracker = TensorBoard(tmp_path)
    for step in (5, 10):
        tracker.write(step, {"loss": 0.5 * step, "held_out.xi.chi2": 2.0})
    tracker.close()
    named = [("loss", 0.5), ("held_out/xi/chi2", None)]
    assert events(tmp_path) == [
        (step, name, step * scale if scale else 2.0) for step in (5, 10) for name, scale in named
    ]


def test_weights_and_biases_is_told_the_run(tmp_path: Path, monkeypatch) -> None:
    calls: list[tuple] = []
    run = types.SimpleNamespace(
        log=lambda values, step: calls.append((step, values)), finish=lambda: calls.append(())
    )

    def init(**options):
        calls.append(tuple(sorted(options)))
        assert options["project"] == "haloes" and options["name"] == tmp_path.name
        assert options["config"] == {"steps": 3}
        return run

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    tracker = WeightsAndBiases("haloes", tmp_path, {"steps": 3})
    tracker.write(7, {"loss": 1.0})
    tracker.close()
    assert calls == [("config", "dir", "name", "project"), (7, {"loss": 1.0}), ()]


@pytest.mark.parametrize("module", ["tensorboardX", "wandb"])
def test_what_is_not_installed_is_named(module: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"expected {module}, got none installed; pip install"):
        if module == "wandb":
            WeightsAndBiases("haloes", tmp_path, {})
        else:
            TensorBoard(tmp_path)
