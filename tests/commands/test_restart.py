"""Long jobs that are stopped go on where they were, and give what they would have given."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from galgen.cli import main
from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.run import Run

CONFIG = """
from pathlib import Path
from galgen.data.dataset import CatalogueDataset
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath, ProductPath, Sampler, TorusGeodesic
from galgen.networks import DeepSet
from galgen.training import Trainer

experiment = Experiment(
    data=CatalogueDataset(Path({suite!r})),
    network=DeepSet(width=8, layers=1),
    model=Bridge(ProductPath((TorusGeodesic(), LinearPath()), (3, 1))),
    sampler=Sampler(steps=2),
    trainer=Trainer(steps=2, batch_size=2, warmup=1),
)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("restart")
    rng = np.random.default_rng(0)
    catalogues = []
    for i in range(8):
        columns = dict(zip("xyz", rng.random((3, 30 + 4 * i)) * 50, strict=True))
        columns["mass"] = 10 ** rng.normal(13.5, 0.2, 30 + 4 * i)
        cosmology = {"omega_m": 0.2 + 0.02 * i, "sigma_8": 0.9 - 0.02 * i}
        catalogues.append(Catalogue(columns, (50.0, 50.0, 50.0), 0.0, cosmology))
    write_suite(folder / "suite.h5", catalogues)
    (folder / "config.py").write_text(CONFIG.format(suite=str(folder / "suite.h5")))
    assert main(["train", str(folder / "config.py"), "--run", str(folder / "run")]) == 0
    return folder / "run"


def read(path: Path) -> list[tuple[Catalogue, str]]:
    with Suite(path) as suite:
        return list(zip(suite, suite.splits.tolist(), strict=True))


@pytest.mark.slow
def test_sampling_goes_on_where_it_was_stopped(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["sample", str(run), "-n", "7", "--batch", "2", "--seed", "3", "-o"]
    assert main([*arguments, str(tmp_path / "whole.h5")]) == 0
    draw, made = Run.draw, []

    def stopping(self, draws, seed, numbers, mesh) -> Iterator:
        for number, examples in draw(self, draws, seed, numbers, mesh):
            if len(made) == 2:
                raise KeyboardInterrupt
            made.append(number)
            yield number, examples

    with monkeypatch.context() as patch:
        patch.setattr(Run, "draw", stopping)
        assert main([*arguments, str(tmp_path / "cut.h5")]) == 130
    assert made == [0, 1] and not (tmp_path / "cut.h5").exists()
    other = [*arguments, str(tmp_path / "cut.h5"), "--extrapolate", "--omega-m", "0.3"]
    assert main(other) == 2
    assert "those of another" in capsys.readouterr().err

    def counting(self, draws, seed, numbers, mesh) -> Iterator:
        numbers = list(numbers)
        made.extend(numbers)
        return draw(self, draws, seed, numbers, mesh)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "draw", counting)
        assert main([*arguments, str(tmp_path / "cut.h5")]) == 0
    assert made == [0, 1, 2, 3], "no draw is made twice"
    assert read(tmp_path / "cut.h5") == read(tmp_path / "whole.h5")
    assert {p.name for p in tmp_path.iterdir()} == {"cut.h5", "whole.h5"}


@pytest.mark.slow
def test_a_stream_is_in_the_order_asked_for(run: Path, tmp_path: Path) -> None:
    """The suite is what one call in Python gives, whose order is that of the conditions."""
    table = tmp_path / "grid.csv"
    grid = [(0.33, 0.78), (0.21, 0.89), (0.26, 0.85)]
    table.write_text("sigma_8,omega_m,name\n" + "".join(f"{s},{m},x\n" for m, s in grid))
    arguments = ["sample", str(run), "--table", str(table), "--repeats", "2", "--batch", "4"]
    assert main([*arguments, "-o", str(tmp_path / "mocks")]) == 0
    found = read(tmp_path / "mocks" / "samples.h5")
    assert [(c.cosmology["omega_m"], c.cosmology["sigma_8"]) for c, _ in found] == [
        pair for pair in grid for _ in range(2)
    ]
    conditions = [{"omega_m": m, "sigma_8": s} for m, s in grid for _ in range(2)]
    for (catalogue, split), direct in zip(
        found, Run.load(run).sample(conditions, batch=4), strict=True
    ):
        assert catalogue == direct and split == "sample"
        assert catalogue.provenance["seed"] == "0" and catalogue.provenance["draw"] in "01"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("omega_m\n0.3\n", "columns ['omega_m', 'sigma_8']"),
        ("omega_m,sigma_8\n", "0 rows"),
        ("omega_m,sigma_8\n0.3,0.8,9\n", "expected a table with a line of column names"),
        (None, "no such file"),
    ],
)
def test_tables_that_cannot_be_used(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "grid.csv").write_text(text)
    arguments = ["sample", str(run), "--table", str(tmp_path / "grid.csv")]
    assert main([*arguments, "-o", str(tmp_path / "out.h5")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.slow
def test_a_killed_simulation_goes_on(tmp_path: Path) -> None:
    """kill -9 between parts; the suite is then what an undisturbed job writes."""
    options = ["simulate", "--train", "40", "--test", "0", "--contrast", "0", "--workers", "1"]
    options += ["--simulator.box", "64", "--simulator.mesh", "32", "--output"]
    assert main([*options, str(tmp_path / "whole.h5")]) == 0
    command = [sys.executable, "-m", "galgen", *options, str(tmp_path / "cut.h5")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    parts = tmp_path / "cut.h5.parts"
    while process.poll() is None and not list(parts.glob("part-*.h5")):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert list(parts.glob("part-*.h5")) and not (tmp_path / "cut.h5").exists()
    assert main([*options, str(tmp_path / "cut.h5")]) == 0
    assert read(tmp_path / "cut.h5") == read(tmp_path / "whole.h5")
    assert not parts.exists()
