"""What ``galgen inspect`` says of a suite, and the picture it draws."""

import numpy as np
import pytest
from PIL import Image

from galgen.cli import main
from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.data.suite_summary import suite_summary


def make(points, seed, names=("x", "y", "z", "mass"), **fields):
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(1, 9, points) for name in names}
    cosmology = {"h": 0.7, "omega_m": 0.1 * seed, "sigma_8": 0.6 + 0.1 * seed}
    return Catalogue(columns, (10.0,) * 3, **({"cosmology": cosmology} | fields))


def test_the_summary_has_every_figure(tmp_path, monkeypatch):
    path = tmp_path / "suite.h5"
    catalogues = [
        make(points, seed, provenance={"source": f"raw.{seed % 2}"}, redshift=0.5)
        for seed, points in enumerate([0, 10, 30, 20])
    ]
    write_suite(path, catalogues, ["train", "test", "train", "train"])
    with Suite(path) as suite:
        text = suite_summary(suite)
    lines = dict(line.strip().split(": ", 1) for line in text.splitlines())
    assert lines[str(path)] == "4 catalogues, 60 points"
    assert lines["splits"] == "test 1, train 3"
    assert lines["points"] == "0 to 30 per catalogue, quartiles 7 15 22; none in 1 of them"
    assert lines["columns"].startswith("x [Mpc/h] float64, ")
    assert lines["boxes"] == "10 x 10 x 10 Mpc/h, periodic"
    assert lines["density"] == "0.015 h^3/Mpc^3"
    assert lines["redshift"] == "0.5" and lines["h"] == "0.7"
    assert lines["omega_m"] == "0 to 0.3 (4 values)"
    assert lines["sources"] == "2 raw files (raw.0, raw.1)"
    monkeypatch.setattr("galgen.data.suite_summary.LOOK", 3)
    with Suite(path) as suite:
        assert "2 raw files in the first 3 catalogues (raw.0, raw.1)" in suite_summary(suite)


def test_boxes_of_several_kinds_and_no_parameters(tmp_path):
    path = tmp_path / "suite.h5"
    small = make(3, 1, cosmology={})
    write_suite(path, [small, small.replace(box=(20.0, 10.0, 10.0), periodic=False)])
    with Suite(path) as suite:
        text = suite_summary(suite)
    assert "2 kinds, 10 x 10 x 10 Mpc/h, periodic to 20 x 10 x 10 Mpc/h, open" in text
    assert "parameters: none" in text and "sources: not recorded" in text


@pytest.mark.parametrize(
    "catalogues",
    [
        [make(20 * i, i) for i in range(6)],
        [make(5, 1)],
        [make(0, 1), make(0, 2)],
        [make(5, 1, names=("ra", "mass")), make(7, 2, names=("ra", "mass"))],
        [make(5, 1, cosmology={}, redshift=0.1), make(7, 2, cosmology={}, redshift=0.2)],
    ],
    ids=["many", "one", "empty", "no positions", "no parameters"],
)
def test_any_suite_has_its_picture(tmp_path, capsys, catalogues):
    path, picture = tmp_path / "suite.h5", tmp_path / "suite.png"
    write_suite(path, catalogues)
    assert main(["inspect", str(path), "--picture", str(picture)]) == 0
    assert f"picture written to {picture}" in capsys.readouterr().out
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape[0] > 400 and pixels.shape[1] > 900 and 0.005 < np.mean(pixels < 128) < 0.5
    assert sorted(place.name for place in tmp_path.iterdir()) == ["suite.h5", "suite.png"]


def test_pictures_that_cannot_be_drawn(tmp_path, capsys):
    path = tmp_path / "suite.h5"
    write_suite(path, [make(5, 1)])
    for picture, message in (
        (tmp_path / "suite.xyz", "ends in one of"),
        (tmp_path / "absent" / "suite.png", "create it first"),
    ):
        assert main(["inspect", str(path), "--picture", str(picture)]) == 2
        assert message in capsys.readouterr().err
    assert [place.name for place in tmp_path.iterdir()] == ["suite.h5"]
