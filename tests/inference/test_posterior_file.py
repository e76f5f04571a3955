"""A file of posteriors that is damaged, or none, is one line that names it."""

import random
from pathlib import Path

import h5py
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.inference.results.posterior_file import (
    CataloguePosterior,
    left_over,
    read_posteriors,
    write_posteriors,
)
from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling import PosteriorSamples

JOB = {"run": "mine", "settings": {"seed": 0}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    samples = PosteriorSamples(
        ("omega_m", "sigma_8"),
        rng.normal(size=(2, 4, 2)),
        rng.normal(size=(2, 4)),
        np.ones(2),
        np.zeros(2, int),
        (ResultWarning("few", "words"),),
        np.ones(2),
    )
    one = CataloguePosterior(samples, {"file": "a.h5"}, {"omega_m": 0.3})
    write_posteriors(tmp_path / "posterior.h5", {0: one, 7: one}, JOB)
    return tmp_path / "posterior.h5"


def same(one: CataloguePosterior, other: CataloguePosterior) -> bool:
    names = ("samples", "log_density", "acceptance", "divergences", "noise")
    arrays = all(np.array_equal(getattr(one.samples, n), getattr(other.samples, n)) for n in names)
    told = one.samples.warnings == other.samples.warnings
    return arrays and told and (one.catalogue, one.truth) == (other.catalogue, other.truth)


def test_what_is_written_is_read_back(path: Path) -> None:
    found = read_posteriors(path)
    assert sorted(found) == [0, 7] and same(found[0], found[7])
    assert found[0].samples.warnings == (ResultWarning("few", "words"),)
    assert sorted(left_over(path, JOB)) == [0, 7] and left_over(path, {"run": "other"}) == {}


WOUNDS = {
    "names": [None, "", "{", "[" * 5000, "3", '{"a": 1}', "[]", "[1, 2]", '["one"]', b"\xff"],
    "job": [None],
    "format": [None, "cake"],
    "version": [None, 99],
    "000000/cautions": [None, "{", "3", "[3]", '[{"name": "a"}]', '[{"name": 1, "text": "b"}]'],
    "000000/catalogue": [None, "[]", "null", '{"file": 3}', '{"file": "a", "file": "b"}'],
    "000000/truth": [None, "[]", '{"omega_m": "x"}', '{"omega_m": NaN}'],
}


@pytest.mark.parametrize("place", WOUNDS)
def test_a_wrong_attribute_is_one_line(path: Path, place: str) -> None:
    whole = path.read_bytes()
    for value in WOUNDS[place]:
        path.write_bytes(whole)
        group, _, name = place.rpartition("/")
        with h5py.File(path, "r+") as file:
            holder = file[group or "/"]
            del holder.attrs[name]
            if value is not None:
                holder.attrs[name] = value
        with pytest.raises(InputError) as caught:
            left_over(path, JOB)
            read_posteriors(path)
        assert str(path) in str(caught.value), (value, caught.value)


ARRAYS = {
    "samples": [None, np.zeros(3), np.zeros((2, 4, 3)), np.zeros((0, 4, 2))],
    "log_density": [np.zeros((2, 3)), np.zeros(2)],
    "acceptance": [np.zeros(3)],
    "divergences": [np.zeros((2, 2), int)],
    "noise": [np.zeros(1), np.array(["a", "b"], "S1")],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_does_not_fit_is_one_line(path: Path, name: str) -> None:
    whole = path.read_bytes()
    for values in ARRAYS[name]:
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            del file[f"000007/{name}"]
            if values is not None:
                file[f"000007/{name}"] = values
        with pytest.raises(InputError, match=r"posterior\.h5"):
            read_posteriors(path)


def test_other_files_and_links_are_one_line(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["000009"] = h5py.ExternalLink("/etc/hostname", "/x")
    with pytest.raises(InputError, match="all its values itself"):
        read_posteriors(path)
    with h5py.File(path, "r+") as file:
        del file["000009"]
        file.create_group("more")
    with pytest.raises(InputError, match="numbered catalogues, got 'more'"):
        read_posteriors(path)
    path.write_text("no HDF5")
    with pytest.raises(InputError, match="cannot open"):
        left_over(path, JOB)
    with pytest.raises(InputError, match="no such file"):
        read_posteriors(tmp_path / "none.h5")


def test_wounded_bytes_are_read_or_refused_in_one_line(path: Path) -> None:
    whole, refused = path.read_bytes(), 0
    for seed in range(60):
        rng = random.Random(seed)
        data = bytearray(whole)
        if seed % 4 == 0:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randint(1, 40) if data else 0):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            left_over(path, JOB)
            read_posteriors(path)
        except InputError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 10
