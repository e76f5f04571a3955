"""What catalogues of boxes and of the sky share: columns by name, and tables of other libraries."""

from __future__ import annotations

import dataclasses
import html
import importlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped

from galgen.errors import InputError
from galgen.units import astropy_unit


class Tabular:
    """A dataclass of columns by name, of their units, and of what is true of all rows.

    Attributes:
        columns: one number per row each, by name.
        cosmology: parameters by name.
        units: of every column, by name.
    """

    columns: Mapping[str, np.ndarray]
    cosmology: Mapping[str, float]
    units: Mapping[str, str]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        same = list(self.columns) == list(other.columns) and all(
            np.array_equal(self.columns[name], other.columns[name]) for name in self.columns
        )
        rest = self._names_of_rest()
        return same and all(getattr(self, name) == getattr(other, name) for name in rest)

    __hash__ = None  # type: ignore[assignment]

    def column(self, name: str) -> Shaped[np.ndarray, " rows"]:
        """A column by name.

        Raises:
            InputError: if there is none of that name; the message lists those present.
        """
        if name not in self.columns:
            raise InputError(
                f"expected a column {name!r}, got columns {list(self.columns)}; "
                "choose one of these or add it to the catalogue"
            )
        return self.columns[name]

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

    def _summary(self) -> dict[str, str]:
        """What a notebook shows, by heading."""
        raise NotImplementedError

    def _parameters(self) -> str:
        given = ", ".join(f"{name}={value:g}" for name, value in self.cosmology.items())
        return given or "cosmology not given"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>"
            for key, value in self._summary().items()
        )
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"

    def _names_of_rest(self) -> list[str]:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return [field.name for field in fields if field.name != "columns"]

    def _metadata(self) -> dict[str, Any]:
        """What is true of all rows, in values that YAML and JSON have."""
        rest = {n: getattr(self, n) for n in self._names_of_rest() if n != "units"}
        return json.loads(json.dumps(rest))
