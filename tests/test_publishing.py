"""Whatever galgen writes, a symbolic link in its way changes no other file."""

import os
import resource
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_io import write_catalogue
from galgen.data.encoding import save_arrays
from galgen.data.suite import write_suite
from galgen.data.suite_parts import SuiteParts
from galgen.errors import InputError
from galgen.geometry import Euclidean
from galgen.inference.results.posterior_file import CataloguePosterior, write_posteriors
from galgen.inference.results.posterior_report import write_table
from galgen.inference.sampling import PosteriorSamples
from galgen.mocks.sky_catalogue import SkyCatalogue
from galgen.mocks.sky_catalogue_files import write_sky_catalogue
from galgen.publishing import Publication, append_text, own_folder, publish_text
from galgen.serialization import write_json
from galgen.statistics.fourier import SurveyWindow
from galgen.training import Checkpoints
from galgen.training.tracking import Journal

CATALOGUE = Catalogue({name: np.arange(4.0) for name in "xyz"}, box=(9.0, 9.0, 9.0))
SKY = SkyCatalogue({name: np.ones(2) for name in ("RA", "DEC", "Z", "WEIGHT", "WEIGHT_FKP", "NZ")})
POSTERIOR = CataloguePosterior(PosteriorSamples(("a",), np.zeros((1, 4, 1))), {}, {})
ONE = np.ones(1)
WINDOW = SurveyWindow(
    *(np.arange(2.0), ONE, np.ones(1, int), np.ones((1, 1))),
    *(1.0, 1.0, 1.0, 1.0, np.ones(3), np.ones(3), 8),
    *(np.arange(2.0), np.ones((1, 1)), np.zeros(1, int)),
)


def journal(path: Path) -> None:
    Journal(path, 0, True).write(1, {"loss": 2.0})


def parts(path: Path) -> None:
    with SuiteParts(path, 1, {}) as pieces:
        pieces.write(0, [CATALOGUE])
        pieces.finish()


WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "text": ("report.html", lambda path: publish_text(path, "all")),
    "configuration": ("experiment.json", lambda path: write_json(path, Euclidean())),
    "log": ("metrics.jsonl", journal),
    "arrays": ("samples.npz", lambda path: save_arrays(path, [np.ones(2)], ["train"])),
    "suite": ("samples.h5", lambda path: write_suite(path, [CATALOGUE])),
    "parts": ("samples.h5", parts),
    "catalogue": ("one.fits", lambda path: write_catalogue(path, CATALOGUE)),
    "survey": ("mock.fits", lambda path: write_sky_catalogue(path, SKY)),
    "survey in HDF5": ("mock.h5", lambda path: write_sky_catalogue(path, SKY)),
    "posteriors": ("posterior.h5", lambda path: write_posteriors(path, {0: POSTERIOR}, {})),
    "table": ("summary.ecsv", lambda path: write_table(path, Table({"a": [1]}))),
    "window": ("window.npz", WINDOW.save),
}


def planted(path: Path, victim: Path) -> Iterable[Path]:
    """Links in the place of a file, and of what is or was once written beside it."""
    names = [path.name, f"{path.name}.part", f"{path.stem}.part", f"{path.stem}.part{path.suffix}"]
    names += [f".{path.name}.{'0' * 32}.writing", f".{path.name}.part", f"{path.name}.tmp"]
    for name in dict.fromkeys(names):
        link = path.with_name(name)
        link.symlink_to(victim)
        yield link


@pytest.mark.parametrize(("name", "write"), WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_a_planted_link_is_not_written_through(name, write, folder, tmp_path: Path) -> None:
    run, victim = tmp_path / "run", tmp_path / "victim"
    run.mkdir()
    inside = victim / "kept" if folder else victim
    victim.mkdir() if folder else None
    inside.write_text("precious")
    links = list(planted(run / name, victim))
    write(run / name)
    assert inside.read_text() == "precious"
    assert not folder or [p.name for p in victim.iterdir()] == ["kept"]
    assert (run / name).is_file() and not (run / name).is_symlink()
    assert all(link.is_symlink() for link in links[1:])


def test_a_link_that_comes_later_is_not_appended_to(tmp_path: Path) -> None:
    victim, log = tmp_path / "victim", tmp_path / "metrics.jsonl"
    victim.write_text("precious")
    append_text(log, "one\n")
    append_text(log, "two\n")
    assert log.read_text() == "one\ntwo\n"
    log.unlink()
    log.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        append_text(log, "three\n")
    assert victim.read_text() == "precious"


OWNERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "folder": ("report", lambda run: own_folder(run / "report")),
    "parts": ("samples.h5.parts", lambda run: SuiteParts(run / "samples.h5", 1, {})),
    "checkpoints": ("checkpoints", lambda run: Checkpoints(run / "checkpoints", writes=True)),
}


@pytest.mark.parametrize(("name", "make"), OWNERS.values(), ids=OWNERS)
def test_a_folder_that_is_a_link_or_holds_one_is_refused(name, make, tmp_path: Path) -> None:
    run, victim = tmp_path / "run", tmp_path / "victim"
    run.mkdir()
    victim.mkdir()
    (run / name).symlink_to(victim)
    with pytest.raises(InputError, match=r"expected a folder at .* got a link .*; remove it"):
        make(run)
    (run / name).unlink()
    (run / name).write_text("a file")
    with pytest.raises(InputError, match="expected a folder at"):
        make(run)
    (run / name).unlink()
    (run / name).mkdir()
    for planted in ("lock", "job.json", "5.orbax-checkpoint-tmp"):
        link = run / name / planted
        link.symlink_to(victim / "new")
        with pytest.raises(InputError, match=rf"no symbolic link in .* got '{planted}'"):
            make(run)
        link.unlink()
    assert not list(victim.iterdir())


def test_a_folder_of_others_may_hold_links_but_be_none(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "latest-run").symlink_to(tmp_path)
    assert own_folder(tmp_path / "wandb", links=True) == tmp_path / "wandb"
    (tmp_path / "linked").symlink_to(tmp_path)
    with pytest.raises(InputError, match="got a link"):
        own_folder(tmp_path / "linked", links=True)


def test_a_lock_that_is_a_link_makes_no_file(tmp_path: Path) -> None:
    left = tmp_path / f".suite.h5.{'0' * 32}.writing"
    left.mkdir()
    (left / "lock").symlink_to(tmp_path / "victim")
    with Publication(tmp_path / "suite.h5"):
        pass
    assert not (tmp_path / "victim").exists()


BIG = {name: np.random.default_rng(0).random(30_000) for name in "xyz"}
BIG_WRITERS: dict[str, Callable[[Path], object]] = {
    "suite.h5": lambda path: write_suite(path, [Catalogue(BIG, (1.0, 1.0, 1.0))] * 3),
    "one.h5": lambda path: write_catalogue(path, Catalogue(BIG, (1.0, 1.0, 1.0))),
    "one.fits": lambda path: write_catalogue(path, Catalogue(BIG, (1.0, 1.0, 1.0))),
    "sky.fits": lambda path: write_sky_catalogue(path, BIG_SKY),
    "sky.h5": lambda path: write_sky_catalogue(path, BIG_SKY),
}
BIG_SKY = SkyCatalogue(
    dict.fromkeys(("RA", "DEC", "Z", "WEIGHT", "WEIGHT_FKP", "NZ"), np.ones(30_000))
)


@pytest.mark.parametrize("name", BIG_WRITERS)
def test_a_disk_that_is_full_half_way_leaves_nothing(tmp_path: Path, name: str) -> None:
    """A limit on the size of files stands for the disk: both fail in the middle of a write."""
    path = tmp_path / name
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large|No space left") as caught:
            BIG_WRITERS[name](path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(path) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", BIG_WRITERS)
def test_only_files_are_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"got the folder .*{name}; name a file"):
        BIG_WRITERS[name](tmp_path / name)
    (tmp_path / name).rmdir()
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=rf"got the pipe or device .*{name}; name a file"):
        BIG_WRITERS[name](tmp_path / name)
    assert [place.name for place in tmp_path.iterdir()] == [name]


def test_errors_about_files_that_are_read_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, Publication(tmp_path / "out"):
        (tmp_path / "in").read_bytes()
    assert caught.value.filename == str(tmp_path / "in")
