"""Which columns of a table are positions, velocities and mass, where its names leave no doubt."""

from __future__ import annotations

from data_prep.raw_table import RawTable, alike
from galgen.data.catalogue import POSITIONS, VELOCITIES
from galgen.errors import InputError

VECTORS = {
    POSITIONS: (
        "pos",
        "position",
        "positions",
        "xyz",
        "coord",
        "coords",
        "coordinate",
        "coordinates",
        "points",
        "x",
    ),
    VELOCITIES: ("vel", "velocity", "velocities", "vels", "vxyz"),
}
"""Names of columns of three components, without case."""
MASSES = ("mass", "masses")


def obvious_columns(table: RawTable) -> dict[str, str]:
    """The galgen names of columns, and which they are, for ``--columns`` that is not given.

    Positions are ``x``, ``y``, ``z``, or all three in upper case, or a column of vectors that is
    called so; or the columns 0, 1, 2 of three without names. Velocities and mass are taken where
    their names are as plain.

    Raises:
        InputError: if no positions are found.
    """
    found = _triple(table, POSITIONS)
    if found is None and table.numbered and len(table.names) == 3:
        return dict(zip(POSITIONS, table.names, strict=True))
    if found is None:
        example = "x=0,y=1,z=2" if table.numbered else "x=POS_X,y=POS_Y,z=POS_Z or x=pos[0],..."
        raise InputError(
            f"expected columns x, y, z or one of positions, such as pos, in {table.where}, got "
            f"{list(table.names)}; name them with --columns, e.g. {example}"
        )
    chosen = dict(zip(POSITIONS, found, strict=True))
    velocities = _triple(table, VELOCITIES)
    if velocities is not None:
        chosen |= dict(zip(VELOCITIES, velocities, strict=True))
    masses = [name for name in table.names if alike(name) in MASSES]
    return chosen | ({"mass": masses[0]} if len(masses) == 1 else {})


def _triple(table: RawTable, names: tuple[str, str, str]) -> list[str] | None:
    """Three columns by their names, or the components of one."""
    for spelled in (names, tuple(name.upper() for name in names)):
        if all(table.names.count(name) == 1 for name in spelled):
            columns = () if table.flat else table.columns(spelled)
            if all(column.values.ndim == 1 for column in columns):
                return list(spelled)
    for name in () if table.flat else VECTORS[names]:
        place = table.place(name)
        if place is None:
            continue
        shape = table.read([place])[0].values.shape
        if len(shape) == 2 and shape[1] == 3:
            return [f"{table.names[place]}[{axis}]" for axis in range(3)]
        if len(shape) == 2 and shape[0] == 3:
            raise InputError(
                f"expected {table.names[place]!r} of {table.where} as (points, 3), got {shape}; "
                "transpose it"
            )
    return None
