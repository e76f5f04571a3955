"""Files of HDF5, FITS, Parquet and NumPy that are damaged, or declare more than they hold."""

import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits

from galgen.errors import InputError
from galgen.reading.fits import open_fits
from galgen.reading.hdf5 import attribute, number_attribute, open_hdf5, read_numbers
from galgen.reading.numpy_files import read_npy, read_npz
from galgen.reading.parquet import open_parquet

VALUES = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def hdf5(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["g/native"], file["g/swapped"] = VALUES, VALUES.astype(">f8")
        file["g/text"], file["g/one"] = np.array([b"a"]), 1.0
        file["g/empty"] = h5py.Empty("f8")
        file["g/linked"] = h5py.ExternalLink("b.h5", "g/native")
        file["g/soft"] = h5py.SoftLink("/g/linked")
        file["g"].create_dataset("vast", (1 << 31, 4), "f8", chunks=(1024, 4), compression="gzip")
        odd = h5py.h5t.IEEE_F64LE.copy()
        odd.set_ebias(1000)
        h5py.h5d.create(file["g"].id, b"odd", odd, h5py.h5s.create_simple((3,)))
        layout = h5py.VirtualLayout((3, 4), "f8")
        layout[:] = h5py.VirtualSource("b.h5", "g/native", (3, 4))
        file["g"].create_virtual_dataset("virtual", layout)
        file.attrs.update({"one": [7], "two": [1, 2], "text": "x", "bytes": b"y"})
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["g/native"] = VALUES
    return path


def test_numbers_of_hdf5(hdf5: Path) -> None:
    with open_hdf5(hdf5, "numbers") as file:
        for name in ("native", "swapped"):
            values = read_numbers(file["g"], name, 3)
            np.testing.assert_array_equal(values, VALUES)
            assert values.dtype == np.float64
        assert attribute(file, "text") == "x" and attribute(file, "bytes") == "y"
        assert number_attribute(file, "one") == 7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("text", r"numbers in field g/text, got \|S1"),
        ("empty", "numbers in field g/empty, got nothing"),
        ("odd", "numbers in field g/odd, got float128 of another kind"),
        ("vast", "field g/vast of a size that fits a file of"),
        ("one", r"3 values of g/one, .* got shape \(\)"),
        ("linked", r"a field g/linked, got \['empty'"),
        ("soft", r"a field g/soft, got \['empty'"),
        ("virtual", "values of field g/virtual in the file itself"),
        ("none", "a field g/none, got"),
    ],
)
def test_what_is_no_array_of_numbers_in_hdf5(hdf5: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"a\.h5: .*{said}"), open_hdf5(hdf5, "x") as file:
        read_numbers(file["g"], name, 3)


def test_attributes_that_are_no_numbers(hdf5: Path) -> None:
    for name, said in (
        ("two", "one value in attribute 'two' of the file, got 2"),
        ("text", "a number in attribute 'text' of the file, got 'x'"),
        ("none", "attribute 'none' of the file, got one that cannot be read"),
    ):
        with pytest.raises(InputError, match=rf"a\.h5: .*{said}"), open_hdf5(hdf5, "x") as file:
            number_attribute(file, name)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("values", [VALUES, np.zeros((0, 3)), np.float32(3), VALUES.astype(">f8")])
def test_npy_and_npz(tmp_path: Path, order: str, mapped: bool, values: np.ndarray) -> None:
    array = np.asarray(values, order=order)
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy", mapped=mapped), array)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", first=array, second=np.arange(3))
        found = read_npz(tmp_path / "a.npz")
        assert list(found) == ["first", "second"]
        np.testing.assert_array_equal(found["first"], array)


def header_of(path: Path) -> int:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()


def test_npy_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, VALUES)
    whole = path.read_bytes()
    start = header_of(path)
    for content, said in (
        (whole[:-1], "expected 96 bytes for shape .3, 4. .* got 95"),
        (whole[: start + 8] + whole[start:], "got 104"),
        (whole.replace(b"(3, 4)", b"(3, 9)"), "expected 216 bytes"),
        (whole.replace(b"(3, 4), }         ", b"(3, 4000000000), }"), "expected 96000000000 bytes"),
        (whole.replace(b"'<f8'", b"'|O' "), "Python objects"),
        (whole.replace(b"\x01\x00", b"\x09\x00", 1), "version of .npy"),
        (whole[:20], "cannot be read"),
        (b"", "cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"a\.npy: .*{said}"):
            read_npy(path, mapped=True)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_flipped_bit_of_an_npz_is_noticed(tmp_path: Path, save) -> None:
    path = tmp_path / "a.npz"
    values = np.random.default_rng(0).random((20, 3))
    save(path, pos=values, mass=values[:, 0])
    whole = bytearray(path.read_bytes())
    silent = []
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = read_npz(path)
        except InputError as error:
            assert "a.npz" in str(error) and "\n" not in str(error)
            continue
        silent.append(place)
        for name, array in found.items():  # Dates and versions in zip headers tell nothing.
            assert array.tobytes() in (values.tobytes(), values[:, 0].tobytes()), name
    assert len(silent) < 0.2 * len(whole) / 3


def test_npz_members(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, numbers=VALUES, objects=np.array([{}], dtype=object))
    assert list(read_npz(path)) == ["numbers"]
    np.savez(path, objects=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="arrays of numbers, each with a name of its own"):
        read_npz(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vast.npy", bytes(1 << 27))
    with pytest.raises(InputError, match=r"a\.npz: expected array 'vast.npy' of a size that fits"):
        read_npz(path)


def test_fits_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    rows = np.zeros(100, [("x", "f8"), ("y", "f8")])
    fits.BinTableHDU(rows).writeto(path)
    with open_fits(path, "a table") as file:
        assert len(file[1].data) == 100
    whole = path.read_bytes()
    for content, said in (
        (whole[:-2880], "truncated"),
        (
            whole.replace(b"NAXIS2  =                  100", b"NAXIS2  =          10000000000"),
            "truncated",
        ),
        (whole[:3000], "cannot be read"),
        (b"text" * 900, "cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"a\.fits: .*({said})"), open_fits(path, "a table"):
            pass


def test_parquet_pages_have_checksums(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    table = arrow.table({"x": np.random.default_rng(0).random(1000)})
    parquet.write_table(table, path, write_page_checksum=True, compression="none")
    with open_parquet(path, "a table") as file:
        assert file.read() == table
    whole = bytearray(path.read_bytes())
    whole[4000] ^= 1
    path.write_bytes(whole)
    with pytest.raises(InputError, match=r"a\.parquet: .*CRC"), open_parquet(path, "a") as file:
        file.read()
    vast = arrow.array(np.zeros(1 << 24)).dictionary_encode()
    parquet.write_table(arrow.table({"x": vast}), path)
    with pytest.raises(InputError, match=r"rows \(num_rows\) of a size"), open_parquet(path, "a"):
        pass


@pytest.mark.parametrize("opened", [open_hdf5, open_fits, open_parquet])
def test_only_files_are_opened(tmp_path: Path, opened) -> None:
    pytest.importorskip("pyarrow")
    with (
        pytest.raises(InputError, match=r"table at .*, got a folder"),
        opened(tmp_path, "a table"),
    ):
        pass
    text = tmp_path / "a.txt"
    text.write_text("no table at all, but text\n" * 99)
    with pytest.raises(InputError, match=r"a\.txt.*cannot"), opened(text, "a table"):
        pass
