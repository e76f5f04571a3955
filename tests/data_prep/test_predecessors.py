"""Arrays and tables of arXiv:2311.17141, written by numpy as its loader reads them."""

import numpy as np
import pytest
from raw_layouts import SHARED, haloes

from data_prep.command import main
from data_prep.simulations.predecessors import PredecessorsSource
from galgen.data.suite import Suite
from galgen.errors import InputError

HEADER = "Omega_m,Omega_b,h,n_s,sigma_8"


def write(folder, split, number, log=False):
    found = [haloes(200, 1000.0, 300.0, seed=i) for i in range(number)]
    mass = [np.log10(f["mass"]) if log else f["mass"] for f in found]
    stack = np.stack(
        [
            np.column_stack([f["position"], f["velocity"], m])
            for f, m in zip(found, mass, strict=True)
        ]
    )
    np.save(folder / f"{split}_halos.npy", stack)
    rows = [f"0.{i + 1},0.05,0.7,0.96,0.8" for i in range(number)]
    (folder / f"{split}_cosmology.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return stack


def read(path, **options):
    return list(PredecessorsSource(inputs=(path,), output=path / "unused.h5", **options).boxes())


def test_simulations_with_their_parameters(tmp_path):
    stack = write(tmp_path, "train", 3)
    catalogues = read(tmp_path / "train_halos.npy")
    assert len(catalogues) == 3
    for number, catalogue in enumerate(catalogues):
        found = np.column_stack(
            [catalogue.positions, catalogue.velocities, catalogue.columns["mass"]]
        )
        np.testing.assert_array_equal(found, stack[number])
        assert list(catalogue.cosmology) == ["omega_m", "omega_b", "h", "n_s", "sigma_8"]
        assert catalogue.cosmology["omega_m"] == float(f"0.{number + 1}")
        assert catalogue.units["mass"] == "Msun/h" and catalogue.box == (1000.0,) * 3


def test_masses_may_be_logarithms(tmp_path):
    stack = write(tmp_path, "val", 1, log=True)
    with pytest.raises(InputError, match=r"val_halos\.npy: .*'mass' in Msun/h, .* log10\?"):
        read(tmp_path / "val_halos.npy")
    names = ("x", "y", "z", "vx", "vy", "vz", "log_mass")
    (catalogue,) = read(tmp_path / "val_halos.npy", columns=names)
    np.testing.assert_allclose(np.log10(catalogue.columns["mass"]), stack[0, :, 6], rtol=1e-6)


def test_published_splits(tmp_path, capsys):
    for split, number in (("train", 2), ("val", 1), ("test", 1)):
        write(tmp_path, split, number)
    inputs = [str(tmp_path / f"{split}_halos.npy") for split in ("train", "val", "test")]
    output = tmp_path / "suite.h5"
    assert main(["npy", *inputs, "-o", str(output), "--n-max", "50", "--mass-min", "1e13"]) == 0
    with Suite(output) as suite:
        assert suite.splits.tolist() == ["train", "train", "validation", "test"]
        assert suite.counts.max() == 50
        assert min(c.columns["mass"].min() for c in suite) >= 1e13
    # No fractions are not those that the files name.
    assert main(["npy", *inputs, "-o", str(output), "--splits="]) == 2
    assert "fractions that add up to 1, got {}" in capsys.readouterr().err


def test_damage_is_named(tmp_path):
    stack = write(tmp_path, "train", 2)
    path = tmp_path / "train_halos.npy"
    whole = path.read_bytes()
    for size in (0, 10, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"train_halos\.npy: .*(whole NumPy|11200 bytes)"):
            read(path)
    np.save(path, stack[:, :, :6])
    with pytest.raises(InputError, match=r"haloes, 7\), got shape \(2, 200, 6\); name each"):
        read(path)
    np.save(path, stack[:1])
    with pytest.raises(InputError, match=r"cosmology\.csv for each of 1 simulations, got 2"):
        read(path)
    swapped = stack.astype(">f4").view("<f4")
    np.save(path, np.nan_to_num(swapped))
    with pytest.raises(InputError, match=r"train_halos\.npy: expected column 'x' in \[0, 1000\)"):
        read(path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent.npy")


def test_shared_haloes_as_the_predecessors_stored_theirs(tmp_path):
    place = SHARED / "halos" / "peak_patch_lh200.npz"
    if not place.is_file():
        pytest.skip("needs ../shared/data, absent here")
    with np.load(place) as file:
        stack, theta = file["x"][:4].astype(np.float32), file["theta"][:4]
    stack[..., :3] %= 1000
    stack[..., 6] = 10 ** stack[..., 6]
    np.save(tmp_path / "test_halos.npy", stack)
    np.savetxt(tmp_path / "test_cosmology.csv", theta, delimiter=",", header=HEADER, comments="")
    catalogues = read(tmp_path / "test_halos.npy")
    assert [len(catalogue) for catalogue in catalogues] == [5000] * 4
    assert catalogues[3].cosmology["sigma_8"] == pytest.approx(float(theta[3, 4]))
