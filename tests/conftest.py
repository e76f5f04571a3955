"""Shapes in annotations are checked at run time, in the tests only."""

import functools
import inspect

import jaxtyping
from hypothesis import settings
from jaxtyping import install_import_hook


def but_for_checked_classes(jaxtyped):
    """``jaxtyped``, but for constructors that check their fields: they take more than the types.

    Nor for what checks them, which knows no shapes and is called for every field.
    """

    @functools.wraps(jaxtyped)
    def decorate(found=None, **options):
        if found is None:
            return functools.partial(decorate, **options)
        checked = inspect.isclass(found) and getattr(found, "is_checked", False)
        if checked or getattr(found, "__module__", None) == "galgen.checked":
            return found
        return jaxtyped(found, **options)

    return decorate


jaxtyping.jaxtyped = but_for_checked_classes(jaxtyping.jaxtyped)
install_import_hook(["galgen", "data_prep"], "type_checker.check")

# Compilation makes the first example slow; machines differ.
settings.register_profile("galgen", deadline=None)
settings.load_profile("galgen")
