"""Wrapping and nearest images, in NumPy and in JAX; mass assignment as top hats convolved."""

import jax.numpy as jnp
import numpy as np
import pytest

from galgen.mass_assignment import ORDERS, shares, window
from galgen.periodic import minimum_image, wrap


@pytest.mark.parametrize("library", [np, jnp])
def test_positions_come_into_the_box(library):
    side = np.float32(250)
    x = library.asarray([-1e-9, 0, 1, 249.5, 250, 260, -10], np.float32)
    wrapped = np.asarray(wrap(x, side))
    np.testing.assert_array_equal(wrapped, np.array([0, 0, 1, 249.5, 0, 10, 240], np.float32))


@pytest.mark.parametrize("library", [np, jnp])
def test_the_nearest_image(library):
    sides = library.asarray([100.0, 50.0])
    apart = library.asarray([[60.0, 30.0], [-60.0, 20.0], [10.0, -130.0]])
    found = np.asarray(minimum_image(apart, sides))
    np.testing.assert_allclose(found, [[-40, -20], [40, 20], [10, 20]])


@pytest.mark.parametrize("order", ORDERS)
def test_shares_are_top_hats_convolved(order):
    """The transform of the shares, over all places in a cell, is the window."""
    places = np.linspace(0, 1, 2001)[:-1] + 1 / 4000
    base = np.round(places) if order % 2 else np.floor(places)
    cells = [base - (order - 1) // 2 + step for step in range(order)]
    parts = shares(places - base, order)
    np.testing.assert_allclose(sum(parts), 1, rtol=1e-12)
    phase = np.array([0.1, 0.3, 0.45])
    apart = places - np.stack(cells)
    waves = [np.mean(np.sum(parts * np.exp(2j * np.pi * p * apart), axis=0)) for p in phase]
    np.testing.assert_allclose(np.real(waves), window(phase, order), rtol=1e-5)
