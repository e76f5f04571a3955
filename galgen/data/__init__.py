"""Catalogues and suites, batches of them and how they are standardised; toys and digits."""

from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_io import read_catalogue, write_catalogue
from galgen.data.suite import Suite, write_suite

__all__ = ["Catalogue", "Suite", "read_catalogue", "write_catalogue", "write_suite"]
