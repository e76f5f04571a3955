"""Many devices, or many processes, give what one gives: losses, gradients and weights."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import counted_compilations
from training_on_meshes import assert_same_training, environment, lines, train_on_meshes

from galgen.errors import InputError
from galgen.evaluation import LOSS
from galgen.run import Run
from galgen.training.distributed import join
from galgen.training.sharding import MeshShape, data_mesh, put_batch, shared_over_model, whole
from galgen.types import Batch

# The mesh of "model" has both axes.
MESHES = [
    ("GraphNetwork", "model"),
    *(
        pytest.param(network, mesh, marks=pytest.mark.slow)
        for network, mesh in [
            ("GraphNetwork", "data"),
            ("SetTransformer", "data"),
            ("SetTransformer", "model"),
            ("ParticleMesh", "data"),
            ("ParticleMesh", "model"),
        ]
    ),
]


@pytest.mark.parametrize(("network", "mesh"), MESHES)
def test_a_mesh_agrees_with_one_device(tmp_path: Path, network: str, mesh: str) -> None:
    """Losses, norms of gradients, weights, averages and moments of gradients."""
    train_on_meshes(tmp_path, network, "one", mesh)
    one, many = tmp_path / "one", tmp_path / mesh
    devices, share = json.loads((many / "share.json").read_text())
    assert devices == 8
    assert share == 1.0 if mesh == "data" else share < 0.55, "each holds its part"
    assert_same_training(one, many)


def test_importing_galgen_starts_no_device() -> None:
    """Else the processes of a run could not meet."""
    code = "import galgen.commands; from jax._src import xla_bridge as x; print(list(x._backends))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


CONFIG = """
from galgen.data.dataset import ToyDataset
from galgen.data.toys import EightGaussians
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath, Sampler
from galgen.evaluation import Evaluation
from galgen.networks import MLP
from galgen.training import Trainer

experiment = Experiment(
    data=ToyDataset(EightGaussians(), 1000),
    network=MLP(width=16, layers=1),
    model=Bridge(LinearPath()),
    sampler=Sampler(steps=2),
    trainer=Trainer(steps=20, batch_size=32, warmup=1, log_every=1, checkpoint_every=10),
    evaluation=Evaluation(every=10, batches=40),
)
"""


@pytest.mark.slow
def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    """``galgen train`` on two processes of two devices over loopback, weights shared by two."""
    config = tmp_path / "config.py"
    config.write_text(CONFIG)

    def start(name: str, devices: int, *options: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "galgen", "train", str(config)]
        command += ["--run", str(tmp_path / name), *options]
        return subprocess.Popen(
            command, env=environment(devices), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def together(*options: str) -> list[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        shared = ("--mesh", "data=2,model=2", "--coordinator", address, "--processes", "2")
        running = [start("two", 2, *shared, "--process", str(p), *options) for p in (0, 1)]
        said = [process.communicate(timeout=600)[0].decode() for process in running]
        assert [process.returncode for process in running] == [0, 0], said
        return said

    one = start("one", 1)
    said = one.communicate(timeout=600)[0]
    assert one.returncode == 0, said
    first, second = together()
    assert "trained run in" in first and "trained run in" not in second, "process 0 alone logs"
    a, b = (lines(tmp_path / name) for name in ("one", "two"))
    assert len(a) == len(b) == 20
    for name in ("loss", "gradient_norm"):
        assert np.allclose([x[name] for x in a], [x[name] for x in b], rtol=1e-4)
    # Of 1000 held-out examples in batches of 32, of which one process fills up the last alone.
    held_out = [[x[LOSS] for x in logged if LOSS in x] for logged in (a, b)]
    assert len(held_out[0]) == 2 and np.allclose(*held_out, rtol=1e-5)
    weights = [jax.tree.leaves(Run.load(tmp_path / name).params) for name in ("one", "two")]
    assert all(np.allclose(x, y, atol=1e-5) for x, y in zip(*weights, strict=True))
    # A run of two processes is resumed by two: the last checkpoint is lost, steps 11 to 20 again.
    shutil.rmtree(tmp_path / "two/checkpoints/20")
    together("--resume")
    assert lines(tmp_path / "two")[-1]["loss"] == b[-1]["loss"]
    again = jax.tree.leaves(Run.load(tmp_path / "two").params)
    assert all(np.array_equal(x, y) for x, y in zip(again, weights[1], strict=True))


def test_arrays_are_split_along_their_largest_divisible_axis() -> None:
    mesh = jax.sharding.AbstractMesh((1, 4), ("data", "model"))
    shapes = {"wide": (3, 8), "tall": (16, 8), "odd": (5, 7), "scalar": (), "middle": (9, 4, 2)}
    arrays = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
    found = {name: tuple(s.spec) for name, s in shared_over_model(arrays, mesh).items()}
    assert found == {
        "wide": (None, "model"),
        "tall": ("model",),
        "odd": (),
        "scalar": (),
        "middle": (None, "model"),
    }


def test_gathering_again_does_not_compile_again() -> None:
    """Else every measurement of a long run would."""
    mesh, params, others = data_mesh(), {"weights": jnp.arange(3.0)}, {"weights": jnp.ones(7)}
    with counted_compilations() as compiled:
        first = whole(params, mesh)
        once = len(compiled)
        again = whole(params, mesh)
        assert len(compiled) == once
        whole(others, mesh)
        assert len(compiled) == once + 1, "another shape"
    for gathered in (first, again):
        assert gathered["weights"].sharding.is_fully_replicated
        assert np.array_equal(gathered["weights"], params["weights"])


def test_a_mesh_is_written_by_its_axes() -> None:
    assert MeshShape.parse("data=4,model=2") == MeshShape(4, 2)
    assert MeshShape.parse("model=2") == MeshShape(None, 2)
    assert MeshShape.parse("points=4,data=2") == MeshShape(2, 1, 4)
    assert MeshShape.parse(str(MeshShape(2, 3, 4))) == MeshShape(2, 3, 4)
    for wrong in ("rows=2", "points=0", "data", "data=x", "data=1,data=2", "data=0", ""):
        with pytest.raises(InputError, match="expected"):
            MeshShape.parse(wrong)
    with pytest.raises(
        InputError, match="expected a mesh of all 1 devices, got data=3,model=2,points=1"
    ):
        MeshShape(3, 2).over(jax.local_devices()[:1])


def test_a_batch_that_cannot_be_dealt_is_named() -> None:
    batch = Batch(np.zeros((6, 2), np.float32))
    with pytest.raises(InputError, match="divisible by the 1 devices of 4 parts each, got 6"):
        put_batch(batch, data_mesh(), 4)


LATE = """
import runpy, sys, time
from pathlib import Path
from galgen.training.distributed import is_first, join
join()
if not is_first():  # which starts the devices, for which all wait
    time.sleep(6)
config, run = Path(sys.argv[1]), Path(sys.argv[2])
runpy.run_path(str(config))["experiment"].train(run)
"""


@pytest.mark.slow
def test_processes_of_slurm_meet_however_late_one_is(tmp_path: Path) -> None:
    """By the variables that ``srun`` sets; the run of the first is no run that was there before."""
    config, run = tmp_path / "config.py", tmp_path / "run"
    config.write_text(CONFIG)
    step = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "127.0.0.1"}
    step |= {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", LATE, str(config), str(run)],
            env=environment(2) | step | dict.fromkeys(("SLURM_PROCID", "SLURM_LOCALID"), process),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for process in ("0", "1")
    ]
    said = [process.communicate(timeout=600)[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert len(lines(run)) == 20


def test_processes_of_mpi_without_mpi4py_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each of them would train alone, into the same folder."""
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="the 2 processes of mpirun find each other"):
        join()


def test_half_a_description_of_processes_is_refused() -> None:
    with pytest.raises(InputError, match="--coordinator, --processes and --process together"):
        join("localhost:1", 2)
    with pytest.raises(InputError, match="from 0 to below --processes"):
        join("localhost:1", 2, 2)
