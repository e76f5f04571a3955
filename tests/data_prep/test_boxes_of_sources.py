"""Every source of boxes means the same by --wrap, --shift, --box X Y Z and --open."""

import numpy as np
import pytest
from raw_layouts import (
    haloes,
    write_cosmobench,
    write_fastfood,
    write_group_tab,
    write_rockstar,
    write_subfind,
)

from data_prep.command import parse
from galgen.errors import InputError

BOX = np.array([100.0, 80.0, 120.0])


def fastfood(folder, found):
    path = folder / "a.ff"
    columns = dict(zip("xyz", found["position"].T, strict=True))
    write_fastfood(path, columns, 100.0)
    return path


def arrays(folder, found):
    path = folder / "train_halos.npy"
    np.save(path, np.column_stack([found["position"], found["velocity"], found["mass"]])[None])
    return path


def table(folder, found):
    path = folder / "a.npz"
    np.savez(path, pos=found["position"], vel=found["velocity"], mass=found["mass"])
    return path


SOURCES = {
    "quijote": lambda folder, found: write_group_tab(folder, found, 0.0),
    "rockstar": lambda folder, found: write_rockstar(folder / "out_0.list", found, a=1.0),
    "subfind": lambda folder, found: write_subfind(folder, found),
    "cosmobench": lambda folder, found: write_cosmobench(
        folder / "camels.hdf5", [found], "LH", {"Omega_m": [0.3]}
    ),
    "npy": arrays,
    "fastfood": fastfood,
    "table": table,
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_box_that_is_elsewhere(tmp_path, name):
    found = haloes(300)
    place = (found["position"] * BOX / 100).astype(np.float32)
    beyond = np.where(place < 2, place + BOX.astype("f4"), place)
    found["position"] = beyond - np.float32(50)
    path = SOURCES[name](tmp_path, found)
    words = [name, str(path), "-o", "unused.h5", "--box", "100", "80", "120"]
    for options in ([], ["--wrap"], ["--shift", "-50"]):
        if options != ["--wrap"]:
            with pytest.raises(InputError, match=r"outside; .*--wrap .*--shift .*--box X Y Z"):
                list(parse([*words, *options]).boxes())
    (box,) = parse([*words, "--shift", "-50", "--wrap"]).boxes()
    assert box.box == tuple(BOX) and box.periodic
    np.testing.assert_allclose(box.positions, place, atol=2e-4)
    (box,) = parse([*words, "--shift", "-50", "--wrap", "--open"]).boxes()
    assert not box.periodic
