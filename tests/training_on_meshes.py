"""Subprocesses with several virtual devices, for tests of what a mesh must not change."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np


def environment(devices: int) -> dict[str, str]:
    """Variables of a process with so many devices, whose compiler need not try hard."""
    flags = [os.environ.get("XLA_FLAGS", ""), "--xla_backend_optimization_level=0"]
    flags += [f"--xla_force_host_platform_device_count={devices}"]
    return {**os.environ, "XLA_FLAGS": " ".join(flags), "JAX_PLATFORMS": "cpu"}


def run_with_devices(devices: int, script: str, *arguments: str) -> str:
    """What a script prints that has so many devices."""
    command = [sys.executable, "-c", textwrap.dedent(PROBLEM) + textwrap.dedent(script), *arguments]
    done = subprocess.run(
        command, env=environment(devices), check=True, timeout=1800, stdout=subprocess.PIPE
    )
    return done.stdout.decode()


def train_on_meshes(folder: Path, network: str, *meshes: str) -> None:
    """Twenty steps of a network on every mesh, in one process with eight devices."""
    run_with_devices(8, TRAINING, str(folder), network, *meshes)


def lines(folder: Path) -> list[dict]:
    """What a run logged."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same_training(one: Path, many: Path) -> None:
    """Losses, norms of gradients, weights, averages and moments of gradients."""
    for name in ("loss", "gradient_norm"):
        a, b = ([line[name] for line in lines(folder)] for folder in (one, many))
        assert len(a) == 20 and a[-1] != a[0]
        assert np.allclose(a, b, rtol=1e-4), name
    a, b = (np.load(folder / "state.npz") for folder in (one, many))
    for name in a.files:
        # Adam divides by the size of a gradient, also where it is rounding alone, as that of what
        # a softmax does not see: 1e-5 was measured there, where others moved by 2e-2.
        assert np.allclose(a[name], b[name], rtol=1e-4, atol=5e-5), name


PROBLEM = """
    import json, sys
    from pathlib import Path
    import jax, jax.numpy as jnp, numpy as np
    from galgen.losses import mean_over_examples, mean_over_points, weight_of_clouds
    from galgen.networks import GraphNetwork, ParticleMesh, SetTransformer
    from galgen.training import Trainer
    from galgen.training.sharding import MeshShape
    from galgen.types import Batch

    class Source:
        def batch(self, step):
            rng = np.random.default_rng(step)
            # Clouds of unlike size, of few points, and one without any.
            counts = np.concatenate([[0, 1, 2, 5], rng.integers(10, 25, 12)])
            mask = np.arange(24) < counts[:, None]
            return Batch(rng.random((16, 24, 4), np.float32), mask, rng.random((16, 2), np.float32))

    every = jax.devices()
    networks = {
        "SetTransformer": SetTransformer(16, 1, 2),
        "induced": SetTransformer(16, 1, 2, inducing=6),
        "GraphNetwork": GraphNetwork(16, 1, 4, 4),
        "ParticleMesh": ParticleMesh(16, 4, 1, 4, 4, 1),
        "painted": ParticleMesh(16, 4, 1, 4, 4, 1, 4, mesh=8),
    }
    first = Source().batch(0)

    def initial(network):
        x, mask, condition = first.x, first.mask, first.condition
        return jax.jit(network.init)(jax.random.key(0), x, jnp.zeros(16), mask, condition)

    def loss_of(network):
        def loss(params, key, batch):
            t = jax.random.uniform(key, (len(batch.x),))
            out = network.apply(params, batch.x, t, batch.mask, batch.condition)
            wanted = jnp.sin(6.0 * batch.x) + t[:, None, None]
            each = mean_over_points((out - wanted) ** 2, batch.mask)
            return mean_over_examples(each, weight_of_clouds(batch))
        return loss
"""

TRAINING = """
    meshes = {
        "one": (1, MeshShape()),
        "data": (8, MeshShape()),
        "model": (8, MeshShape(4, 2)),
        "points": (8, MeshShape(points=8)),
        "both": (8, MeshShape(2, 1, 4)),
        "all": (8, MeshShape(2, 2, 2)),
    }
    network = networks[sys.argv[2]]
    start = initial(network)
    for name in sys.argv[3:]:
        devices, mesh = meshes[name]
        jax.devices = lambda: every[:devices]
        folder = Path(sys.argv[1]) / name
        folder.mkdir()
        # In two parts, whose clouds have unlike numbers of points.
        trainer = Trainer(steps=20, warmup=1, log_every=1, learning_rate=1e-3, accumulate=2)
        state = trainer.fit(loss_of(network), start, Source(), folder, mesh=mesh)
        leaves = jax.tree.leaves(state)
        np.savez(folder / "state.npz", *leaves)
        sharded = sum(a.addressable_shards[0].data.nbytes for a in leaves)
        total = sum(a.nbytes for a in leaves)
        share = len(leaves[0].devices()), sharded / total
        (folder / "share.json").write_text(json.dumps(share))
"""
