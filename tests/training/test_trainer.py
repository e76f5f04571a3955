"""The loop on a loss whose minimum is known: resume, determinism, stopping, errors."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.training import Checkpoints, Trainer
from galgen.training.sharding import data_mesh, replicated
from galgen.training.state import initial_state
from galgen.types import Batch


class Source:
    """Batches around one point, a pure function of the step."""

    def __init__(self, on_batch=lambda step: None) -> None:
        self.on_batch = on_batch

    def batch(self, step: int) -> Batch:
        self.on_batch(step)
        rng = np.random.default_rng(step)
        return Batch((rng.normal(3.0, 0.1, (8, 2))).astype(np.float32))


def loss(params, key, batch):
    noise = 0.1 * jax.random.normal(key, batch.x.shape)
    return jnp.mean((params["centre"] - batch.x - noise) ** 2)


START = {"centre": jnp.zeros(2)}
TRAINER = Trainer(
    steps=60, learning_rate=0.2, warmup=5, weight_decay=0.0, log_every=5, checkpoint_every=20
)


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_finds_the_minimum(tmp_path: Path) -> None:
    state = TRAINER.fit(loss, START, Source(), tmp_path)
    assert np.allclose(state.params["centre"], 3.0, atol=0.1)
    logged = lines(tmp_path)
    assert [line["step"] for line in logged] == list(range(5, 61, 5))
    assert logged[-1]["loss"] < 0.1 < logged[0]["loss"]


def test_a_stopped_run_resumes_with_the_same_numbers(tmp_path: Path) -> None:
    whole = TRAINER.fit(loss, START, Source(), tmp_path / "whole")

    def interrupt(step: int) -> None:
        if step == 33:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        TRAINER.fit(loss, START, Source(interrupt), tmp_path / "cut")
    assert signal.getsignal(signal.SIGINT) is before
    seen: list[int] = []
    resumed = TRAINER.fit(loss, START, Source(seen.append), tmp_path / "cut", resume=True)
    # Batches are made ahead of the steps, so it stopped at 33 or a little before.
    assert 25 < seen[0] <= 34
    assert seen == list(range(seen[0], 60)), "the steps after the checkpoint, and no other"
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        assert np.array_equal(a, b)
    keep = [[(x["step"], x["loss"]) for x in lines(tmp_path / n)] for n in ("whole", "cut")]
    assert keep[0] == keep[1]


def test_resume_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a checkpoint in .* run galgen train first"):
        TRAINER.fit(loss, START, Source(), tmp_path, resume=True)


def test_checkpoint_of_another_network_is_named(tmp_path: Path) -> None:
    TRAINER.fit(loss, START, Source(), tmp_path)
    other = initial_state({"other": jnp.zeros(5)}, TRAINER.optimizer())
    with (
        Checkpoints(tmp_path / "checkpoints") as checkpoints,
        pytest.raises(InputError, match="match this experiment"),
    ):
        checkpoints.restore(other, replicated(data_mesh()))


def test_a_loss_that_is_not_finite_names_the_step(tmp_path: Path) -> None:
    def broken(params, key, batch):
        return jnp.where(jnp.abs(params["centre"][0]) > 1.0, jnp.nan, loss(params, key, batch))

    with pytest.raises(FloatingPointError, match=r"expected a finite loss, got nan at step \d+"):
        TRAINER.fit(broken, START, Source(), tmp_path)


EIGHT_DEVICES = """
    import jax, sys, numpy as np
    from galgen.generative import (
        Bridge, LinearPath, OptimalAssignment, ProductPath, TorusGeodesic
    )
    from galgen.networks import ParticleMesh
    from galgen.training import Trainer
    from galgen.types import Batch
    import jax.numpy as jnp
    from pathlib import Path

    class Source:
        def batch(self, step):
            rng = np.random.default_rng(step)
            mask = np.arange(24) < rng.integers(10, 25, (8, 1))
            return Batch(rng.random((8, 24, 4), np.float32), mask, rng.random((8, 2), np.float32))

    bridge = Bridge(ProductPath((TorusGeodesic(), LinearPath()), (3, 1)), OptimalAssignment())
    network = ParticleMesh(16, 16, 1, 6, 6, 2, 4)
    first = Source().batch(0)
    params = network.init(jax.random.key(0), first.x, jnp.zeros(8), first.mask, first.condition)
    def loss(params, key, batch):
        return bridge.loss(lambda *a: network.apply(params, *a), key, batch)
    trainer = Trainer(steps=5, warmup=1, log_every=1)
    state = trainer.fit(loss, params, Source(), Path(sys.argv[1]))
    np.savez(sys.argv[1] + "/out.npz", *jax.tree.leaves(state.params), n=jax.device_count())
"""


@pytest.mark.slow
def test_eight_devices_agree_with_one(tmp_path: Path) -> None:
    """Losses and weights after five steps, optimal transport's host callback included."""
    results = {}
    for devices in (1, 8):
        folder = tmp_path / str(devices)
        folder.mkdir()
        flags = f"--xla_force_host_platform_device_count={devices}"
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(EIGHT_DEVICES), str(folder)],
            env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            check=True,
            capture_output=True,
            timeout=600,
        )
        arrays = np.load(folder / "out.npz")
        assert arrays["n"] == devices
        losses = [line["loss"] for line in lines(folder)]
        results[devices] = losses, [arrays[k] for k in arrays.files if k != "n"]
    assert np.allclose(results[1][0], results[8][0], rtol=1e-4)
    for one, eight in zip(results[1][1], results[8][1], strict=True):
        assert np.allclose(one, eight, atol=2e-4)
