"""What a file says is printed without what a terminal would act on."""

import dataclasses
import importlib

import numpy as np
import pytest

from galgen.cli import main
from galgen.commands import sample_command
from galgen.data.cardinality import Cardinality
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.data.encoding import CloudEncoding
from galgen.data.normalization import Standardizer
from galgen.data.suite import Suite, write_suite
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath
from galgen.inference.sampling import PosteriorSamples
from galgen.mocks.sky_catalogue import SkyCatalogue
from galgen.networks import DeepSet
from galgen.printing import printable
from galgen.run import Run
from galgen.serialization import write_json

EVIL = "om\x1b]0;owned\x07\x1b[2J\u202eega\ud800\n  galgen: all is well"
NAME = EVIL.replace("\ud800", "")  # which HDF5 does not take


def is_plain(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("evil") / "suite.h5"
    columns = {name: np.ones(3) for name in ("x", "y", "z", NAME)}
    catalogue = Catalogue(
        columns, (9.0, 9.0, 9.0), 0.0, {NAME: 1.0}, True, {NAME: NAME}, {"source": NAME}
    )
    write_suite(path, [catalogue], NAME)
    return path


def test_control_characters_are_written_out() -> None:
    text = "a\x1b[31m\r\n\t\x07\x9b\u202e\u2028\ud800 Ω±é"
    assert (
        printable(text) == (r"a\x1b[31m\r\n\t\x07\x9b\u202e\u2028\ud800 Ω±é")
        and printable(text).isprintable()
    )
    assert printable("plain Ω") == "plain Ω"


def test_reprs_and_errors_are_plain(suite) -> None:
    samples = PosteriorSamples((NAME,), np.zeros((1, 4, 1)))
    names = ("RA", "DEC", "Z", "WEIGHT", "WEIGHT_FKP", "NZ", NAME)
    sky = SkyCatalogue({name: np.ones(2) for name in names})
    with Suite(suite) as opened:
        for thing in (opened, opened[0], samples, sky):
            assert repr(thing).isprintable() and "owned" in repr(thing)
    error = str(InputError(f"expected {EVIL}, got\nnothing"))
    assert error.isprintable() and "galgen: all is well" in error


def test_what_commands_print_is_plain(suite, capsys) -> None:
    assert main(["inspect", str(suite)]) == 0
    text = capsys.readouterr().out
    assert is_plain(text) and text.count("owned") >= 4
    assert "\n  galgen: all is well" not in text
    assert main(["inspect", str(suite) + EVIL]) == 2
    assert is_plain(capsys.readouterr().err)


def test_a_name_that_reads_like_mathematics_is_drawn(tmp_path) -> None:
    name = "$\\foo$_{$"
    columns = {n: np.ones(3) for n in "xyz"}
    write_suite(
        tmp_path / "s.h5",
        [Catalogue(columns, (9.0,) * 3, cosmology={name: 0.1 * i, "b$a$": i}) for i in (1, 2)],
        [name, "test"],
    )
    picture = tmp_path / "s.png"
    assert main(["inspect", str(tmp_path / "s.h5"), "--picture", str(picture)]) == 0
    assert picture.stat().st_size > 1000


def test_the_command_line_is_not_run_by_an_import() -> None:
    for module in ("galgen.__main__", "data_prep.__main__"):
        importlib.import_module(module)


def test_conditions_of_any_name_are_options(tmp_path, capsys) -> None:
    names = ("\x1b[2J", "seed", "h/%", "h__")
    box = [Catalogue({name: np.ones(2) for name in "xyz"}, (9.0, 9.0, 9.0))] * 2
    standardizer = dataclasses.replace(
        Standardizer.fit(box, ("x", "y", "z"), ()),
        condition=names,
        condition_means=(0.0,) * 4,
        condition_scales=(1.0,) * 4,
        condition_ranges=((0.0, 1.0),) * 4,
    )
    encoding = CloudEncoding(standardizer, Cardinality((1.0,), 0, 4), (64,))
    experiment = Experiment(CatalogueDataset(tmp_path / "s.h5"), DeepSet(), Bridge(LinearPath()))
    write_json(tmp_path / "encoding.json", encoding)
    write_json(tmp_path / "experiment.json", experiment)
    run = Run(experiment, encoding, {}, tmp_path)
    assert repr(run).isprintable()
    assert main(["inspect", str(tmp_path)]) == 0
    assert is_plain(capsys.readouterr().out)
    with pytest.raises(SystemExit):
        main(["sample", str(tmp_path), "--help"])
    text = capsys.readouterr().out
    assert is_plain(text)
    assert all(
        option in text for option in ("--2J", "--condition-1", "--h {None}", "--condition-3")
    )
    command = sample_command(tmp_path)(folder=tmp_path, condition_1=0.5, condition_3=1)
    assert command._fixed(encoding) == {"seed": 0.5, "h__": 1.0}
