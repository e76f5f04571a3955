"""Headers of snapshots, written by hand to the layout of Gadget's user guide, and by h5py."""

import h5py
import pytest
from raw_layouts import write_gadget_header

from data_prep.simulations.snapshot import SnapshotHeader, read_snapshot_header
from galgen.errors import InputError

EXPECTED = SnapshotHeader(25000.0, 0.5, {"omega_m": 0.3175, "h": 0.6711})


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_headers(tmp_path, second, order):
    path = write_gadget_header(tmp_path / "snap_004", 25000.0, 0.5, second, order)
    assert read_snapshot_header(path) == EXPECTED
    whole = path.read_bytes()
    for size in (0, 4, 100, 263):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"snap_004: expected a Gadget header, .* truncated"):
            read_snapshot_header(path)
    path.write_bytes(b"not a snapshot, but some text" * 30)
    with pytest.raises(InputError, match="snap_004: expected a Gadget header"):
        read_snapshot_header(path)


def test_headers_that_cannot_be_right(tmp_path):
    path = write_gadget_header(tmp_path / "snap_004", -1.0, 0.5)
    with pytest.raises(InputError, match=r"snap_004: .*BoxSize above 0, got -1"):
        read_snapshot_header(path)
    with pytest.raises(InputError, match=r"a snapshot at .*, got no such file"):
        read_snapshot_header(tmp_path / "absent")


@pytest.mark.parametrize("group", ["Header", "Parameters", "Cosmology"])
def test_hdf5_headers(tmp_path, group):
    path = tmp_path / "snap.hdf5"
    names = {"Header": ("Omega0", "HubbleParam"), "Cosmology": ("Omega_m", "h")}
    with h5py.File(path, "w") as file:
        head = file.create_group("Header").attrs
        head["BoxSize"], head["Redshift"], head["Time"] = 25000.0, 0.5, 1 / 1.5
        cosmology = file.require_group(group).attrs
        matter, hubble = names.get(group, names["Header"])
        cosmology[matter], cosmology[hubble] = 0.3175, 0.6711
    assert read_snapshot_header(path) == EXPECTED
    with h5py.File(path, "r+") as file:
        file["Header"].attrs["Time"] = 0.9
    with pytest.raises(InputError, match=r"'Time' .* = 0\.6667, got 0\.9; .* mislabelled"):
        read_snapshot_header(path)
    with h5py.File(path, "r+") as file:
        del file["Header"].attrs["BoxSize"], file["Header"].attrs["Time"]
    with pytest.raises(InputError, match=r"snap\.hdf5: expected an attribute 'BoxSize'"):
        read_snapshot_header(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=r"a group 'Header', got \['x'\]"):
        read_snapshot_header(path)
