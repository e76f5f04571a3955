"""A process that is killed ends the others, which say so, within the heartbeat."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

CONFIG = """
from galgen.data.dataset import ToyDataset
from galgen.data.toys import EightGaussians
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath
from galgen.networks import MLP
from galgen.training import Trainer

experiment = Experiment(
    data=ToyDataset(EightGaussians(), 640),
    network=MLP(width=16),
    model=Bridge(LinearPath()),
    trainer=Trainer(steps=1_000_000, batch_size=8, log_every=20, checkpoint_every=50),
)
"""
HEARTBEAT = 10


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_lost_process_ends_the_others(tmp_path: Path, victim: int) -> None:
    config, run = tmp_path / "config.py", tmp_path / "run"
    config.write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "galgen", "train", str(config), "--run", str(run)]
    command += ["--coordinator", address, "--processes", "2", "--heartbeat", str(HEARTBEAT)]
    running = [
        subprocess.Popen(
            [*command, "--process", str(process)],
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for process in (0, 1)
    ]
    log = run / "metrics.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 6:
        assert all(process.poll() is None for process in running)
        time.sleep(0.2)
    running[victim].send_signal(signal.SIGKILL)
    running[victim].communicate()
    # Twice the heartbeat and what it takes to say so, on a machine that does other things.
    said = running[1 - victim].communicate(timeout=2 * HEARTBEAT + 60)[0].decode()
    assert running[1 - victim].returncode != 0
    assert re.search("another task died", said), said[-2000:]
    assert any((run / "checkpoints").iterdir()), "and a single process can go on from here"
