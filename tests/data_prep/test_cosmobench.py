"""CosmoBench: files by h5py in the layout that the benchmark's own loaders read."""

import h5py
import numpy as np
import pytest
from raw_layouts import haloes, write_cosmobench

from data_prep.command import main
from data_prep.simulations.cosmobench import CosmoBenchSource
from galgen.data.suite import Suite
from galgen.errors import InputError

PARAMETERS = {"Omega_m": np.array([0.1, 0.3, 0.5]), "sigma_8": np.array([0.7, 0.8, 0.9])}


def write(path, number=3, side=25.0, suite="LH"):
    clouds = [haloes(50 + i, side, seed=i) for i in range(number)]
    write_cosmobench(path, clouds, suite, {n: v[:number] for n, v in PARAMETERS.items()})
    return clouds


def read(path, **options):
    return list(CosmoBenchSource(inputs=(path,), output=path / "unused.h5", **options).boxes())


def test_clouds_with_their_parameters(tmp_path):
    path = tmp_path / "CAMELS-TNG_galaxy_90_ALL_train.hdf5"
    clouds = write(path)
    catalogues = read(path)
    for number, (catalogue, cloud) in enumerate(zip(catalogues, clouds, strict=True)):
        np.testing.assert_allclose(catalogue.positions, cloud["position"], rtol=1e-6)
        np.testing.assert_allclose(catalogue.velocities, cloud["velocity"], rtol=1e-6)
        assert catalogue.box == (25.0,) * 3 and catalogue.redshift == 0
        assert catalogue.cosmology == {name.lower(): v[number] for name, v in PARAMETERS.items()}
        assert catalogue.provenance["number"] == str(number)


def test_many_clouds_are_in_the_order_of_their_numbers(tmp_path):
    path = tmp_path / "CAMELS_test.hdf5"
    clouds = [haloes(20 + i, 25.0, seed=i) for i in range(12)]
    write_cosmobench(path, clouds, "LH", {"Omega_m": np.linspace(0.1, 0.5, 12)})
    assert [len(catalogue) for catalogue in read(path)] == [20 + i for i in range(12)]


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("Quijote_BSQ_rockstar_10_top5000_val.hdf5", 1000.0),
        ("CAMELS-SAM_LH_gal_99_top5000_val.hdf5", 100.0),
        ("CAMELS-TNG_galaxy_90_ALL_val.hdf5", 25.0),
    ],
)
def test_the_box_is_that_of_the_suite(tmp_path, name, side):
    write(tmp_path / name, side=side)
    assert read(tmp_path / name)[0].box == (side,) * 3


def test_published_splits_are_kept(tmp_path):
    paths = [tmp_path / f"CAMELS_{split}.hdf5" for split in ("train", "val", "test")]
    for number, path in enumerate(paths):
        write(path, number + 1)
    output = tmp_path / "suite.h5"
    assert main(["cosmobench", *map(str, paths), "-o", str(output)]) == 0
    with Suite(output) as suite:
        assert suite.splits.tolist() == [
            "train",
            "validation",
            "validation",
            "test",
            "test",
            "test",
        ]
    assert main(["cosmobench", *map(str, paths), "-o", str(output), "--splits", "a=0.5,b=0.5"]) == 0
    with Suite(output) as suite:
        assert sorted(suite.splits) == ["a", "a", "a", "b", "b", "b"]


def shorten(file):
    del file["params/Omega_m"]
    file["params/Omega_m"] = [0.1, 0.3]


def test_what_is_wrong_is_named(tmp_path, capsys):
    path = tmp_path / "CAMELS_all.hdf5"
    write(path)
    assert main(["cosmobench", str(path), "-o", str(tmp_path / "suite.h5")]) == 2
    assert "end in their split (train, val, test)" in capsys.readouterr().err
    other = tmp_path / "clouds.hdf5"
    write(other)
    with pytest.raises(InputError, match=r"camels-sam, camels, quijote in the path, .* pass --box"):
        read(other)
    assert read(other, box=(25.0,) * 3)
    with pytest.raises(InputError, match=r"clouds\.hdf5: .*column 'x' in \[0, 10\)"):
        read(other, box=(10.0,) * 3)
    with pytest.raises(
        InputError, match=r"clouds\.hdf5: .*field 'M' for column 'mass', got \['VX'"
    ):
        read(other, box=(25.0,) * 3, columns="x=X,y=Y,z=Z,mass=M")
    whole = other.read_bytes()
    other.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="HDF5 cannot open"):
        read(other, box=(25.0,) * 3)
    for change, message in (
        (lambda file: file.move("LH/LH_1", "LH/LH_7"), "clouds LH_0 to LH_2, got no 1"),
        (lambda file: file.__delitem__("params"), r"one of 'params', got \['LH'\]"),
        (shorten, r"params/Omega_m of 3 clouds, got shape \(2,\)"),
    ):
        other.write_bytes(whole)
        with h5py.File(other, "r+") as file:
            change(file)
        with pytest.raises(InputError, match=message):
            read(other, box=(25.0,) * 3)
