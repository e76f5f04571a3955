"""What the README and the pages of docs/ say to run does run, in the order they say it."""

import glob
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.table import Table
from documents import PAGES, ROOT, blocks, shell_lines
from raw_layouts import SHARED, haloes, write_group_tab
from tiny_run import tiny_run

import data_prep.command
import galgen.cli
from galgen.data.encoding import ArrayEncoding
from galgen.serialization import write_json

SLOW = ("compare(", "infer(", ".train(", "Likelihood(")
"""What compiles much: blocks with these run with the others in the slow test."""
NOT_RUN = {
    "galgen train demo --run runs/large --coordinator host:1234 --processes 2 "
    "--process 0": "needs two machines; tests/training/test_sharding.py runs two processes",
    "srun galgen train demo --run runs/large": "needs Slurm",
    "galgen sample runs/mine --best": "needs a run with evaluations; see tests/test_evaluation.py",
}
SMALLER = {
    "simulate": "--train 8 --test 5 --contrast 0 --validation 0 --workers 1 "
    "--simulator.mass-min 6e13",
    "train": "--trainer.steps 2 --trainer.batch-size 8 --trainer.warmup 1",
    "infer": "--number 2 --grid 3 --replicas 2 --evaluations 2 --draws 20 --chains 2",
    "mock": "--catalogues 0",
}
"""Options that make a command small without changing what it is told to do."""
DEVICES = "--xla_force_host_platform_device_count=8"


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A folder as ``make demo`` leaves it, but tiny."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny_run(Path("runs/demo"), Path("runs/demo_suite.h5"))
    return folder


def execute(slow: bool) -> dict:
    """Blocks in one namespace from top to bottom; without the slow ones, or all."""
    names: dict = {}
    for page, text in blocks("python"):
        if slow or not any(word in text for word in SLOW):
            exec(compile(text, f"{page}: {text.splitlines()[0]}", "exec"), names)
    return names


def test_snippets_run(demo, monkeypatch):
    monkeypatch.chdir(demo)
    names = execute(slow=False)
    assert len(names["mocks"]) == 8 and names["mocks"][0].cosmology["omega_m"] == 0.31
    assert names["xi"].xi.shape == (1, 3) and len(names["haloes"].velocities) > 50
    told = repr(names["run"])
    assert told.startswith("Run('runs/demo': Bridge with DeepSet, ") and len(told) < 200
    assert "; clouds of x y z log_mass; trained over omega_m 0.2" in told
    assert Path("mine.h5").exists() and Path("sky.fits").exists()
    assert len(names["suite"]) == 3 and len(names["cubes"]) == 8


@pytest.mark.slow
def test_slow_snippets_run(demo, monkeypatch):
    monkeypatch.chdir(demo)
    names = execute(slow=True)
    assert names["posterior"].names == ("omega_m", "sigma_8")
    assert np.all(names["posterior"].flat.std(axis=0) > 0)
    assert "targets" in names["comparison"].summary
    assert "sigma_8 0." in repr(names["posterior"])
    assert np.all(np.isfinite(names["log_p"].value))
    assert names["moons"].trainer.steps == 500


def test_slow_words_are_in_the_pages():
    text = "\n".join(text for _, text in blocks("python"))
    assert all(word in text for word in SLOW)
    assert set(NOT_RUN) <= set(shell_lines())


@pytest.fixture
def parsing(demo, monkeypatch) -> None:
    """The runs that ``galgen sample`` reads the names of conditions from."""
    monkeypatch.chdir(demo)
    for name, encoding in (
        ("toy", ArrayEncoding((2,), 0.0, 1.0)),
        ("digits", ArrayEncoding((28, 28, 1), 0.0, 1.0, classes=10, class_name="digit")),
    ):
        Path("runs", name).mkdir(exist_ok=True)
        write_json(Path("runs", name, "encoding.json"), encoding)
    for name in ("mine", "split", "posterior", "survey", "own"):
        Path("runs", name).symlink_to(demo / "runs/demo")


def test_every_command_parses(parsing):
    usage = galgen.cli.USAGE.split("examples:")[1].split("help:")[0]
    lines = [*shell_lines(), *(line.strip() for line in usage.splitlines() if line.strip())]
    assert len(lines) > 40
    for line in lines:
        words = shlex.split(line.removeprefix("srun "))
        if words[-1] in ("--help", "--list"):
            with pytest.raises(SystemExit) as stop:
                parse(words)
            assert stop.value.code in (0, None), line
        else:
            assert parse(words) is not None


def parse(words: list[str]) -> object:
    """What a command line asks for."""
    return (
        galgen.cli.parse(words[1:]) if words[0] == "galgen" else data_prep.command.parse(words[3:])
    )


def write_raw_files() -> None:
    """Small raw files in the layouts that the pages speak of."""
    Path("densities").mkdir()
    for number in range(6):
        found = haloes(side=900.0, seed=number)
        write_group_tab(Path(f"sims/{number}"), found, 0.0)
        mesh = np.histogramdd(found["position"] / 1000 * 64 % 64, 64, [(-0.5, 63.5)] * 3)[0]
        np.save(f"densities/{number}.npy", mesh)
    Path("latin_hypercube_params.txt").write_text(
        "#Omega_m Omega_b h n_s sigma_8\n" + 6 * "0.3 0.05 0.7 0.96 0.8\n"
    )
    Path("cosmologies.csv").write_text("omega_m,sigma_8\n0.3,0.8\n0.25,0.85\n")
    rng = np.random.default_rng(0)
    grid = np.linspace(1e-4, 0.12, 400)
    distances = FlatLambdaCDM(H0=100, Om0=0.3).comoving_distance(grid).value
    sky = {
        "RA": rng.uniform(120, 250, 40_000),
        "DEC": np.degrees(np.arcsin(rng.uniform(0.0, 0.9, 40_000))),
        "Z": np.interp(distances[-1] * np.cbrt(rng.random(40_000)), distances, grid),
    }
    Table(sky).write("galaxies.fits")
    place = rng.uniform(-5, 995, (2000, 3))
    masses = 10 ** rng.uniform(12, 14, 2000)
    np.savez("halos.npz", pos=place, mass=masses)
    columns = dict(zip("XYZ", np.mod(place, 1000).T * 1000, strict=True))
    Table(columns | {"logM": np.log10(masses), "haloid": 2**60 + np.arange(2000)}).write(
        "halos.csv", format="ascii.csv"
    )


def smaller(words: list[str]) -> list[str]:
    """A command of ours with small settings, its patterns of files expanded."""
    found = [name for word in words for name in (sorted(glob.glob(word)) or [word])]
    if words[0] != "galgen":
        return found
    found += shlex.split(SMALLER.get(words[1], ""))
    if words[1] == "train":
        posterior = words[2] == "posterior_haloes"
        network = "network.network" if posterior else "network"
        found += [] if posterior else ["--sampler.steps", "2"]
        if "digits" not in words[2]:
            found += [f"--{network}.width", "16", f"--{network}.layers", "1"]
        if "digits" not in words[2] and "toy" not in words[2]:
            found += ["--data.buckets", "1"]
    if words[:3] == ["galgen", "train", "digits"]:
        found += ["--data.path", str(SHARED / "mnist"), "--data.number", "64"]
    return found


def run(words: list[str]) -> int:
    """The status of a command.

    In a process of its own where it needs several devices, or deals a batch into parts, whose
    shapes the checks of the tests do not know.
    """
    if "--mesh" in words or "--trainer.accumulate" in words:
        environment = {**os.environ, **({"XLA_FLAGS": DEVICES} if "--mesh" in words else {})}
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        print(done.stderr)
        return done.returncode
    if words[0] == "galgen":
        return galgen.cli.main(words[1:])
    return data_prep.command.main(words[3:])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_every_command_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_run(Path("runs/demo"), Path("runs/demo_suite.h5"))
    (own,) = [text for _, text in blocks("python") if 'write_suite("mine.h5"' in text]
    exec(own, {"gg": galgen})
    write_raw_files()
    digits = (SHARED / "mnist").is_dir()
    for line in shell_lines():
        if line in NOT_RUN or ("digits" in line and not digits):
            continue
        words = smaller(shlex.split(line))
        try:
            status = run(words)
        except SystemExit as stop:
            # Help was printed, or what --require asks was measured and not met.
            status = 0 if stop.code in (0, None) or "--require" in words else 2
        assert status == 0, line


def test_links_lead_somewhere():
    for page in PAGES:
        links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        assert all((page.parent / link).exists() for link in links), page


def test_tutorials_in_the_table_are_there():
    named = re.findall(r"^\| `(\d\d_\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(named) == 11
    assert all((ROOT / "notebooks" / f"{name}.py").exists() for name in named)
