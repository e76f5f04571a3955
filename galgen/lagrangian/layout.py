"""What networks, grids and draws agree on: channels, columns, and scales in units of R."""

from __future__ import annotations

import numpy as np

PAD = 2
"""Blocks on each side that the encoder needs."""
NEAR_Q = (0.38, 0.61, 0.91, 1.3, 1.8)
"""Widths of the Gaussian sums on the initial grid, in R."""
NEAR_X = (0.23, 0.46, 0.76)
"""And where matter is carried to."""
REACH = 8
"""Cells, along each axis and in distance, beyond which haloes do not count."""
SEPARATION = 4.8
"""Unit of lengths between haloes, in R."""
MASS_KNOTS = np.linspace(-4.0, 4.0, 33, dtype=np.float32)
"""Standardised masses between which they are interpolated."""
FEW = 0.05
"""Added to sums before their logs."""
START = -7.5
"""Of log lambda."""
LOWEST, HIGHEST = -9.0, 3.0
"""Of the log of the rate of births over lambda."""
CELL = 0.594
"""Side of a cell [R] that log lambda is of; that of others is in proportion to their volume."""
WAVES = 9
"""Components of further displacements."""
INPUTS = 8 + 4 + WAVES
"""Channels that the encoder reads of a block: densities, spheres, waves; displacements follow."""
COLUMNS = 7
"""Marks of a halo: offset, mass, speed."""
