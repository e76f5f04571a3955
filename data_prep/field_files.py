"""Density fields as other codes write them: cubes in ``.npy``, ``.npz``, HDF5 or FITS.

A flat array of n^3 numbers is a cube whose last index runs fastest. A density, or the number of
particles in each cell, becomes a contrast only when it is said to be one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32

from data_prep.tables.files import beginning_of, format_of
from galgen.arrays import NUMBERS
from galgen.data.field import MEAN, as_array_of_field
from galgen.errors import InputError
from galgen.reading import reading, regular_file
from galgen.reading.fits import open_fits
from galgen.reading.hdf5 import open_hdf5, read_numbers
from galgen.reading.numpy_files import read_npy, read_npz

WHAT = "a density field"


def read_contrast(
    path: Path, dataset: str | None = None, density: bool = False
) -> Float32[np.ndarray, "mesh mesh mesh"]:
    """The density contrast of a file, its axes as they are stored.

    Args:
        path: of the file.
        dataset: its name in HDF5 or ``.npz``, the name or number of an extension in FITS; None for
            the only cube.
        density: whether it is a density or number of particles, which is divided by its mean.

    Raises:
        InputError: if there is no such file, no cube in it, or several and none is named; for NaN,
            a contrast whose mean is not zero, or a density that is none.
    """
    with reading(regular_file(path, WHAT), WHAT):
        stored = np.squeeze(_stored(path, dataset))
        side = _side(stored.size) if stored.ndim == 1 else 0
        values = as_array_of_field(stored.reshape((side,) * 3) if side else stored)
        return _contrast(values) if density else _checked(values)


def _stored(path: Path, dataset: str | None) -> np.ndarray:
    kind = format_of(beginning_of(path), path)
    shapes: dict[str, tuple[int, ...]] = {}
    if kind == "npy":
        if dataset is not None:
            raise InputError(
                f"expected one array in .npy, got --field-dataset {dataset}; leave it out"
            )
        return read_npy(path, WHAT)
    if kind == "npz":
        arrays = read_npz(path, WHAT)
        shapes = {name: a.shape for name, a in arrays.items() if a.dtype.kind in NUMBERS}
        return arrays[_chosen(shapes, dataset)]
    if kind == "HDF5":
        with open_hdf5(path, WHAT) as file:

            def look(name: str, entry: object) -> None:
                if isinstance(entry, h5py.Dataset) and entry.dtype.kind in NUMBERS and entry.shape:
                    shapes[name] = entry.shape

            file.visititems(look)
            return read_numbers(file, _chosen(shapes, dataset and dataset.strip("/")))
    if kind == "FITS":
        with open_fits(path, WHAT) as file:
            images = {n: unit for n, unit in enumerate(file) if unit.is_image and unit.shape}
            names = {unit.name or str(n): n for n, unit in images.items()}
            if dataset is not None and dataset.isdigit() and int(dataset) in images:
                return np.array(images[int(dataset)].data)
            shapes = {name: images[n].shape for name, n in names.items()}
            return np.array(images[names[_chosen(shapes, dataset)]].data)
    raise InputError(
        f"expected {WHAT} in .npy, .npz, HDF5 or FITS, got {kind}; save the cube with numpy.save"
    )


def _chosen(shapes: Mapping[str, tuple[int, ...]], dataset: str | None) -> str:
    """The array that is named, or else the only cube, or else the only flat one of n^3."""
    cubes = [name for name, shape in shapes.items() if len(shape) == 3 and len(set(shape)) == 1]
    flat = [name for name, shape in shapes.items() if len(shape) == 1 and _side(shape[0])]
    chosen = cubes or flat if dataset is None else [dataset]
    if len(chosen) != 1 or chosen[0] not in shapes:
        wanted = "one cube" if dataset is None else f"an array {dataset!r}"
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no array"
        raise InputError(f"expected {wanted}, got {listed}; name a cube with --field-dataset")
    return chosen[0]


def _side(size: int) -> int:
    """n of n^3; 0 for a number that is no cube of 2 or more."""
    side = round(size ** (1 / 3))
    return side if side > 1 and side**3 == size else 0


def _moments(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))


def _checked(values: np.ndarray) -> np.ndarray:
    """A contrast as it is, if its mean is zero."""
    mean, spread = _moments(values)
    if abs(mean) > MEAN * spread:
        raise InputError(
            f"expected a density contrast of mean 0, got mean {mean:.3g} and standard deviation "
            f"{spread:.3g}; pass --field-density if it is a density or a number of particles"
        )
    return values


def _contrast(values: np.ndarray) -> np.ndarray:
    """rho / mean - 1."""
    mean, spread = _moments(values)
    if mean <= 0 or (values.min() < 0 and mean < spread):
        raise InputError(
            f"expected a density of positive mean, got mean {mean:.3g}, standard deviation "
            f"{spread:.3g} and values below zero; leave out --field-density if it is a contrast"
        )
    contrast = values / mean - 1
    return as_array_of_field(contrast - contrast.mean(dtype=np.float64))
