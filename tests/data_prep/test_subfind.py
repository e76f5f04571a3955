"""Subfind: a file of the layout of CAMELS in ../shared/data, and files by h5py in that layout."""

import h5py
import numpy as np
import pytest
from raw_layouts import SHARED, haloes, write_subfind

from data_prep.simulations.subfind import SubfindSource
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
    with pytest.raises(InputError, match=r"fill a box of 100000 Mpc/h, got all within 99"):
        read(path)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_attributes_may_be_arrays_of_one_element(tmp_path, shape):
    """As CAMELS has them of Astrid."""
    found = haloes()
    path = write_subfind(tmp_path, found)
    with h5py.File(path, "r+") as file:
        attributes = file["Header"].attrs
        for name in list(attributes):
            attributes[name] = np.full(shape, attributes[name])
    (catalogue,) = read(path)
    np.testing.assert_allclose(catalogue.columns["mass"], found["mass"], rtol=1e-6)
    assert catalogue.box == (100.0,) * 3 and catalogue.redshift == 0
    for name in ("BoxSize", "Omega0", "NumFiles", "Redshift"):
        with h5py.File(path, "r+") as file:
            value = file["Header"].attrs[name]
            file["Header"].attrs[name] = np.full(2, 1 if name == "NumFiles" else 0.5)
        with pytest.raises(InputError, match=rf"hdf5: .*one value in attribute '{name}' of Header"):
            read(path)
        with h5py.File(path, "r+") as file:
            file["Header"].attrs[name] = value


MPC, KPC, SUN = 3.085678e24, 3.085678e21, 1.989e33
GADGET = {"UnitLength_in_cm": MPC, "UnitMass_in_g": SUN, "UnitVelocity_in_cm_per_s": 1e8}


def state(path, place, **attributes):
    with h5py.File(path, "r+") as file:
        holder = file[place] if place in file else file.create_group(place)
        holder.attrs.update(attributes)


def test_units_of_the_file_are_heard(tmp_path):
    """A box of 2000 Mpc/h of Gadget-4 is not one of 2 Mpc/h."""
    found = haloes(side=2000.0)
    changed = {**found, "mass": found["mass"] * np.float32(1e10)}
    changed["velocity"] = found["velocity"] / np.float32(1e3)
    path = write_subfind(tmp_path, changed, side=2000.0, length=1.0)
    state(path, "Parameters", **GADGET)
    (catalogue,) = read(path)
    assert catalogue.box == (2000.0,) * 3
    np.testing.assert_allclose(catalogue.positions, found["position"], rtol=1e-6)
    np.testing.assert_allclose(catalogue.velocities, found["velocity"], rtol=1e-6)
    np.testing.assert_allclose(catalogue.columns["mass"], found["mass"], rtol=1e-6)
    assert catalogue.provenance["assumed"] == "velocities as AREPO's (GroupVel times a)"
    assert read(path, length_unit="Mpc/h")[0] == catalogue
    with pytest.raises(InputError, match=r"one unit of length, 1 Mpc/h .* --length-unit kpc/h"):
        read(path, length_unit="kpc/h")
    state(path, "Header", UnitLength_in_cm=KPC)
    with pytest.raises(InputError, match=r"one unit of length, 1 Mpc/h .*'UnitLength_in_cm'"):
        read(path)


ATTRIBUTES = [
    {"to_cgs": MPC, "a_scaling": 1.0, "h_scaling": -1.0},
    {"CGSConversionFactor": MPC, "aexp-scale-exponent": 1.0, "h-scale-exponent": -1.0},
    {"units": "cMpc/h"},
    {"Units": np.bytes_("h^-1 Mpc")},
]


@pytest.mark.parametrize("attributes", ATTRIBUTES, ids=lambda found: next(iter(found)))
def test_units_of_a_field_are_heard(tmp_path, attributes):
    found = haloes(side=2000.0)
    path = write_subfind(tmp_path, found, 1.0, side=2000.0, length=1.0)
    state(path, "Group/GroupPos", **attributes)
    (catalogue,) = read(path)
    assert catalogue.box == (2000.0,) * 3
    np.testing.assert_allclose(catalogue.positions, found["position"], rtol=1e-6)
    assert "lengths" not in catalogue.provenance["assumed"]
    state(path, "Group/GroupPos", unit="km/s")
    with pytest.raises(InputError, match=r"hdf5: .*Group/GroupPos .*converts to Mpc/h"):
        read(path)


@pytest.mark.parametrize("unit", ["Mpc", "Mpc/h"])
def test_lengths_without_h_are_multiplied_by_it(tmp_path, unit):
    found = haloes()
    path = write_subfind(tmp_path, found, length=1.0)
    state(path, "Group/GroupPos", unit=unit)
    factor = 0.6711 if unit == "Mpc" else 1.0
    (catalogue,) = read(path)
    np.testing.assert_allclose(catalogue.positions, found["position"] * factor, rtol=1e-6)
    assert catalogue.box == pytest.approx((100.0 * factor,) * 3)


@pytest.mark.parametrize(("power", "factor"), [(-1.0, 1.0), (0.0, 0.5), (0.5, 0.5**1.5)])
@pytest.mark.parametrize("as_text", [True, False])
def test_the_power_of_the_scale_factor_is_heard(tmp_path, power, factor, as_text):
    found = haloes()
    path = write_subfind(tmp_path, found, 1.0)
    texts = {-1.0: "km/s/a", 0.0: "km/s a^0", 0.5: "km sqrt(a)/s"}
    attributes = {"to_cgs": 1e5, "a_scaling": power, "h_scaling": 0.0}
    state(path, "Group/GroupVel", **({"unit": texts[power]} if as_text else attributes))
    (catalogue,) = read(path)
    np.testing.assert_allclose(catalogue.velocities, factor * found["velocity"], rtol=1e-6)
    assert "velocities" not in catalogue.provenance["assumed"]
    other = "peculiar" if power else "arepo"
    with pytest.raises(InputError, match=rf"times a\^{power:g} to be pec.* --velocity {other}"):
        read(path, velocity=other)


@pytest.mark.parametrize(
    ("named", "cosmology"),
    [
        ({"OmegaBaryon": 0.049, "w0": -0.9, "wa": 0.1}, {"omega_b": 0.049, "w0": -0.9, "wa": 0.1}),
        ({"OmegaLambda": 0.6}, {"omega_k": 0.1}),
        ({"OmegaBaryon": 0.0, "Hubble": 0.1, "Omega_Radiation": 1e-4}, {}),
        ({"Sigma8": 0.8, "PrimordialIndex": 0.96}, {"sigma_8": 0.8, "n_s": 0.96}),
    ],
)
def test_the_whole_cosmology_of_a_header_is_kept(tmp_path, named, cosmology):
    path = write_subfind(tmp_path, haloes())
    state(path, "Header" if "OmegaLambda" in named else "Parameters", **named)
    (catalogue,) = read(path)
    assert catalogue.cosmology == pytest.approx({"omega_m": 0.3, "h": 0.6711} | cosmology)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Redshift", -7.0, "'Redshift' between"),
        ("Redshift", np.nan, "'Redshift' between"),
        ("Time", -1.0, "'Time' 1 /"),
        ("Time", np.nan, "'Time' 1 /"),
        ("BoxSize", np.inf, "BoxSize"),
        ("BoxSize", 1e12, "'BoxSize' above 0 and below"),
        ("Omega0", -5.0, "Omega0 between"),
        ("HubbleParam", -5.0, "HubbleParam between"),
        ("OmegaDark", 0.1, "'OmegaDark', an unknown one"),
        ("w", 1e30, "w between"),
        ("NumFiles", 1.5, "whole number in attribute 'NumFiles'"),
        ("Ngroups_Total", -1, "whole number in attribute 'Ngroups_Total'"),
        ("BoxSize", "large", "a number in attribute 'BoxSize'"),
        ("UnitLength_in_cm", 0.0, "a unit of length in UnitLength_in_cm"),
        ("UnitLength_in_cm", np.nan, "a unit of length in UnitLength_in_cm"),
    ],
)
def test_headers_that_cannot_be_true_are_refused(tmp_path, name, value, said):
    path = write_subfind(tmp_path, haloes())
    state(path, "Header", **{name: value})
    with pytest.raises(InputError, match=rf"groups_090\.hdf5: .*{said}"):
        read(path)


def test_identifiers_keep_every_bit(tmp_path):
    path = write_subfind(tmp_path, haloes())
    ids = {"id": np.arange(400, dtype=np.int64) + 2**62, "u": np.arange(400, dtype="u8") + 2**63}
    with h5py.File(path, "r+") as file:
        file["Group/GroupID"], file["Group/GroupU"] = ids["id"], ids["u"].astype(">u8")
    (catalogue,) = read(path, columns="id=GroupID,u=GroupU")
    for name, values in ids.items():
        assert catalogue.columns[name].dtype == values.dtype
        np.testing.assert_array_equal(catalogue.columns[name], values)


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
    with pytest.raises(InputError, match=r"same header .* in .*090\.1\.hdf5 than in .*090\.0"):
        read(path)
    second.unlink()
    with pytest.raises(
        InputError, match=r"2 files of one snapshot, .* got 1; copy those that are missing"
    ):
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
