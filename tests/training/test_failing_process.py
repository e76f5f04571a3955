"""One of two processes cannot start: both end soon, with status 2 and one line each."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_lost_process import CONFIG

SOON = 200
"""Seconds, most of them to start on a busy machine; one that waits for another waits 300 more."""


def both(folder: Path, options: Sequence[Sequence[str]], run: str = "run") -> list[tuple[int, str]]:
    """Status and output of two processes of one run, each with options of its own."""
    (folder / "config.py").write_text(CONFIG.replace("1_000_000", "20"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "galgen", "train"]
    common = ["--run", run, "--coordinator", address, "--processes", "2", "--heartbeat", "10"]
    start = time.monotonic()
    running = [
        subprocess.Popen(
            [*command, *own, *common, "--process", str(number)],
            env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for number, own in enumerate(options)
    ]
    said = [process.communicate(timeout=300)[0].decode() for process in running]
    assert time.monotonic() - start < SOON, said
    return [(process.returncode, text) for process, text in zip(running, said, strict=True)]


WRONG = {
    "a value that is refused": (1, ["config.py", "--trainer.batch-size", "7"], "batch size"),
    "another seed": (
        0,
        ["config.py", "--trainer.seed", "3"],
        "the same experiment and data in all",
    ),
    "a configuration that is not there": (1, ["nowhere.py"], "found no nowhere.py"),
    "an option that there is not": (0, ["config.py", "--trainer.step", "3"], "--trainer.steps"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("failing", "wrong", "words"), WRONG.values(), ids=WRONG)
def test_both_end_soon(tmp_path: Path, failing: int, wrong: list[str], words: str) -> None:
    options = [["config.py"], ["config.py"]]
    options[failing] = wrong
    found = both(tmp_path, options)
    assert [status for status, _ in found] == [2, 2], found
    for _, text in found:
        lines = [line for line in text.splitlines() if line.startswith("galgen: error: ")]
        assert len(lines) == 1, text
    assert any(words in text for _, text in found), found
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_second_run_of_two_processes_is_refused_in_both(tmp_path: Path) -> None:
    """The first process alone takes the lock; the run of two is whole and goes on with more."""
    same = [["config.py"], ["config.py"]]
    assert [status for status, _ in both(tmp_path, same)] == [0, 0]
    found = both(tmp_path, same)
    assert [status for status, _ in found] == [2, 2]
    assert "add --resume" in found[0][1] and "add --resume" in found[1][1]
    longer = [["config.py", "--resume", "--trainer.steps", "40"]] * 2
    assert [status for status, _ in both(tmp_path, longer)] == [0, 0]
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 2
    shutil.rmtree(tmp_path / "run/checkpoints")
    assert [status for status, _ in both(tmp_path, longer)] == [0, 0]
