"""AbacusSummit: true bytes in ../shared/data, and files that asdf and blosc write in the layout."""

import shutil

import numpy as np
import pytest
from raw_layouts import ABACUS, SHARED, haloes, write_halo_info

from data_prep.simulations.abacus import AbacusSource
from galgen.errors import InputError
from galgen.reading import asdf as asdf_files

asdf = pytest.importorskip("asdf")
blosc = pytest.importorskip("blosc")
REAL = SHARED / "abacus" / "Mini_N64_L32" / "halos" / "z0.000"
real = pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data, absent here")


def read(path, **options):
    return list(AbacusSource(inputs=(path,), output=path / "unused.h5", **options).boxes())


def test_boxes_begin_at_their_corner_in_our_units(tmp_path):
    found = haloes(3000)
    folder = tmp_path / "Mini" / "halos" / "z0.500"
    for number, rows in enumerate(np.array_split(np.arange(3000), 2)):
        piece = {name: values[rows] for name, values in found.items()}
        write_halo_info(folder / "halo_info" / f"halo_info_{number:03d}.asdf", piece)
    for place in (folder, folder / "halo_info"):
        (catalogue,) = read(place)
        np.testing.assert_allclose(catalogue.positions, found["position"], atol=1e-5)
        np.testing.assert_allclose(catalogue.velocities, found["velocity"], rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(catalogue.columns["mass"], found["mass"], atol=0.51e10)
        assert catalogue.box == (100.0,) * 3 and catalogue.redshift == 0.5
        assert catalogue.cosmology == {"omega_m": 0.315, "h": pytest.approx(0.6736)}
        assert catalogue.provenance["simulation"] == "Mini"
    (one,) = read(folder / "halo_info" / "halo_info_001.asdf")
    assert len(one) == 3000 and one == catalogue
    (folder / "halo_info" / "halo_info_000.asdf").unlink()
    for place in (folder, folder / "halo_info" / "halo_info_001.asdf"):
        with pytest.raises(
            InputError, match=r"numbered from 0 in .*, got \[1\]; copy those missing"
        ):
            read(place)


def test_damage_is_named(tmp_path):
    path = write_halo_info(tmp_path / "halo_info_000.asdf", haloes(3000))
    whole = path.read_bytes()
    for size in (len(whole) // 2, 200, 0):
        path.write_bytes(whole[:size])
        with pytest.raises(
            InputError, match=r"halo_info_000\.asdf: expected a (whole ASDF|block)"
        ) as caught:
            read(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    with pytest.raises(InputError, match=r"no \['rvir'\] among \['N', 'v_L2com', 'x_L2com'\]"):
        read(path, columns="x=rvir")
    write_halo_info(
        path, haloes(), {name: value for name, value in ABACUS.items() if name != "Redshift"}
    )
    with pytest.raises(InputError, match=r"got none of \['Redshift'\]"):
        read(path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent")


def test_dark_energy_and_curvature_of_the_header_are_kept(tmp_path):
    path = tmp_path / "halo_info_000.asdf"
    more = {"w0": -0.8, "wa": -0.3, "w": -0.9, "Omega_DE": 0.585, "omega_b": 0.02237}
    write_halo_info(path, haloes(), ABACUS | more)
    (catalogue,) = read(path)
    right = {"omega_m": 0.315, "h": 0.6736, "w0": -0.8, "wa": -0.3, "omega_k": 0.1}
    right["omega_b"] = 0.02237 / 0.6736**2
    assert catalogue.cosmology == pytest.approx(right)
    for wrong, said in (
        ({"Redshift": -7.0}, "'Redshift' between"),
        ({"BoxSizeHMpc": 1e30}, "'BoxSizeHMpc' above 0 and below"),
        ({"H0": "fast"}, "a number in header field 'H0'"),
        ({"Omega_M": -5.0}, "Omega_M between"),
        ({"ScaleFactor": 0.5}, "'ScaleFactor' 0.6667"),
        ({"NP": 1000}, "'ParticleMassHMsun' 8.74"),
    ):
        write_halo_info(path, haloes(), {**ABACUS, **wrong} | {"VelZSpace_to_kms": 5000.0})
        with pytest.raises(InputError, match=rf"halo_info_000\.asdf: .*{said}|{said}"):
            read(path)


def test_velocities_of_another_convention(tmp_path):
    fast = haloes(3000, 100.0, 1500.0)
    path = write_halo_info(tmp_path / "halo_info_000.asdf", fast)
    with pytest.raises(InputError, match=r"halo_info_000\.asdf: .*'vx', 'vy', 'vz'"):
        read(path)


def test_without_asdf_the_extra_is_named(tmp_path, monkeypatch):
    path = write_halo_info(tmp_path / "halo_info_000.asdf", haloes())

    def refuse(name):
        raise ImportError(name, name=name)

    monkeypatch.setattr(asdf_files.importlib, "import_module", refuse)
    with pytest.raises(InputError, match=r"got no blosc; pip install 'galgen\[formats\]'"):
        read(path)


@real
def test_true_bytes():
    (catalogue,) = read(REAL)
    assert len(catalogue) == 381 and catalogue.box == (32.0,) * 3 and catalogue.redshift == 0
    particle = 10882397390.0
    np.testing.assert_allclose(catalogue.columns["mass"] / particle % 1, 0, atol=1e-6)
    assert catalogue.columns["mass"].min() == 35 * particle
    assert 100 < catalogue.velocities.std() < 300
    (centres,) = read(REAL, columns="x=x_com[0],y=x_com[1],z=x_com[2],vx=v_com[0],n=N")
    gap = np.abs(centres.positions - catalogue.positions)
    assert np.minimum(gap, 32 - gap).max() < 2
    # CompaSO writes slab by slab along x, so that pieces are ordered in it but for the wrap.
    first, *_ = np.split(catalogue.columns["x"], [127])
    assert first.max() < 12


@real
def test_true_bytes_that_were_damaged(tmp_path):
    for piece in sorted((REAL / "halo_info").glob("*.asdf")):
        shutil.copy(piece, tmp_path)
    damaged = tmp_path / "halo_info_001.asdf"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"halo_info_001\.asdf: .*block within .*truncated"):
        read(tmp_path)
