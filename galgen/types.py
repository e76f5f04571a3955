"""The vocabulary that every floor shares: shapes and the batch.

Shape names used in annotations across the library::

    batch     catalogues (examples) in a batch
    points    rows of a padded catalogue
    features  columns of a row
    condition parameters that a model is conditioned on, e.g. Omega_m and sigma_8
    *cells    of a mesh over the unit box, a number for each axis
    *event    whatever one example is: (features,), (points, features), (28, 28, 1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flax.struct
import numpy as np
from jaxtyping import Array, Bool, Float

if TYPE_CHECKING:
    HostOrDevice = Any
else:
    # NumPy from the loader, JAX on the device: one batch, which the type checker need not tell.
    HostOrDevice = Array | np.ndarray

Params = Any
"""A pytree of network weights, as Flax Linen's ``init`` returns it."""


@flax.struct.dataclass
class Batch:
    """What a model sees: standardised, padded to a common number of points; NumPy or JAX arrays.

    ========= ================================ ==========================================
    field     shape                            meaning
    ========= ================================ ==========================================
    x         ``(batch, *event)``              standardised data; padded rows are zero
    mask      ``(batch, points)`` or None      True where a row is real
    condition ``(batch, condition)`` or None   standardised parameters
    weight    ``(batch,)`` or None             how often each example counts in a loss: 0 for one
                                               that only fills up the batch; None for once
    field     ``(batch, *cells, channels)``    what each example comes from, standardised, at the
              or None                          centres of cells of the unit box
    ========= ================================ ==========================================
    """

    x: Float[HostOrDevice, "batch *event"]
    mask: Bool[HostOrDevice, "batch points"] | None = None
    condition: Float[HostOrDevice, "batch condition"] | None = None
    weight: Float[HostOrDevice, " batch"] | None = None
    field: Float[HostOrDevice, "batch *cells channels"] | None = None
