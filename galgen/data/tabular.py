"""Catalogues as tables of astropy and pandas, with their units and what else is known of them."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from galgen.errors import InputError
from galgen.units import astropy_unit


class Tabular:
    """A dataclass of columns by name, of their units, and of what is true of all rows.

    Attributes:
        columns: one number per row each, by name.
        units: of every column, by name.
    """

    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str]

    def to_table(self) -> Any:
        """A copy as an ``astropy.table.Table``: columns with units, all else in its ``meta``.

        h is ``astropy.cosmology.units.littleh``, and never an hour; what is no unit of astropy is
        one that it does not recognise.
        """
        from astropy.table import Table

        table = Table(dict(self.columns), meta=self._metadata())
        for name, unit in self.units.items():
            if unit:
                table[name].unit = astropy_unit(unit)
        return table

    def to_pandas(self) -> Any:
        """A copy as a ``pandas.DataFrame``: units and all else are in its ``attrs``.

        Raises:
            InputError: if pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise InputError("expected pandas, got none installed; pip install pandas") from error
        frame = pandas.DataFrame(dict(self.columns))
        frame.attrs = {"units": dict(self.units), **self._metadata()}
        return frame

    def _metadata(self) -> dict[str, Any]:
        """What is true of all rows, in values that YAML and JSON have."""
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        rest = {n: getattr(self, n) for n in names if n not in ("columns", "units")}
        return json.loads(json.dumps(rest))
