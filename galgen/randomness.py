"""Every random stream of galgen: one for each role of a seed.

A seed says which numbers are drawn, a role what they are drawn for. Two roles that started from the
same generator would draw the same numbers: reference points would fall on truths, the number of
points of a catalogue would follow its cosmology. So no room starts a generator by a seed alone. The
stream of a role is that of ``numpy.random.SeedSequence`` with 128 bits of entropy, the first of the
SHA-256 of the role's label, the seed and the numbers that follow it::

    entropy = SHA-256("galgen: order of examples: 0: 3")[:128 bits]     seed 0, epoch 3

The label is hashed with the numbers, so that (seed 0, number 1) and (seed 1, number 0) differ, and
none of these streams is ``numpy.random.default_rng(seed)`` or ``jax.random.key(seed)``, which are
the user's own. The same seed gives the same numbers on every machine.

:data:`FIXED` lists the few streams that start otherwise, because finished work would change.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from galgen.errors import InputError

if TYPE_CHECKING:
    import jax


class Role(enum.Enum):
    """What a stream is drawn for; the value is the label that is hashed."""

    # training
    WEIGHTS = "initial weights"
    STEPS = "noise of training steps"
    ORDER = "order of examples"
    PIECES = "pieces of a grid"
    CALIBRATION = "draws that a trained model learns from"
    MARKS = "further training of marks"
    EQUAL_MASSES = "ranks of equal masses"
    BATCHES = "order of batches"
    HELD_OUT_EXAMPLES = "choice of held-out examples"
    HELD_OUT_LOSS = "noise of the held-out loss"
    EVALUATION_DRAWS = "seed of the draws of a monitor"
    REWARD_TUNING = "tuning by a reward"
    # data that are made
    TOYS = "points of a toy"
    HELD_OUT_TOYS = "held-out points of a toy"
    PRINTED_DIGITS = "printed digits"
    TASK = "simulations of a task"
    # draws of a model
    CONDITIONS = "conditions of draws"
    COUNTS = "numbers of points of draws"
    DRAWS = "draws of a model"
    SECOND_DRAWS = "seed of second draws on one field"
    # inference
    CATALOGUE = "seed of the posterior of one catalogue"
    POSTERIOR = "draws of a neural posterior"
    LIKELIHOOD = "noise of a likelihood on a grid"
    CHAINS = "chains of a sampler"
    GRID_DRAWS = "draws of a posterior on a grid"
    PREDICTIVE = "draws that a catalogue is compared with"
    RANKED_DRAWS = "draws that truths are ranked among"
    RANKS = "ties and places of ranks"
    TARP_REFERENCES = "reference points of TARP"
    TARP_PLACES = "places between draws of TARP"
    CLASSIFIER_FOLDS = "folds and permutations of a classifier test"
    CLASSIFIER_WEIGHTS = "weights of a classifier test"
    # validation
    UNIFORM_BASE = "uniform base of a comparison"
    RELABELLINGS = "relabellings"
    HALVES = "halves of held-out"
    PAIRS = "pairs among which held-out is halved"
    CELLS = "cells of a two-sample test"
    HALF_CELLS = "cells of its null"
    RANK_HISTOGRAMS = "ties and places of rank histograms"
    # mocks
    MOCK_GALAXIES = "seed of the galaxies of a mock"
    MOCK_SKY = "seed of the survey of a mock"
    CENTRALS = "central galaxies"
    SATELLITES = "numbers of satellites"
    PLACES = "places of satellites"
    MOTIONS = "motions of galaxies"
    THINNING = "thinning to n(z)"
    COLLISIONS = "order of fibre collisions"
    RANDOMS = "random points"
    RANDOM_REDSHIFTS = "redshifts of random points"
    # preparation of data
    SPLITS = "splits of a suite"
    CUBE = "seed of one cube"
    KEPT_POINTS = "points kept of a catalogue"
    SHIFTS = "shifts of a grid of cubes"
    PROBES = "probes of a cube"
    # embedded simulator
    PHASES = "phases of the initial field"
    DRAWN_PHASES = "phases of fields that are drawn from"
    MASSES = "masses of haloes"
    COSMOLOGIES = "Latin hypercube of cosmologies"


STREAMS = 1
"""Which way seeds become streams: what was begun in another way cannot go on in this one."""

FIXED: Mapping[Role, tuple[int, ...]] = {Role.PHASES: (0,), Role.MASSES: (1,), Role.COSMOLOGIES: ()}
"""Spawn keys of the streams of ``SeedSequence(seed)`` that the embedded simulator has always used:
suites are made again from their seed, and stopped ones go on. ``COSMOLOGIES`` is the one stream
that a user's own ``default_rng`` shares."""


def random_generator(
    role: Role, seed: SupportsIndex, *numbers: SupportsIndex
) -> np.random.Generator:
    """The NumPy generator of a role.

    Args:
        role: what is drawn.
        seed: of the user.
        numbers: which of several streams of one role: an epoch, a catalogue.

    Raises:
        InputError: for a seed or number that is not a whole number of 0 or more.
    """
    return np.random.default_rng(_sequence(role, seed, *numbers))


def random_key(role: Role, seed: SupportsIndex, *numbers: SupportsIndex) -> jax.Array:
    """The JAX key of a role; arguments as of :func:`random_generator`.

    ``fold_in`` of two words of the role's sequence, so that it depends on every bit of the seed and
    holds for any implementation of keys.
    """
    import jax  # slow to import, and the processes of a simulation need none

    first, *others = _sequence(role, seed, *numbers).generate_state(2)
    return functools.reduce(jax.random.fold_in, others, jax.random.key(first))


def child_seed(role: Role, seed: SupportsIndex, *numbers: SupportsIndex) -> int:
    """A seed of 63 bits for what takes a seed itself; arguments as of :func:`random_generator`."""
    return int(_sequence(role, seed, *numbers).generate_state(1, np.uint64)[0] >> 1)


def _sequence(role: Role, *numbers: Any) -> np.random.SeedSequence:
    checked = [_whole(number) for number in numbers]
    if role in FIXED:
        (seed,) = checked
        return np.random.SeedSequence(seed, spawn_key=FIXED[role])
    text = ": ".join(["galgen", role.value, *map(str, checked)])
    return np.random.SeedSequence(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def _whole(number: Any) -> int:
    try:
        found = operator.index(number)
    except TypeError:
        found = -1
    if found < 0:
        raise InputError(f"expected a seed of 0 or more, got {number}; pass a whole number")
    return found
