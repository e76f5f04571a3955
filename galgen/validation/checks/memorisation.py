"""Memorisation: whether generated catalogues are nearer to training than to held-out ones.

If generated catalogues are new, training and held-out catalogues are alike to them, and the nearest
of all of them is one of the n_train training catalogues with probability n_train / (n_train +
n_held). A larger fraction says that the mock repeats what it was trained on. Two distances:

- **Summaries**: Euclidean, between the standardised vectors of xi, P and ln N
  (:mod:`galgen.validation.checks.two_sample`). They do not depend on where points are.
- **Points**: 1 - c with c the greatest correlation of two clouds over all translations::

      c = max_s  sum_k F_k G_k* exp(i k . s) / (sum_k |F_k|² sum_k |G_k|²)^1/2,
      F_k = sum_j exp(-i k . x_j),    0 < max |n| <= 5,  k = 2 pi n / L

  and over the 48 symmetries of the cube where the box is one, for training augments by both. The
  order of points is gone in the sum, and translation in the maximum, found on a mesh of 16 cells.
  A copy has c = 1. It is taken for the six nearest by summaries of training and held-out
  together: the most alike is one of training with the same probability.

The null is held-out itself: each of its catalogues against training and the rest of held-out. The
draws of a mock at the very cosmologies of held-out are closer to held-out than chance, if anything:
the excess of training is then a lower bound.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex, Float, Int
from scipy import fft
from scipy.spatial.distance import cdist

from galgen.data.catalogue import Catalogue

GREATEST_MODE = 5
MESH = 16
CANDIDATES = 6
COPY = 0.9
MOST_CLOUDS = 64


def _symmetries() -> Int[np.ndarray, "48 modes"]:
    """Where each flattened amplitude comes from under the 48 symmetries, the identity first."""
    side = 2 * GREATEST_MODE + 1
    index = np.arange(side**3).reshape(side, side, side)
    return np.stack(
        [
            index.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)].ravel()
            for axes in itertools.permutations(range(3))
            for signs in itertools.product((1, -1), repeat=3)
        ]
    )


def _places() -> Int[np.ndarray, " modes"]:
    """Where each flattened amplitude goes on the mesh of the Fourier transform."""
    wrapped = np.arange(-GREATEST_MODE, GREATEST_MODE + 1) % MESH
    return np.arange(MESH**3).reshape(MESH, MESH, MESH)[np.ix_(wrapped, wrapped, wrapped)].ravel()


SYMMETRIES, PLACES = _symmetries(), _places()


@dataclasses.dataclass(frozen=True)
class Memorisation:
    """Generated catalogues nearer to training than to held-out.

    Attributes:
        fraction: of generated whose nearest catalogue by summaries is one of training.
        error: binomial standard error of the fraction at its expected value.
        expected: of a mock that repeats nothing.
        null: the fraction for held-out catalogues; theirs is expected ``null_expected``.
        null_expected: n_train / (n_train + n_held - 1).
        point_fraction: most alike to a training catalogue by points; the same is expected.
        point_error: its binomial standard error.
        likeness: mean over generated of the greatest c.
        copies: fraction of generated most alike to a training catalogue and with c > 0.9.
        training, held_out: catalogues that entered.
    """

    fraction: float
    error: float
    expected: float
    null: float
    null_expected: float
    point_fraction: float
    point_error: float
    likeness: float
    copies: float
    training: int
    held_out: int

    @property
    def excess(self) -> float:
        """How many errors the fraction is above the expected one."""
        return (self.fraction - self.expected) / self.error


def measure_memorisation(
    vectors: tuple[np.ndarray, np.ndarray, np.ndarray],
    sets: tuple[Sequence[Catalogue], Sequence[Catalogue], Sequence[Catalogue]],
) -> Memorisation:
    """Generated, held-out and training, in this order, as standard vectors and as catalogues."""
    rows = [np.flatnonzero(np.isfinite(v).all(axis=1)) for v in vectors]
    mock, truth, training = (v[r] for v, r in zip(vectors, rows, strict=True))
    to_training, to_truth = cdist(mock, training), cdist(mock, truth)
    number, known = len(truth), len(training)
    expected = known / (known + number)
    within = cdist(truth, truth) + np.diag(np.full(number, np.inf))
    best, likeness = _most_alike(
        [[each[int(i)] for i in r] for each, r in zip(sets, rows, strict=True)],
        np.concatenate([to_training, to_truth], axis=1),
    )
    error = float(np.sqrt(expected * (1 - expected)))
    return Memorisation(
        fraction=float(np.mean(to_training.min(axis=1) < to_truth.min(axis=1))),
        error=error / float(np.sqrt(len(mock))),
        expected=expected,
        null=float(np.mean(cdist(truth, training).min(axis=1) < within.min(axis=1))),
        null_expected=known / (known + number - 1),
        point_fraction=float(np.mean(best < known)),
        point_error=error / float(np.sqrt(len(best))),
        likeness=float(likeness.mean()),
        copies=float(np.mean((best < known) & (likeness > COPY))),
        training=known,
        held_out=number,
    )


def _most_alike(
    sets: Sequence[Sequence[Catalogue]], distance: Float[np.ndarray, "generated known"]
) -> tuple[Int[np.ndarray, " some"], Float[np.ndarray, " some"]]:
    """The known cloud most alike to each generated one among its nearest, and their c."""
    mock, known = sets[0], [*sets[2], *sets[1]]
    cache: dict[int, np.ndarray] = {}
    cube = np.allclose(mock[0].box, mock[0].box[0])
    best, likeness = [], []
    for index, cloud in enumerate(mock[:MOST_CLOUDS]):
        own = fourier_amplitudes(cloud.positions, cloud.box)
        nearest = [int(i) for i in np.argsort(distance[index])[:CANDIDATES]]
        for i in nearest:
            if i not in cache:
                cache[i] = fourier_amplitudes(known[i].positions, known[i].box)
        found = [greatest_correlation(own, cache[i], cube) for i in nearest]
        best.append(nearest[int(np.argmax(found))])
        likeness.append(max(found))
    return np.array(best), np.array(likeness)


def fourier_amplitudes(
    positions: Float[np.ndarray, "points 3"], box: tuple[float, float, float]
) -> Complex[np.ndarray, "modes modes modes"]:
    """F_k for n from -5 to 5 along each axis, by a direct sum; the mean removed, norm 1."""
    modes = np.arange(-GREATEST_MODE, GREATEST_MODE + 1)
    x, y, z = (
        np.exp(-2j * np.pi * np.outer(positions[:, axis] / box[axis], modes)) for axis in range(3)
    )
    amplitude = np.einsum("pi,pj,pk->ijk", x, y, z, optimize=True)
    amplitude[(GREATEST_MODE,) * 3] = 0
    norm = np.sqrt(np.sum(np.abs(amplitude) ** 2))
    return amplitude / norm if norm > 0 else amplitude


def greatest_correlation(
    first: Complex[np.ndarray, "modes modes modes"],
    second: Complex[np.ndarray, "modes modes modes"],
    cube: bool,
) -> float:
    """c of two clouds over all translations, and over the symmetries of the cube."""
    turned = np.conj(second.ravel()[SYMMETRIES if cube else SYMMETRIES[:1]])
    flat = np.zeros((len(turned), MESH**3), np.complex64)
    flat[:, PLACES] = first.ravel() * turned
    padded = flat.reshape(-1, MESH, MESH, MESH)
    mesh = fft.ifftn(padded, axes=(1, 2, 3), overwrite_x=True).real
    best = np.unravel_index(int(mesh.argmax()), mesh.shape)
    product = first * turned[best[0]].reshape(first.shape)
    return _refined(product, np.array(best[1:]) / MESH)


def _refined(
    product: Complex[np.ndarray, "modes modes modes"], shift: Float[np.ndarray, "3"]
) -> float:
    """The greatest value near a shift in units of the box: finer meshes around the best so far."""
    modes = np.arange(-GREATEST_MODE, GREATEST_MODE + 1)
    offsets, value = np.linspace(-1, 1, 5), 0.0
    for step in (1 / (2 * MESH), 1 / (8 * MESH)):
        shifts = shift[:, None] + step * offsets
        x, y, z = (np.exp(2j * np.pi * np.outer(each, modes)) for each in shifts)
        found = np.einsum("ijk,ai,bj,ck->abc", product, x, y, z, optimize=True).real
        best = np.unravel_index(int(found.argmax()), found.shape)
        shift = shifts[np.arange(3), list(best)]
        value = float(found[best])
    return value
