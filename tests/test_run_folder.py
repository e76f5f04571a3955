"""A run that goes on: what is restored, what may change, what is refused, who may write."""

import dataclasses
import errno
import fcntl
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_run import clustered

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset, DigitDataset, ToyDataset
from galgen.data.fingerprint import Origin
from galgen.data.suite import Suite, write_suite
from galgen.data.toys import EightGaussians, TwoMoons
from galgen.errors import InputError
from galgen.evaluation import Evaluation
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath, Sampler
from galgen.networks import MLP
from galgen.run import Run
from galgen.run_folder import FREE, RunFolder
from galgen.serialization import read_json
from galgen.training import Trainer
from galgen.training.exclusive import held

SPLITS = ["train"] * 8 + ["test"] * 4


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same step is trained in many tests: compile it in one of them."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    for name, value in zip(names, (str(tmp_path_factory.mktemp("compiled")), 0.0), strict=True):
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "suite.h5"
    write_suite(path, clustered(12), SPLITS)
    return path


def origin_of(suite: Path) -> Origin:
    prepared = CatalogueDataset(suite).prepare(4, 0)
    return Origin(prepared.encoding, prepared.fingerprint)


def in_place(name: str, row: int, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """One value of the file changed, and nothing else."""

    def edit(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            file[name][row] = change(file[name][row])

    return edit


def rewritten(change: Callable[[list[Catalogue]], list[Catalogue]]) -> Callable[[Path], None]:
    """The suite written again, its catalogues changed."""

    def edit(path: Path) -> None:
        with Suite(path) as suite:
            catalogues, splits = list(suite), suite.splits.tolist()
        changed = change(catalogues)
        write_suite(path, changed, splits[len(splits) - len(changed) :])

    return edit


def with_columns(catalogue: Catalogue, **columns: np.ndarray) -> Catalogue:
    units = {name: catalogue.units.get(name, "") for name in {**catalogue.columns, **columns}}
    return dataclasses.replace(catalogue, columns={**catalogue.columns, **columns}, units=units)


def repacked(path: Path) -> None:
    """In chunks, compressed, as another tool may leave it."""
    with h5py.File(path) as old, h5py.File(path.with_name("new.h5"), "w") as new:
        for name, value in old.attrs.items():
            new.attrs[name] = value

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                chunked = item.shape and item.dtype.kind in "fiu"
                options = {"chunks": True, "compression": "gzip"} if chunked else {}
                made = new.create_dataset(name, data=item[()], dtype=item.dtype, **options)
                for key, value in item.attrs.items():
                    made.attrs[key] = value

        old.visititems(copy)
    path.with_name("new.h5").replace(path)


NEXT = np.nextafter
SAME = {
    "moved": lambda path: None,
    "repacked": repacked,
    "another column": rewritten(
        lambda all: [with_columns(c, spin=np.arange(len(c), dtype=np.float32)) for c in all]
    ),
    "a held-out value": in_place("columns/x", -1, lambda x: x / 2),
    "a column that is not trained on": in_place("columns/vx", 3, lambda v: v + 1),
}
OTHER = {
    "one position by one ulp": (in_place("columns/y", 5, lambda y: NEXT(y, y + 1)), "column y"),
    "one mass": (in_place("columns/mass", 0, lambda m: NEXT(m, 2 * m)), "column mass"),
    "one cosmology": (in_place("cosmology/sigma_8", 2, lambda s: NEXT(s, 2)), "sigma_8"),
    "one redshift": (in_place("redshift", 7, lambda z: z + 0.1), "redshift"),
    "a catalogue less": (rewritten(lambda all: all[1:]), r"7 catalogues for 8, other .*column x"),
    "another order": (rewritten(lambda all: [all[1], all[0], *all[2:]]), "numbers of points"),
    "a type": (
        rewritten(lambda all: [with_columns(c, mass=c.columns["mass"].astype("f4")) for c in all]),
        "column mass",
    ),
}


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
def test_data_that_training_sees_as_the_same_are_the_same(
    suite: Path, tmp_path: Path, edit
) -> None:
    origin = origin_of(suite)
    path = tmp_path / "moved.h5"
    shutil.copy(suite, path)
    edit(path)
    again = CatalogueDataset(path).prepare(4, 0, origin=origin)
    assert again.encoding is origin.encoding
    assert again.fingerprint.items() >= origin.fingerprint.items()
    first, second = (
        data.source.batch(3) for data in (CatalogueDataset(suite).prepare(4, 0), again)
    )
    assert np.array_equal(first.x, second.x)


@pytest.mark.parametrize(("edit", "words"), OTHER.values(), ids=OTHER)
def test_a_change_of_one_value_is_refused(suite: Path, tmp_path: Path, edit, words: str) -> None:
    origin, path = origin_of(suite), tmp_path / "changed.h5"
    shutil.copy(suite, path)
    edit(path)
    with pytest.raises(
        InputError, match=rf"expected the training data .* got .*{words}.* in {path}"
    ):
        CatalogueDataset(path).prepare(4, 0, origin=origin)


def test_a_suite_that_was_replaced_is_refused_and_one_that_moved_is_remembered(
    tmp_path: Path,
) -> None:
    """Standardised anew, the same weights would draw other masses."""
    path, run = tmp_path / "suite.h5", tmp_path / "run"
    write_suite(path, clustered(12), SPLITS)
    experiment = changed(TOY, data=CatalogueDataset(path))
    run.mkdir()
    RunFolder(run).describe(experiment, experiment.data.prepare(8, 0), {})
    files = ("experiment.json", "encoding.json", "fingerprints.json")
    before = [(run / name).read_bytes() for name in files]
    path.rename(tmp_path / "moved.h5")
    write_suite(path, clustered(12, seed=1), SPLITS)
    with pytest.raises(InputError, match=rf"in {path}; name those data, .*, by --data.path, or"):
        experiment.train(run, resume=True)
    assert [(run / name).read_bytes() for name in files] == before
    moved = changed(experiment, data__path=tmp_path / "moved.h5")
    origin = RunFolder(run).origin(moved)
    RunFolder(run).describe(moved, moved.data.prepare(4, 0, origin=origin), {})
    assert read_json(run / "experiment.json") == moved
    assert [(run / name).read_bytes() for name in files][1:] == before[1:]


TOY = Experiment(
    data=ToyDataset(EightGaussians(), 64),
    network=MLP(width=8, layers=1),
    model=Bridge(LinearPath()),
    sampler=Sampler(steps=2),
    trainer=Trainer(steps=4, batch_size=8, warmup=1, log_every=2, checkpoint_every=2),
)


def changed(tree: Any, **fields: Any) -> Any:
    """A copy with other fields, named ``trainer__steps`` where they lie deeper."""
    for name, value in fields.items():
        first, _, rest = name.partition("__")
        inner = changed(getattr(tree, first), **{rest: value}) if rest else value
        tree = dataclasses.replace(tree, **{first: inner})
    return tree


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four steps."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    TOY.train(str(folder))
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


MAY_CHANGE = {
    "trainer__steps": 9,
    "trainer__log_every": 1,
    "trainer__checkpoint_every": 1,
    "trainer__keep": 5,
    "trainer__rematerialize": True,
    "sampler": Sampler(steps=7),
    "sampler__steps": 3,
    "evaluation__every": 3,
    "evaluation": Evaluation(every=2, split="test", batches=3),
}
MAY_NOT_CHANGE = {
    "trainer__steps": (3, "trainer.steps of at least the 4"),
    "trainer__batch_size": (16, "trainer.batch_size 16 where it has 8"),
    "trainer__learning_rate": (1e-3, "trainer.learning_rate 0.001 where it has 0.002"),
    "trainer__warmup": (2, "trainer.warmup"),
    "trainer__weight_decay": (0.0, "trainer.weight_decay"),
    "trainer__clip_norm": (2.0, "trainer.clip_norm"),
    "trainer__ema_decay": (0.9, "trainer.ema_decay"),
    "trainer__further_decays": ((0.5,), r"trainer.further_decays \[0.5\] where it has \[\]"),
    "trainer__accumulate": (2, "trainer.accumulate"),
    "trainer__seed": (1, "trainer.seed"),
    "network__width": (16, "network.width 16 where it has 8"),
    "model__condition_dropout": (0.1, "model.condition_dropout"),
    "precision": ("bfloat16", "precision 'bfloat16' where it has 'float32'"),
    "data__number": (65, "data.number"),
    "data__toy": (TwoMoons(), "data.toy.* where it has"),
    "data": (DigitDataset(), "data.* more"),
}


@pytest.mark.parametrize("name", MAY_CHANGE)
def test_what_may_change_when_a_run_goes_on(run: Path, name: str) -> None:
    origin = RunFolder(run).origin(changed(TOY, **{name: MAY_CHANGE[name]}))
    assert origin.encoding == Run.load(run).encoding if name == "sampler" else origin.encoding


@pytest.mark.parametrize("name", MAY_NOT_CHANGE)
def test_what_may_not_change_when_a_run_goes_on(run: Path, name: str) -> None:
    value, words = MAY_NOT_CHANGE[name]
    before = (run / "experiment.json").read_bytes()
    with pytest.raises(InputError, match=rf"got {words}|{words}.* that .* was started with, got 3"):
        changed(TOY, **{name: value}).train(run, resume=True)
    assert (run / "experiment.json").read_bytes() == before


def test_the_table_of_what_may_change_is_whole() -> None:
    named = {name.split("__")[0] + "." + name.partition("__")[2] for name in MAY_CHANGE}
    tried = {name.strip(".") for name in named} | {"data.path", "data.memory"}
    assert set(FREE) <= tried
    page = (Path(__file__).parents[1] / "docs/training.md").read_text()
    assert all(f"`{name}" in page for name in FREE)


def test_the_held_out_data_are_told_apart(suite: Path) -> None:
    data = CatalogueDataset(suite)
    held_out, training = data.held_out_fingerprint("test"), data.held_out_fingerprint("train")
    assert training == data.prepare(4, 0).fingerprint
    assert held_out.keys() == training.keys() and held_out["catalogues"] == "4"
    assert held_out["column x"] != training["column x"]


def test_what_best_was_chosen_by_stays(run: Path) -> None:
    watched = changed(TOY, evaluation=Evaluation(every=2, batches=1))
    RunFolder(run).description.unlink()
    RunFolder(run).describe(watched, TOY.data.prepare(8, 0), {})
    (run / "best").mkdir()
    RunFolder(run).origin(changed(watched, evaluation__every=0))
    for name, value in {"split": "test", "batches": 2, "best": "held_out.xi.chi2"}.items():
        with pytest.raises(InputError, match=rf"got evaluation.{name} "):
            RunFolder(run).origin(changed(watched, **{f"evaluation__{name}": value}))
    RunFolder(run).describe(watched, TOY.data.prepare(8, 0), {"column x": "1"})
    RunFolder(run).require_held_out({"column x": "1", "column y": "2"})
    with pytest.raises(InputError, match=r"best was chosen by, got other column x; .*every 0"):
        RunFolder(run).require_held_out({"column x": "3"})
    RunFolder(run).describe(TOY, TOY.data.prepare(8, 0), {})
    with pytest.raises(InputError, match="got other column x"):
        RunFolder(run).require_held_out({})


def logged(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_finished_run_goes_on_with_more_steps(run: Path, tmp_path: Path) -> None:
    """And when that is stopped and goes on, its numbers are the same."""
    longer = changed(TOY, trainer__steps=8)
    whole = longer.train(shutil.copytree(run, tmp_path / "whole"), resume=True)
    assert [line["step"] for line in logged(tmp_path / "whole")] == [2, 4, 6, 8]
    once = Run.load(tmp_path / "whole")
    assert once.experiment == longer and once.weights_hash == whole.weights_hash

    class Stopping:
        def write(self, step, values):
            if step == 6:
                os.kill(os.getpid(), 15)

        def close(self): ...

    with pytest.raises(KeyboardInterrupt):
        longer.train(run, resume=True, trackers=[Stopping()])
    assert Run.load(run).weights_hash != whole.weights_hash
    assert longer.train(run, resume=True).weights_hash == whole.weights_hash
    with pytest.raises(InputError, match=r"trainer.steps of at least the 8"):
        TOY.train(run, resume=True)


def test_the_rate_of_a_longer_run_is_that_of_its_length(tmp_path: Path) -> None:
    """Under a constant gradient Adam steps by the learning rate, and the loss tells the steps."""
    short = Trainer(steps=6, batch_size=8, warmup=2, weight_decay=0.0, log_every=1)

    class Source:
        def batch(self, step):
            return ToyDataset(EightGaussians(), 8).prepare(8, 0).source.batch(0)

    def fit(trainer: Trainer, resume: bool) -> None:
        start = {"height": jnp.zeros(())}
        trainer.fit(lambda p, key, batch: p["height"], start, Source(), tmp_path, resume)

    longer = dataclasses.replace(short, steps=12)
    fit(short, False)
    fit(longer, True)
    heights = np.array([line["loss"] for line in logged(tmp_path)])
    assert len(heights) == 12

    def rate(step: int, steps: int) -> float:
        if step < 2:
            return short.learning_rate * step / 2
        return short.learning_rate * (1 + np.cos(np.pi * (step - 2) / (steps - 2))) / 2

    wanted = [rate(step, 6 if step < 6 else 12) for step in range(11)]
    assert np.allclose(-np.diff(heights), wanted, rtol=1e-4, atol=1e-9)


def test_a_run_that_was_killed_before_its_first_checkpoint_goes_on(
    run: Path, trained: Path, tmp_path: Path
) -> None:
    """As it is left by kill -9: all is described, and nothing, or half of it, is saved."""
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints/2.orbax-checkpoint-tmp").mkdir(parents=True)
    with pytest.raises(InputError, match="add --resume to go on with it"):
        TOY.train(run)
    assert TOY.train(run, resume=True).weights_hash == Run.load(trained).weights_hash
    assert [line["step"] for line in logged(run)] == [2, 4]
    (run / "experiment.json").unlink()
    with pytest.raises(InputError, match=r"with checkpoints of a run but no experiment.json"):
        TOY.train(run)
    with pytest.raises(InputError, match=r"expected a run in .*, found none; leave out --resume"):
        TOY.train(run, resume=True)


def test_a_run_that_was_killed_before_it_was_described_is_no_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "encoding.json").write_text("{")
    (run / "lock").write_text("1 elsewhere\n")
    RunFolder(run).require_new()
    RunFolder(run).describe(TOY, TOY.data.prepare(8, 0), {})
    assert RunFolder(run).origin(TOY).encoding == TOY.data.prepare(8, 0).encoding


def test_what_is_refused_at_the_start_leaves_nothing(tmp_path: Path) -> None:
    missing = changed(TOY, data=CatalogueDataset(tmp_path / "nowhere.h5"))
    with pytest.raises(InputError, match="got no such file"):
        missing.train(tmp_path / "runs/deep/run")
    with pytest.raises(InputError, match="expected catalogues to compare draws with"):
        changed(TOY, evaluation=Evaluation(every=2, draws=20)).train(tmp_path / "runs/deep/run")
    assert not (tmp_path / "runs").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="got a file; choose another --run"):
        TOY.train(tmp_path / "file")


HOLDER = """
import fcntl, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(f"{os.getpid()} here\\n")
file.flush()
print("held", flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_training_is_refused_while_the_first_lives(run: Path, resume: bool) -> None:
    """The lock dies with its process; the file that it leaves means nothing."""
    program = [sys.executable, "-c", HOLDER, str(run / "lock")]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=rf"another training in it \(process {holder.pid} on"):
            TOY.train(run, resume)
        holder.kill()
    assert (run / "lock").exists()
    with held(run):
        assert (run / "lock").read_text().startswith(f"{os.getpid()} ")
        with pytest.raises(InputError, match="another training in it"), held(run):
            raise AssertionError
    assert not (run / "lock").exists()


def test_a_file_system_without_locks_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(descriptor: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unknown)
    with pytest.warns(UserWarning, match="a second training .* would not be noticed"):  # noqa: SIM117
        with held(tmp_path / "run"):
            pass


def test_a_link_in_place_of_the_lock_is_not_followed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (run / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        TOY.train(run, resume=True)
    assert (tmp_path / "precious").read_text() == "kept"


def test_an_encoding_that_changed_is_refused(run: Path) -> None:
    text = (run / "encoding.json").read_text()
    (run / "encoding.json").write_text(text.replace('"mean": ', '"mean": 1'))
    for use in (lambda: Run.load(run), lambda: TOY.train(run, resume=True)):
        with pytest.raises(InputError, match=r"encoding.json as it was written when the run was"):
            use()


def test_another_class_in_place_of_the_experiment_is_refused(run: Path) -> None:
    (run / "experiment.json").write_text('{"type": "Trainer"}')
    with pytest.raises(InputError, match="expected Experiment in the file, got Trainer"):
        Run.load(run)


def test_a_run_of_before_there_were_fingerprints_goes_on(run: Path) -> None:
    (run / "fingerprints.json").unlink()
    assert Run.load(run).encoding
    with pytest.warns(UserWarning, match="kept no fingerprint: whether .* cannot be told"):
        TOY.train(run, resume=True)
    RunFolder(run).origin(TOY)


def test_a_run_of_other_random_streams_is_refused(run: Path) -> None:
    kept = json.loads((run / "fingerprints.json").read_text())
    (run / "fingerprints.json").write_text(json.dumps({**kept, "streams": 0}))
    with pytest.raises(InputError, match=r"of the random streams \d of this version"):
        TOY.train(run, resume=True)


def test_a_run_that_has_drawn_can_be_pickled(trained: Path) -> None:
    run = Run.load(str(trained))
    drawn = run.sample([{}] * 3)
    again = pickle.loads(pickle.dumps(run))
    assert again.folder == trained and again.weights_hash == run.weights_hash
    assert np.array_equal(again.sample([{}] * 3), drawn)
