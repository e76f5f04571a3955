"""The packages of statistics export what their public functions take and speak of."""

import importlib
import inspect
import pkgutil
import re

import pytest

PACKAGES = ("pairs", "fourier", "counts", "sky")


def package_of(name):
    return importlib.import_module(f"galgen.statistics.{name}")


def public_objects(package):
    """Functions and objects that the rooms of a package define, by name."""
    found = {}
    for room in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        module = importlib.import_module(room.name)
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", "").startswith(package.__name__)
            if ours and not name.startswith("_"):
                found[name] = value
    return found


@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_docstring_names_is_exported(name):
    """In double backticks, as what may be passed: ``sums_by_tiles``, ``sphere_counts_by_tree``."""
    package = package_of(name)
    known, missing, seen = public_objects(package), set(), 0
    for exported in package.__all__:
        for word in re.findall(r"``(\w+)``", inspect.getdoc(getattr(package, exported)) or ""):
            seen += word in known
            missing |= {word} & set(known) - set(package.__all__)
    assert not missing
    assert seen or name in ("fourier", "sky")


@pytest.mark.parametrize("name", PACKAGES)
def test_defaults_of_public_functions_are_exported(name):
    package = package_of(name)
    values = [getattr(package, exported) for exported in package.__all__]
    assert len(values) == len(set(package.__all__))
    for value in filter(inspect.isfunction, values):
        for parameter in inspect.signature(value).parameters.values():
            default = parameter.default
            if getattr(default, "__module__", "").startswith(package.__name__):
                assert any(default is other for other in values), (value, parameter)


def test_named_alternatives_are_exported():
    fourier, pairs, counts = map(package_of, ("fourier", "pairs", "counts"))
    orders = [
        resampler.order
        for resampler in (
            fourier.NEAREST_GRID_POINT,
            fourier.CLOUD_IN_CELL,
            fourier.TRIANGULAR_SHAPED_CLOUD,
            fourier.PIECEWISE_CUBIC_SPLINE,
        )
    ]
    assert orders == [1, 2, 3, 4]
    assert {"lattice_centers", "mean_in_bins"} <= set(counts.__all__)
    assert {"as_points", "Points", "PairQuantity", "Product"} <= set(pairs.__all__)
