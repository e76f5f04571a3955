"""Shapes in annotations are checked at run time, in the tests only."""

from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook(["galgen", "data_prep"], "type_checker.check")

# Compilation makes the first example slow; machines differ.
settings.register_profile("galgen", deadline=None)
settings.load_profile("galgen")
