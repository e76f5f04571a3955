"""Subfind: a file of the layout of CAMELS in ../shared/data, and files by h5py in that layout."""

import h5py
import numpy as np
import pytest
from raw_layouts import SHARED, haloes, write_subfind

from data_prep.subfind import SubfindSource
from galgen.errors import InputError


def read(path, **options):
    return list(SubfindSource(inputs=(path,), output=path / "unused.h5", **options).boxes())


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("objects", ["haloes", "subhaloes"])
def test_objects_in_our_units(tmp_path, files, objects):
    found = haloes()
    first = write_subfind(tmp_path / "LH_1", found, 1.0, files=files)
    for place in (first, first.parent):
        (catalogue,) = read(place, objects=objects)
        np.testing.assert_allclose(catalogue.positions, found["position"], rtol=1e-6)
        np.testing.assert_allclose(catalogue.velocities, found["velocity"], rtol=1e-6)
        np.testing.assert_allclose(catalogue.columns["mass"], found["mass"], rtol=1e-6)
        assert catalogue.box == (100.0,) * 3 and catalogue.redshift == 1.0
        assert catalogue.cosmology == {"omega_m": 0.3, "h": 0.6711}
        assert catalogue.provenance["objects"] == objects


def test_fields_and_conventions(tmp_path):
    found = haloes()
    path = write_subfind(tmp_path, found, 1.0)
    (catalogue,) = read(path, mass="Group_M_Crit200")
    np.testing.assert_allclose(catalogue.columns["mass"], found["mass"] / 2, rtol=1e-6)
    (catalogue,) = read(path, objects="subhaloes", columns="stars=SubhaloMassType[4]")
    np.testing.assert_allclose(catalogue.columns["stars"], 0.2 * found["mass"], rtol=1e-6)
    assert catalogue.units["stars"] == "Msun/h"
    for convention, factor in (("peculiar", 0.5), ("sqrt_a", 0.5**1.5)):
        (catalogue,) = read(path, velocity=convention)
        np.testing.assert_allclose(catalogue.velocities, factor * found["velocity"], rtol=1e-6)
    with pytest.raises(InputError, match=r"groups_090\.hdf5: .*field Group/Spin, got \['GroupM"):
        read(path, columns="spin=Spin")


LENGTH, MASS, NEITHER = (1e-3, "Mpc/h"), (1e10, "Msun/h"), (1.0, "")


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("SubhaloCM", LENGTH),
        ("SubhaloHalfmassRad", LENGTH),
        ("SubhaloHalfmassRadType", LENGTH),
        ("SubhaloVmaxRad", LENGTH),
        ("SubhaloStellarPhotometricsRad", LENGTH),
        ("Group_R_Crit200", LENGTH),
        ("SubhaloMassInRad", MASS),
        ("SubhaloMassInRadType", MASS),
        ("SubhaloMassInHalfRad", MASS),
        ("SubhaloMassInMaxRadType", MASS),
        ("SubhaloStellarPhotometricsMassInRad", MASS),
        ("Group_M_Crit200", MASS),
        ("GroupMassType", MASS),
        ("SubhaloSFRinRad", NEITHER),
        ("SubhaloSFRinHalfRad", NEITHER),
        ("SubhaloGasMetallicityMaxRad", NEITHER),
    ],
)
def test_units_by_the_name_of_a_field(tmp_path, field, unit):
    """Names of IllustrisTNG's list of fields: a mass within a radius is no length."""
    path = write_subfind(tmp_path, haloes())
    group = "Subhalo" if field.startswith("Subhalo") else "Group"
    stored = np.linspace(1.0, 9.0, 400)
    with h5py.File(path, "r+") as file:
        if f"{group}/{field}" in file:
            del file[f"{group}/{field}"]
        file[f"{group}/{field}"] = stored
    objects = "subhaloes" if group == "Subhalo" else "haloes"
    (catalogue,) = read(path, objects=objects, columns=f"value={field}")
    np.testing.assert_allclose(catalogue.columns["value"], unit[0] * stored, rtol=1e-12)
    assert catalogue.units["value"] == unit[1]


@pytest.mark.parametrize("objects", ["haloes", "subhaloes"])
def test_headers_of_gadget_4(tmp_path, objects):
    """It counts Nsubhalos, and keeps the cosmology in /Parameters."""
    found = haloes()
    first = write_subfind(tmp_path, found, files=2)
    for path in tmp_path.iterdir():
        with h5py.File(path, "r+") as file:
            header, parameters = file["Header"].attrs, file.create_group("Parameters").attrs
            for end in ("ThisFile", "Total"):
                header[f"Nsubhalos_{end}"] = np.uint64(header[f"Nsubgroups_{end}"])
                del header[f"Nsubgroups_{end}"]
            for name in ("Omega0", "OmegaLambda", "HubbleParam"):
                parameters[name] = header[name]
                del header[name]
    (catalogue,) = read(first, objects=objects)
    np.testing.assert_allclose(catalogue.columns["mass"], found["mass"], rtol=1e-6)
    assert catalogue.cosmology == {"omega_m": 0.3, "h": 0.6711}
    with h5py.File(first, "r+") as file:
        del file["Header"].attrs["Nsubhalos_Total"]
    with pytest.raises(InputError, match="'Nsubgroups_Total' or 'Nsubhalos_Total' of Header, got"):
        read(first, objects="subhaloes")


def test_lengths_in_another_unit(tmp_path):
    found = haloes(side=100.0)
    path = write_subfind(tmp_path / "mpc", found, length=1.0)
    with pytest.raises(InputError, match=r"'BoxSize' in kpc/h, got 100, .* --length-unit Mpc/h"):
        read(path)
    (catalogue,) = read(path, length_unit="Mpc/h")
    np.testing.assert_allclose(catalogue.positions, found["position"], rtol=1e-6)
    path = write_subfind(tmp_path / "kpc", found)
    with h5py.File(path, "r+") as file:
        file["Header"].attrs["BoxSize"] = 1e3
    with pytest.raises(InputError, match=r"groups_090.hdf5: .*column 'x' in \[0, 1\) .*kpc/h"):
        read(path)
    with h5py.File(path, "r+") as file:
        file["Header"].attrs["BoxSize"] = 1e8
    with pytest.raises(InputError, match=r"fill a box of 100000 Mpc/h, got 'x' within 99"):
        read(path)


def test_masses_and_velocities_in_another_unit(tmp_path):
    found = haloes(4000, 500.0, 260.0)
    path = write_subfind(tmp_path, found, 1.0, side=500.0)
    assert len(read(path)) == 1
    # At redshift 1 GroupVel of AREPO, taken for peculiar, is twice too slow.
    with pytest.raises(InputError, match=r"'vx', .*got 1[23]\d .*velocities multiplied by a"):
        read(path, velocity="peculiar")
    with h5py.File(path, "r+") as file:
        file["Group/GroupMass"][...] *= 1e10
    with pytest.raises(InputError, match=r"groups_090.hdf5: .*'mass' in Msun/h.*1e10 Msun/h\?"):
        read(path)


def test_damage_is_named(tmp_path):
    path = write_subfind(tmp_path, haloes(), files=2)
    second = tmp_path / "groups_090.1.hdf5"
    whole = second.read_bytes()
    second.write_bytes(whole[:-100])
    with pytest.raises(InputError, match=r"groups_090\.1\.hdf5, got a file that HDF5 cannot open"):
        read(path)
    second.write_bytes(whole)
    with h5py.File(second, "r+") as file:
        values = file["Group/GroupMass"][1:]
        del file["Group/GroupMass"]
        file["Group/GroupMass"] = values
    with pytest.raises(InputError, match=r"090\.1\.hdf5: expected 200 values of Group/GroupMass"):
        read(path)
    second.write_bytes(whole)
    with h5py.File(second, "r+") as file:
        file["Header"].attrs["Omega0"] = 0.25
    with pytest.raises(
        InputError, match=r"2 files of one snapshot, .* got 2 with 2 different head"
    ):
        read(path)
    second.unlink()
    with pytest.raises(InputError, match=r"2 files of one snapshot, .* got 1 .*that are missing"):
        read(path)
    with h5py.File(path, "r+") as file:
        del file["Header"].attrs["NumFiles"]
    with pytest.raises(InputError, match=r"attribute 'NumFiles' .*is it a group catalogue\?"):
        read(path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent.hdf5")
    (tmp_path / "snap_090.hdf5").write_bytes(whole)
    with pytest.raises(InputError, match=r"a Subfind catalogue with a name like .*another format"):
        read(tmp_path / "snap_090.hdf5")


def test_no_objects(tmp_path):
    path = write_subfind(tmp_path, haloes(0))
    with pytest.raises(InputError, match=r"some haloes in .*, got 0; take another snapshot"):
        read(path)


def test_the_shared_file_of_the_layout_of_camels():
    folder = SHARED / "formats_synthetic" / "camels_subfind"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, absent here")
    (catalogue,) = read(folder)
    with h5py.File(folder / "fof_subhalo_tab_090.hdf5") as file:
        np.testing.assert_allclose(catalogue.positions, file["Group/GroupPos"][()] / 1e3, rtol=1e-6)
    assert len(catalogue) == 500 and catalogue.box == (25.0,) * 3
    (subhaloes,) = read(folder, objects="subhaloes")
    assert subhaloes.columns["mass"].max() < catalogue.columns["mass"].max() * 1.01
