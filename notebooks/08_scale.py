# %% [markdown]
# # Many devices, and one large cloud
#
# The same code runs on a laptop, a node of GPUs and a cluster. Devices form a mesh with three axes:
#
# | axis | what it splits | for |
# |---|---|---|
# | `data` | the catalogues of a batch | more catalogues a second |
# | `model` | weights, their averages and the optimiser (FSDP) | networks too large for a device |
# | `points` | the points of one cloud | clouds too large for a device |
#
# Here one processor pretends to be four devices. That cannot show a speed, but all else: that the
# numbers do not depend on the mesh, what lies where, and what each device has to hold.
#
# About three minutes on two cores. `GALGEN_POINTS` in the environment makes the large cloud
# smaller.

# %%
import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")

import json
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from galgen import (
    Bridge,
    Catalogue,
    Experiment,
    Sampler,
    Trainer,
    data,
    generative,
    networks,
    training,
    write_suite,
)
from galgen.plot_style import BASE, GENERATED, HELD_OUT, new_figure

POINTS = int(os.environ.get("GALGEN_POINTS", "100000"))
folder = Path(tempfile.mkdtemp())
jax.devices()

# %% [markdown]
# ## Training does not depend on the mesh
#
# A batch of eight clouds, ten steps, on four meshes. Only `mesh` differs; on the command line it is
# `galgen train CONFIG --mesh data=2,model=2`.

# %%
rng = np.random.default_rng(0)
process = data.ThomasProcess(20, 6, 0.04)
clouds = [
    Catalogue(dict(zip("xyz", np.minimum(100 * x.T, 99.999), strict=True)), (100.0,) * 3)
    for x in process.sample(rng, 64)
]
write_suite(folder / "clouds.h5", clouds)
experiment = Experiment(
    data=data.CatalogueDataset(
        folder / "clouds.h5", columns=("x", "y", "z"), condition=(), buckets=1, augment=False
    ),
    network=networks.ParticleMesh(width=16, layers=1),
    model=Bridge(generative.TorusGeodesic()),
    sampler=Sampler(generative.Euler(), steps=4),
    trainer=Trainer(steps=10, batch_size=8, log_every=1),
)
losses = {}
for shape in (
    training.MeshShape(data=4),
    training.MeshShape(data=2, model=2),
    training.MeshShape(data=2, points=2),
    training.MeshShape(data=1, points=4),
):
    place = folder / str(shape)
    experiment.train(place, mesh=shape)
    journal = (place / "metrics.jsonl").read_text().splitlines()
    losses[str(shape)] = np.array([json.loads(line)["loss"] for line in journal])
first = next(iter(losses.values()))
for name, values in losses.items():
    print(f"{name:28s} last loss {values[-1]:.7f}, differs by {np.abs(values - first).max():.1e}")

# %% [markdown]
# ## What lies where
#
# Under `model=2` every large weight is cut in two along its longest axis, and gathered when it is
# used. `shared_over_model` says how.

# %%
mesh = training.MeshShape(data=2, model=2).over(jax.devices())
network = networks.ParticleMesh()
shapes = jax.eval_shape(
    network.init, jax.random.key(0), jnp.zeros((1, 64, 3)), jnp.zeros(1), None, jnp.zeros((1, 2))
)
shardings = training.shared_over_model(shapes, mesh)
total = sum(leaf.size for leaf in jax.tree.leaves(shapes))
held = sum(
    int(np.prod(sharding.shard_shape(leaf.shape)))
    for leaf, sharding in zip(jax.tree.leaves(shapes), jax.tree.leaves(shardings), strict=True)
)
print(f"{total} weights, of which each device holds {held}")

# %% [markdown]
# ## One cloud over all devices
#
# Under `points`, each device has a domain of the box, cut along a space-filling curve, and only
# neighbours across its faces and sums over all points are sent. A sample of a cloud on one device
# and on four is the same but for rounding.

# %%
shape, condition = (1, 4096, 3), jnp.zeros((1, 2))
weights = jax.jit(network.init)(
    jax.random.key(0), jnp.zeros((1, 64, 3)), jnp.zeros(1), None, condition
)
leaves, tree = jax.tree.flatten(weights)
keys = jax.random.split(jax.random.key(1), len(leaves))
# Fresh networks say nothing; shaken ones do.
shaken = [a + 0.02 * jax.random.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)]
weights = jax.tree.unflatten(tree, shaken)
bridge, sampler = Bridge(generative.TorusGeodesic()), Sampler(generative.Euler(), steps=2)


def compiled_over(mesh, points):
    """The sampler of one cloud, compiled for a mesh, and what it is called with."""

    def sample(weights, key):
        with training.use_mesh(mesh):
            flow = bridge.with_params(network, weights)
            return sampler(flow, key, (1, points, 3), None, condition).x

    placed = jax.device_put((weights, jax.random.key(2)), training.replicated(mesh))
    return jax.jit(sample).lower(*placed).compile(), placed


one = training.MeshShape().over(jax.devices()[:1])
four = training.MeshShape(data=1, points=4).over(jax.devices())
program, placed = compiled_over(one, 4096)
alone = program(*placed)
program, placed = compiled_over(four, 4096)
spread = program(*placed)
gap = np.asarray(alone) - np.asarray(spread)
largest_gap = float(np.abs(gap - np.round(gap)).max())
print(f"largest difference of a position: {largest_gap:.1e} sides of the box")

# %% [markdown]
# ## A large cloud, and what each device must hold for it
#
# The compiler says beforehand how much memory it will need: linear in the points, and nearly four
# times less on each of four devices.

# %%
sizes = [POINTS // 16, POINTS // 4, POINTS]
needed = {
    name: [compiled_over(m, n)[0].memory_analysis().temp_size_in_bytes / 2**20 for n in sizes]
    for name, m in (("1 device", one), ("4 devices, each", four))
}
memory_figure = new_figure(4.5, 3.4)
axes = memory_figure.subplots()
for (name, values), marker, colour in zip(
    needed.items(), ("s-", "o--"), (HELD_OUT, GENERATED), strict=True
):
    axes.plot(sizes, values, marker, color=colour, mfc="white", label=name)
axes.plot(sizes, [needed["1 device"][-1] * n / sizes[-1] for n in sizes], ":", color=BASE, lw=1)
axes.set(xlabel="points", ylabel="temporaries [MiB]", xscale="log", yscale="log")
axes.legend()
memory_figure

# %%
program, placed = compiled_over(four, POINTS)
large = program(*placed)
print(f"drawn: {large.shape[1]} points, on {len(large.sharding.device_set)} devices")

# %% [markdown]
# ## On a cluster
#
# Every process runs the same command, loads its own share of each batch, and all write one
# checkpoint together:
#
# ```sh
# srun galgen train configs/quijote_set_transformer.py --data.path quijote.h5 \
#     --mesh data=16,model=2
# ```
#
# Without a scheduler, `--coordinator HOST:PORT --processes 2 --process 0` on one machine and
# `--process 1` on the other. A run that is killed, however, goes on with `--resume`, at the last
# checkpoint, and ends with the same bits as one that never stopped; a process that is lost ends the
# others within `--heartbeat`. What a galaxy survey of $10^9$ points takes, in memory, traffic and
# arithmetic per device, is worked out in `benchmarks/SCALING.md`.
