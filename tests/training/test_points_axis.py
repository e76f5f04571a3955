"""One cloud on several devices gives what it gives on one: losses, gradients, weights, samples."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from training_on_meshes import (
    assert_same_training,
    environment,
    lines,
    run_with_devices,
    train_on_meshes,
)

from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.errors import InputError
from galgen.run import Run
from galgen.training.sharding import MeshShape, put_batch, share_of_rows
from galgen.types import Batch

ONCE = """
    from galgen.data.cardinality import Cardinality
    from galgen.data.catalogue import Catalogue
    from galgen.data.dataset import ToyDataset
    from galgen.data.encoding import CloudEncoding
    from galgen.data.normalization import Standardizer
    from galgen.data.toys import EightGaussians
    from galgen.experiment import Experiment
    from galgen.run import Run
    from galgen.generative import Bridge, Euler, Sampler, TorusGeodesic
    from galgen.neighbors import Halo, read_neighbors
    from galgen.collectives import POINT_SPEC, use_mesh
    from galgen.training.sharding import gathering, put_batch, replicated
    from galgen.training.state import gradients_of
    from jax.sharding import NamedSharding

    mesh = MeshShape(2, 1, 4).over(every)
    found = {}
    key = jax.random.key(1)

    def shaken(params):
        def shake(a):
            return a + 0.1 * jnp.cos(jnp.arange(a.size, dtype=a.dtype)).reshape(a.shape)
        return jax.tree.map(shake, params)

    network = networks[sys.argv[1]]
    params, loss = shaken(initial(network)), loss_of(network)
    one = jax.jit(gradients_of(loss)).lower(params, key, first).compile()
    arguments = jax.device_put((params, key), replicated(mesh))
    arguments += (put_batch(first, mesh),)
    step = jax.jit(gradients_of(gathering(loss, mesh)))
    many = step.lower(*arguments).compile()
    (a, b), (c, d) = one(params, key, first), many(*arguments)
    largest = max(float(jnp.max(jnp.abs(g))) for g in jax.tree.leaves(b))
    apart = jax.tree.map(lambda x, y: float(np.max(np.abs(np.asarray(x) - y))), b, d)
    found["loss"] = [float(a), float(c)]
    found["gradient"] = [max(jax.tree.leaves(apart)), largest]
    found["flops"] = [c.cost_analysis()["flops"] for c in (one, many)]

    rng = np.random.default_rng(0)
    columns = dict(zip("xyz", rng.random((3, 40)) * 100, strict=True))
    columns["mass"] = 10 ** rng.normal(13.5, 0.2, 40)
    known = Catalogue(columns, (100.0,) * 3, 0.0, {"omega_m": 0.3, "sigma_8": 0.8})
    standardizer = Standardizer.fit([known])
    standard = standardizer.encode_condition(standardizer.condition_values(known), True)
    numbers = Cardinality.fit([40] * 9, np.stack([standard] * 9))
    encoding = CloudEncoding(standardizer, numbers, (48,))
    data, sampler = ToyDataset(EightGaussians()), Sampler(Euler(), 2)
    experiment = Experiment(data, network, Bridge(TorusGeodesic()), sampler)
    run = Run(experiment, encoding, params, Path("run"))
    conditions = [{"omega_m": 0.3, "sigma_8": 0.8}] * 2

    def drawn(devices, mesh):
        jax.local_devices = lambda: every[:devices]
        drawn = run.sample(conditions, batch=2, points=41, extrapolate=True, mesh=mesh)
        columns = ("x", "y", "z", "mass")
        return [np.stack([c.columns[name] for name in columns]).tolist() for c in drawn]

    found["samples"] = [drawn(1, MeshShape()), drawn(8, MeshShape(2, points=4))]

    def read(values, indices):
        halo = Halo.of(indices)
        return jnp.sum(jnp.sin(read_neighbors(values, indices, halo))), jnp.any(halo.crowded)

    def shared_read(values, indices):
        with use_mesh(mesh):
            return read(values, indices)

    values = rng.random((2, 512, 3), np.float32)
    place = NamedSharding(mesh, POINT_SPEC)
    found["halo"] = []
    for apart in (2, 128):
        steps = np.array([[apart, 1], [-1, -apart]])[:, None]
        indices = ((np.arange(512)[:, None] + steps) % 512).astype(np.int32)
        shared = jax.jit(jax.value_and_grad(shared_read, has_aux=True))
        (total, crowded), gradient = shared(*jax.device_put((values, indices), place))
        rows = np.arange(2)[:, None, None]
        alone = jax.grad(lambda v: jnp.sum(jnp.sin(v[rows, indices])))(jnp.array(values))
        error = float(np.max(np.abs(gradient - np.asarray(alone))))
        found["halo"].append([bool(crowded), float(total), error])
        found["halo"][-1].append(float(np.sum(np.sin(values[rows, indices], dtype=np.float64))))
    print(json.dumps(found))
"""
OTHER_KINDS = ["SetTransformer", "ParticleMesh", "induced", "painted"]
KINDS = ["GraphNetwork", *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHER_KINDS[:2])]


@pytest.fixture(scope="module", params=KINDS)
def found(request: pytest.FixtureRequest) -> dict:
    """One step and one sample with eight devices, of which four share each cloud."""
    return json.loads(run_with_devices(8, ONCE, request.param).splitlines()[-1])


def test_a_shared_cloud_has_the_same_loss_and_gradient(found: dict) -> None:
    one, many = found["loss"]
    assert many == pytest.approx(one, rel=1e-5)
    apart, largest = found["gradient"]
    assert apart < 1e-5 * largest and largest > 1e-2
    one, many = found["flops"]
    assert many < one / 5, "eight devices share the work"


def test_a_shared_sample_equals_the_unshared(found: dict) -> None:
    one, many = map(np.array, found["samples"])
    assert one.shape == (2, 4, 41) and one.std(axis=-1).min() > 1e-3
    apart = np.abs(one - many)
    apart[:, :3] = np.minimum(apart[:, :3], 100.0 - apart[:, :3])
    assert np.all(apart[:, :3] < 1e-3)
    assert np.allclose(one[:, 3], many[:, 3], rtol=1e-4)


@pytest.mark.parametrize(("case", "crowded"), [(0, False), (1, True)])
def test_neighbors_are_read_from_other_devices(found: dict, case: int, crowded: bool) -> None:
    """By the halo, or where it has no room by gathering all; the gradient goes the way back."""
    had_no_room, total, error, expected = found["halo"][case]
    assert had_no_room is crowded
    assert total == pytest.approx(expected, rel=1e-5) and error < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GraphNetwork", *OTHER_KINDS])
def test_training_with_shared_clouds_agrees_with_one_device(tmp_path: Path, kind: str) -> None:
    """Clouds shared by eight; by four, two at a time; and by two, whose weights two share."""
    meshes = ("points", "both", "all")
    train_on_meshes(tmp_path, kind, "one", *meshes)
    for mesh in meshes:
        assert json.loads((tmp_path / mesh / "share.json").read_text())[0] == 8
        assert_same_training(tmp_path / "one", tmp_path / mesh)


CONFIG = """
from pathlib import Path
from galgen.data.dataset import CatalogueDataset
from galgen.experiment import Experiment
from galgen.generative import Bridge, Euler, Sampler, TorusGeodesic
from galgen.networks import GraphNetwork
from galgen.training import Trainer

experiment = Experiment(
    data=CatalogueDataset(Path(__file__).with_name("suite.h5")),
    network=GraphNetwork(16, 1, 4, 4),
    model=Bridge(TorusGeodesic()),
    sampler=Sampler(Euler(), 2),
    trainer=Trainer(steps=20, batch_size=4, warmup=1, learning_rate=1e-3, log_every=1),
)
"""


@pytest.mark.slow
def test_two_processes_share_a_cloud(tmp_path: Path) -> None:
    """``galgen train`` on two processes of two devices, every cloud on all four, and a sample."""
    rng = np.random.default_rng(0)

    def catalogue(number: int) -> Catalogue:
        columns = dict(zip("xyz", rng.random((3, 30)) * 100, strict=True))
        columns["mass"] = 10 ** rng.normal(13.5, 0.2, 30)
        cosmology = {"omega_m": 0.2 + 0.01 * number, "sigma_8": 0.8 + 0.01 * (number % 3)}
        return Catalogue(columns, (100.0,) * 3, 0.0, cosmology)

    write_suite(tmp_path / "suite.h5", [catalogue(i) for i in range(8)], ["train"] * 8)
    config = tmp_path / "config.py"
    config.write_text(CONFIG)

    def galgen(devices: int, *options: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "galgen", *options],
            env=environment(devices),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def end(*running: subprocess.Popen) -> None:
        said = [process.communicate(timeout=1200)[0].decode() for process in running]
        assert [process.returncode for process in running] == [0] * len(running), said

    def train(name: str) -> tuple[str, ...]:
        return "train", str(config), "--run", str(tmp_path / name)

    end(galgen(1, *train("one")))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    shared = ("--mesh", "data=1,points=4", "--coordinator", address, "--processes", "2")
    end(*(galgen(2, *train("two"), *shared, "--process", str(p)) for p in (0, 1)))
    a, b = (lines(tmp_path / name) for name in ("one", "two"))
    assert len(a) == len(b) == 20
    for name in ("loss", "gradient_norm"):
        assert np.allclose([x[name] for x in a], [x[name] for x in b], rtol=1e-4)
    weights = [jax.tree.leaves(Run.load(tmp_path / name).params) for name in ("one", "two")]
    assert all(np.allclose(x, y, atol=5e-5) for x, y in zip(*weights, strict=True))

    def sample(devices: int, name: str, *options: str) -> np.ndarray:
        command = ("sample", str(tmp_path / "one"), "--number", "2", "--points", "30")
        end(galgen(devices, *command, *options, "--output", str(tmp_path / name)))
        with Suite(tmp_path / name) as suite:
            drawn = [suite[i].columns for i in range(len(suite))]
        return np.stack([[columns[axis] for axis in "xyz"] for columns in drawn])

    one = sample(1, "one.h5")
    two = sample(2, "two.h5", "--mesh", "data=1,points=2")
    apart = np.abs(one - two)
    assert np.all(np.minimum(apart, 100.0 - apart) < 1e-3)


def test_what_cannot_be_shared_is_named() -> None:
    device = jax.local_devices()[0]
    mesh = jax.sharding.Mesh(
        np.array([device] * 3, object).reshape(1, 1, 3), ("data", "model", "points")
    )
    mask = np.ones((2, 16), bool)
    with pytest.raises(InputError, match="rows the 3 devices of points divide, got clouds of 16"):
        put_batch(Batch(np.zeros((2, 16, 3), np.float32), mask), mesh)
    with pytest.raises(InputError, match="got no clouds"):
        put_batch(Batch(np.zeros((2, 3), np.float32)), mesh)
    assert share_of_rows(MeshShape().over([device])) == (0, 1)
