"""A suite that takes values from elsewhere is refused; one that is open stays the one it was."""

import h5py
import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.errors import InputError
from galgen.reading.hdf5 import check_self_contained

SECRET = b"0123456789abcdef" * 8


def make(seed, points=4):
    columns = dict(zip("xyz", np.random.default_rng(seed).uniform(0, 9, (3, points)), strict=True))
    return Catalogue(columns, (9.0, 9.0, 9.0), cosmology={"omega_m": 0.1 * (seed + 1)})


def external_storage(file, name, secret):
    file.create_dataset(name, (3,), "f8", external=[(str(secret), 0, 24)])


def virtual(file, name, secret):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "x", (3,))
    file.create_virtual_dataset(name, layout)


def external_link(file, name, secret):
    file[name] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/x")


def soft_link(file, name, secret):
    file[name] = h5py.SoftLink("/redshift")


def dangling_link(file, name, secret):
    file[name] = h5py.SoftLink("/nowhere")


@pytest.mark.parametrize("name", ["cosmology/omega_m", "columns/x", "box", "provenance/json", "y"])
@pytest.mark.parametrize(
    "plant", [external_storage, virtual, external_link, soft_link, dangling_link]
)
def test_values_from_elsewhere_are_refused(plant, name, tmp_path):
    secret, path = tmp_path / "secret", tmp_path / "suite.h5"
    secret.write_bytes(SECRET)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.ones(3)
    write_suite(path, [make(seed) for seed in range(3)])
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        plant(file, name, secret)
    with pytest.raises(InputError, match=rf"all its values itself, got '{name}'.*; copy it") as e:
        Suite(path)
    assert "\n" not in str(e.value)


def test_a_circle_of_groups_ends(tmp_path):
    with h5py.File(tmp_path / "circle.h5", "w") as file:
        group = file.create_group("columns")
        group["again"] = file["/"]
        file["twice"] = group
        check_self_contained(file, tmp_path / "circle.h5")


@pytest.mark.parametrize("before", [False, True], ids=["unread", "read"])
def test_a_chunked_suite_that_is_replaced_while_open_stays_as_it_was(before, tmp_path):
    path, old = tmp_path / "suite.h5", [make(seed, 6) for seed in range(3)]
    write_suite(path, old)
    with h5py.File(path, "r+") as file:
        for name in ("columns/x", "columns/y", "columns/z", "provenance/json"):
            values, attributes = file[name][()], dict(file[name].attrs)
            del file[name]
            file.create_dataset(name, data=values, chunks=(4,), compression="gzip")
            file[name].attrs.update(attributes)
    with Suite(path) as suite:
        assert not before or suite[0] == old[0]
        write_suite(path, [make(seed, 6) for seed in (7, 8, 9)])
        assert list(suite) == old
