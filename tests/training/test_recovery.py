"""Runs that are killed, checkpoints that are damaged, disks that are full."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from galgen.errors import InputError
from galgen.training import Checkpoints, Trainer, TrainState
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


def fit(folder: Path, resume: bool = False) -> TrainState:
    return TRAINER.fit(loss, START, Source(), folder, resume)


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


@pytest.mark.filterwarnings("ignore:the checkpoint of step 2")
def test_a_file_cut_short_never_gives_wrong_numbers(tmp_path: Path) -> None:
    """Every file of the newest checkpoint is truncated in turn."""
    states = two_checkpoints(tmp_path / "whole")
    found = set()
    for path in sorted((tmp_path / "whole/2").rglob("*")):
        if path.is_file():
            copy = tmp_path / "copy"
            shutil.copytree(tmp_path / "whole", copy)
            cut = copy / path.relative_to(tmp_path / "whole")
            cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            with Checkpoints(copy) as checkpoints:
                state = checkpoints.restore(states[1], replicated(data_mesh()))
            assert same(state, states[int(state.step)]), path
            found.add(int(state.step))
            shutil.rmtree(copy)
    assert found == {1, 2}


def damage(checkpoint: Path) -> None:
    for path in checkpoint.rglob("d/*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_damaged_checkpoint_is_passed_over_and_set_aside(tmp_path: Path) -> None:
    whole = fit(tmp_path)
    damage(tmp_path / "checkpoints/60")
    with pytest.warns(UserWarning, match=r"step 60 .* cannot be read .* from that of step 57"):
        resumed = fit(tmp_path, resume=True)
    assert same(resumed, whole)
    assert (tmp_path / "damaged/60.0").is_dir()
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {"57", "60"}


def test_when_all_are_damaged_the_error_says_so(tmp_path: Path) -> None:
    states = two_checkpoints(tmp_path)
    for step in states:
        damage(tmp_path / str(step))
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(InputError, match=r"expected the checkpoint in .* to be whole"),
    ):
        checkpoints.restore(states[1], replicated(data_mesh()))
    assert {p.name for p in tmp_path.iterdir()} == {"1", "2"}, "reading moves nothing"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised in the thread that writes, and after it was restored the run goes on."""
    save = ocp.StandardCheckpointHandler.async_save

    async def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ocp.StandardCheckpointHandler, "async_save", full)
    with pytest.raises(InputError, match=r"expected room on the disk of .* --resume"):
        fit(tmp_path)
    monkeypatch.setattr(ocp.StandardCheckpointHandler, "async_save", save)
    assert int(fit(tmp_path / "again").step) == 60


def test_the_newest_few_are_kept(tmp_path: Path) -> None:
    for keep in (1, 3):
        with Checkpoints(tmp_path / str(keep), keep, writes=True) as checkpoints:
            state = initial_state(START, optax.sgd(0.1))
            for step in range(1, 6):
                checkpoints.save(TrainState(jnp.int32(step), state.params, state.ema, ()))
        with Checkpoints(tmp_path / str(keep)) as checkpoints:
            assert checkpoints.steps == list(range(6 - keep, 6))
