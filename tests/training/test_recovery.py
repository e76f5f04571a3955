"""Runs that are killed, checkpoints that are damaged, disks that are full."""

import dataclasses
import errno
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from galgen.errors import InputError
from galgen.training import Checkpoints, Trainer, TrainState, tracking
from galgen.training.checksums import SUMS, SummedHandler
from galgen.training.checksums import damage as damage_of
from galgen.training.sharding import data_mesh, replicated
from galgen.training.state import initial_state
from galgen.types import Batch

TRAINER = Trainer(
    steps=60,
    batch_size=8,
    learning_rate=0.2,
    warmup=5,
    log_every=1,
    checkpoint_every=3,
    further_decays=(0.9, 0.999),
    accumulate=2,
)
SHORT = dataclasses.replace(TRAINER, steps=12)
START = {"centre": jnp.zeros(2), "spread": jnp.ones((3, 2))}


class Source:
    """Batches around one point, made slowly enough to be killed between."""

    def batch(self, step: int) -> Batch:
        time.sleep(0.01)
        return Batch(np.random.default_rng(step).normal(3.0, 0.1, (8, 2)).astype(np.float32))


def loss(params, key, batch):
    noise = 0.1 * jax.random.normal(key, batch.x.shape)
    wide = params["spread"][:, None] * (batch.x - params["centre"])
    return jnp.mean((params["centre"] - batch.x - noise) ** 2) + jnp.mean((wide - 1.0) ** 2)


def fit(folder: Path, resume: bool = False, trainer: Trainer = TRAINER) -> TrainState:
    return trainer.fit(loss, START, Source(), folder, resume)


def same(one: TrainState, other: TrainState) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_killed_at_random_moments_a_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL after a few steps and a moment, mostly in the middle of writing checkpoints."""
    rng = random.Random(7)
    folder = tmp_path / "cut"
    program = "import sys; from pathlib import Path; from test_recovery import fit; "
    program += f"fit(Path({str(folder)!r}), resume={{}})"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    metrics = folder / "metrics.jsonl"
    for resume in (False, True):
        folder.mkdir(exist_ok=True)
        before = metrics.read_text().count("\n") if metrics.exists() else 0
        arguments = [sys.executable, "-c", program.format(resume)]
        process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
        wanted = before + rng.randint(4, 12)
        while process.poll() is None:
            if metrics.exists() and metrics.read_text().count("\n") >= wanted:
                time.sleep(rng.uniform(0.0, 0.1))
                process.kill()
                break
            time.sleep(0.005)
        assert process.wait() == -9, "it was killed, and not done before"
    with Checkpoints(folder / "checkpoints") as checkpoints:
        assert checkpoints.latest is not None and checkpoints.latest < 60
    resumed = fit(folder, resume=True)
    assert same(resumed, fit(tmp_path / "whole"))
    texts = [(tmp_path / n / "metrics.jsonl").read_text() for n in ("cut", "whole")]
    losses = [[json.loads(line)["loss"] for line in text.splitlines()] for text in texts]
    assert losses[0] == losses[1]


def two_checkpoints(folder: Path) -> dict[int, TrainState]:
    """Checkpoints of steps 1 and 2 with different numbers."""
    params = {"a": jnp.arange(3000.0), "b": jax.random.normal(jax.random.key(0), (40, 50))}
    zero = initial_state(params, optax.adam(1e-3))
    states = {step: jax.tree.map(lambda a, step=step: a + step, zero) for step in (1, 2)}
    with Checkpoints(folder, keep=2, writes=True) as checkpoints:
        for state in states.values():
            checkpoints.save(state)
    return states


def flipped(data: bytes) -> bytes:
    """One bit changed in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


def halved(data: bytes) -> bytes:
    """Cut short."""
    return data[: len(data) // 2]


@pytest.mark.parametrize("change", [halved, flipped])
def test_a_changed_file_never_gives_wrong_numbers(tmp_path: Path, change) -> None:
    """Every file of the newest checkpoint in turn: what is not noticed did not matter."""
    states = two_checkpoints(tmp_path / "whole")
    noticed = 0
    for path in sorted((tmp_path / "whole/2").rglob("*")):
        if not path.is_file():
            continue
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "whole", copy)
        (copy / path.relative_to(tmp_path / "whole")).write_bytes(change(path.read_bytes()))
        with Checkpoints(copy) as checkpoints:
            try:
                state = checkpoints.restore(states[2], replicated(data_mesh()))
            except InputError as error:
                noticed += 1
                remedy = rf"checkpoint of step 2 in .* move {copy}/2 away to take that of step 1"
                assert re.search(remedy, str(error)), error
            else:
                assert same(state, states[2]), path
                assert path.parent.name in ("2", "default"), "every file of arrays is noticed"
        shutil.rmtree(copy)
    assert noticed > 5


def test_moved_away_as_advised_the_one_before_is_read(tmp_path: Path) -> None:
    states = two_checkpoints(tmp_path)
    (tmp_path / "2").rename(tmp_path.with_name("aside"))
    with Checkpoints(tmp_path) as checkpoints:
        assert same(checkpoints.restore(states[1], replicated(data_mesh())), states[1])


def test_a_checkpoint_of_before_there_were_sums_is_read(tmp_path: Path) -> None:
    states = two_checkpoints(tmp_path)
    for path in tmp_path.glob(f"*/*/{SUMS}"):
        path.unlink()
    with Checkpoints(tmp_path) as checkpoints:
        assert same(checkpoints.restore(states[1], replicated(data_mesh())), states[2])


def damage(checkpoint: Path, change=halved) -> None:
    for path in checkpoint.rglob("d/*"):
        path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("change", [halved, flipped])
def test_a_damaged_checkpoint_is_passed_over_and_set_aside(tmp_path: Path, change) -> None:
    """The steps after the one before it are made again, with the same numbers."""
    whole = fit(tmp_path, trainer=SHORT)
    damage(tmp_path / "checkpoints/12", change)
    with pytest.warns(UserWarning, match=r"step 12 .* cannot be read .* from that of step 9"):
        resumed = fit(tmp_path, resume=True, trainer=SHORT)
    assert same(resumed, whole)
    assert (tmp_path / "damaged/12.0").is_dir()
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {"9", "12"}


def test_when_all_are_damaged_the_error_says_so(tmp_path: Path) -> None:
    states = two_checkpoints(tmp_path)
    for step in states:
        damage(tmp_path / str(step))
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(InputError, match=r"expected the checkpoint of step 2 in .* to be whole"),
    ):
        checkpoints.restore(states[1], replicated(data_mesh()))
    assert {p.name for p in tmp_path.iterdir()} == {"1", "2"}, "reading moves nothing"


BROKEN = {
    "weights": {"params": {"centre": jnp.array([1.0, jnp.nan]), "spread": jnp.ones((3, 2))}},
    "average": {"ema": {"centre": jnp.array([jnp.inf, 1.0]), "spread": jnp.ones((3, 2))}},
    "memory": {"optimizer": {"nu": jnp.float32(-jnp.inf)}},
    "further average": {"further_ema": ({"centre": jnp.float32(jnp.nan)},)},
}


@pytest.mark.parametrize("fields", BROKEN.values(), ids=BROKEN)
def test_a_state_that_is_not_finite_is_not_saved(tmp_path: Path, fields) -> None:
    sound = initial_state(START, optax.sgd(0.1))
    with Checkpoints(tmp_path, writes=True) as checkpoints:
        broken = dataclasses.replace(sound, step=jnp.int32(3), **fields)
        with pytest.raises(FloatingPointError, match=r"step 3; .* \(no checkpoint was saved"):
            checkpoints.save(broken)
        checkpoints.save(dataclasses.replace(sound, step=jnp.int32(5)))
        broken = dataclasses.replace(broken, step=jnp.int32(8))
        with pytest.raises(FloatingPointError, match=r"step 8; .* \(the checkpoint of step 5 was"):
            checkpoints.save(broken)
        assert checkpoints.steps == [5]


def test_numbers_that_break_between_two_logged_steps_are_not_kept(tmp_path: Path) -> None:
    """The last sound checkpoint stays, and a resumed run starts from it and says the same."""
    trainer = dataclasses.replace(TRAINER, log_every=60, checkpoint_every=10)

    class Breaking(Source):
        def batch(self, step: int) -> Batch:
            seen.append(step)
            x = super().batch(step).x
            return Batch(np.full_like(x, np.nan) if step == 23 else x)

    for resume in (False, True):
        seen: list[int] = []
        with pytest.raises(FloatingPointError, match=r"step 30; .*the checkpoint of step 20 was"):
            trainer.fit(loss, START, Breaking(), tmp_path, resume)
        assert seen[0] == (20 if resume else 0)
        with Checkpoints(tmp_path / "checkpoints") as checkpoints:
            assert checkpoints.steps == [10, 20]


def full(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FULL = {
    "a thread that writes": (SummedHandler, "finalize"),
    "the log": (tracking, "append_text"),
}


@pytest.mark.parametrize("place", FULL.values(), ids=FULL)
def test_a_full_disk_is_named(
    tmp_path: Path, place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And after there is room again the run goes on."""
    with monkeypatch.context() as patch:
        patch.setattr(*place, full)
        with pytest.raises(InputError, match=r"room on the disk .* got none left; .* --resume"):
            fit(tmp_path, trainer=SHORT)
    assert not caplog.records, "nor is it told twice"
    assert int(fit(tmp_path / "again", trainer=SHORT).step) == 12


def test_a_checkpoint_that_has_no_room_is_not_begun(tmp_path: Path, monkeypatch) -> None:
    usage, free = shutil.disk_usage(tmp_path), [10**7, 10**7, 10**3]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free.pop(0)))
    with pytest.raises(InputError, match=r"got 0.0 MB where one takes 1.0 MB; free"):
        fit(tmp_path, trainer=SHORT)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"3", "6"}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(total=0, free=0))
    assert int(fit(tmp_path, resume=True, trainer=SHORT).step) == 12


def test_the_newest_few_are_kept(tmp_path: Path) -> None:
    for keep in (1, 3):
        with Checkpoints(tmp_path / str(keep), keep, writes=True) as checkpoints:
            state = initial_state(START, optax.sgd(0.1))
            for step in range(1, 6):
                checkpoints.save(TrainState(jnp.int32(step), state.params, state.ema, ()))
        with Checkpoints(tmp_path / str(keep)) as checkpoints:
            assert checkpoints.steps == list(range(6 - keep, 6))


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", "3", "{", "[" * 100_000, '{"../../../other": "0"}', '{"/etc/hosts": "0"}', "\xff"],
)
def test_a_damaged_list_of_sums_is_damage(tmp_path: Path, text: str) -> None:
    two_checkpoints(tmp_path)
    (listing,) = (tmp_path / "2").glob(f"*/{SUMS}")
    listing.write_bytes(text.encode("latin-1"))
    assert "sha256.json that" in (damage_of(tmp_path / "2") or "")
