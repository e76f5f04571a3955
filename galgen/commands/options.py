"""Options that mean the same in every command."""

from __future__ import annotations

from typing import Annotated, TypeVar

import tyro

Value = TypeVar("Value")

Output = Annotated[Value, tyro.conf.arg(aliases=("-o",))]
"""Where a command writes: ``--output`` or ``-o``."""
Number = Annotated[Value, tyro.conf.arg(aliases=("-n",))]
"""How many catalogues: ``--number`` or ``-n``."""
