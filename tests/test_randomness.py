"""One seed, one role: no two things that are drawn share a stream, nor one with the user's own."""

import ast
import inspect
import re
from collections import Counter
from collections.abc import Hashable
from pathlib import Path

import jax
import numpy as np
import pytest

from galgen.data.cardinality import Cardinality
from galgen.data.encoding import CloudEncoding
from galgen.data.normalization import Standardizer
from galgen.errors import InputError
from galgen.inference.calibration import ranks_of, tarp
from galgen.randomness import FIXED, Role, child_seed, random_generator, random_key
from galgen.simulation.suite import latin_hypercube

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "galgen").rglob("*.py"), *(ROOT / "data_prep").rglob("*.py")])
HOME = "galgen/randomness.py"
BARE = r"(np|numpy|jax)\.random\.(default_rng|SeedSequence|RandomState|seed|key|PRNGKey)"
BY_DESIGN = {
    # Part of a trained network: other rotations would be other weights.
    "galgen/generative/normalizing_flow/bijection.py": 1,
    # An exact divergence draws nothing.
    "galgen/inference/neural/posterior_head.py": 1,
}
"""Generators that start elsewhere, how many in which file."""
SHARED = {
    Role.DRAWS: 2,  # the way to a draw is that of the draw itself
    Role.STEPS: 2,  # shapes are looked at before the first step
    Role.CLASSIFIER_FOLDS: 2,  # of vectors and of whole catalogues
    Role.CLASSIFIER_WEIGHTS: 2,
    Role.PHASES: 2,  # of a catalogue, and of the field of any seed
    Role.RELABELLINGS: 2,  # of catalogues, and of the arrays of a card
}
"""Roles of more than one place."""
SEEDS = (*range(12), 42, 1234, 2**31, 2**32, 2**32 + 1, 2**64 + 1)


@pytest.fixture(scope="module")
def names() -> list[tuple[str, str]]:
    """File and dotted name of all that is reached in another module or class."""
    return [
        (str(path.relative_to(ROOT)), ast.unparse(node))
        for path in SOURCES
        if str(path.relative_to(ROOT)) != HOME
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    ]


def test_generators_start_in_one_place(names: list[tuple[str, str]]) -> None:
    bare = (file for file, name in names if re.fullmatch(BARE, name))
    assert Counter(bare) == BY_DESIGN


def test_every_role_is_drawn_in_one_place(names: list[tuple[str, str]]) -> None:
    used = Counter(name for _, name in names if name.startswith("Role."))
    assert used == {f"Role.{role.name}": SHARED.get(role, 1) for role in Role}


def first(generator: np.random.Generator) -> Hashable:
    return tuple(generator.bit_generator.random_raw(4).tolist())


def test_numpy_streams_are_apart() -> None:
    own = {first(np.random.default_rng(seed)): f"user {seed}" for seed in SEEDS}
    own |= {
        first(np.random.default_rng([seed, number])): f"user {seed}, {number}"
        for seed in SEEDS
        for number in range(1, 4)  # [seed, 0] is [seed] to NumPy
    }
    for role in Role:
        for seed in SEEDS:
            if role is Role.COSMOLOGIES:  # a user's own, for suites to be made again
                continue
            more = () if role in FIXED else ((0,), (1,), (2,), (0, 1), (1, 0))
            for numbers in ((), *more):
                stream = first(random_generator(role, seed, *numbers))
                assert stream not in own, (role, seed, numbers, own[stream])
                own[stream] = f"{role} {seed} {numbers}"


def test_jax_streams_are_apart() -> None:
    seeds = SEEDS[:3]
    keys = [jax.random.key(seed) for seed in range(12)]
    keys += [jax.random.fold_in(key, n) for key in keys[:3] for n in range(3)]
    keys += [random_key(role, seed) for role in Role for seed in seeds]
    keys += [random_key(Role.DRAWS, seed, number) for seed in SEEDS for number in range(3)]
    # Role.DRAWS of no number is there already.
    found = {tuple(jax.random.key_data(key).tolist()) for key in keys}
    assert len(found) == len(keys)


def test_seed_and_number_are_two_things() -> None:
    assert first(random_generator(Role.ORDER, 0, 1)) != first(random_generator(Role.ORDER, 1, 0))
    assert child_seed(Role.CATALOGUE, 0, 1) != child_seed(Role.CATALOGUE, 1, 0)
    children = {child_seed(Role.CUBE, seed, number) for seed in range(30) for number in range(30)}
    assert len(children) == 900 and max(children) < 2**63


def test_streams_last() -> None:
    """The same on every machine and in every process, and as suites were made by."""
    assert random_generator(Role.ORDER, 0, 3).integers(10**9, size=2).tolist() == [
        771143043,
        389904749,
    ]
    for role, child in zip(
        (Role.PHASES, Role.MASSES), np.random.SeedSequence(7).spawn(2), strict=True
    ):
        assert first(random_generator(role, 7)) == first(np.random.default_rng(child))
    assert set(FIXED) == {Role.PHASES, Role.MASSES, Role.COSMOLOGIES}
    found = latin_hypercube({"omega_m": (0.2, 0.4)}, 3, 2)
    assert [c.omega_m for c in found] == pytest.approx(
        [0.3532327428942749, 0.2542817160396187, 0.2727943961423398]
    )


@pytest.mark.parametrize("seed", [-1, 0.5, float("nan"), None, "0", np.float64(1)])
def test_what_is_no_seed_is_refused(seed: object) -> None:
    for draw in map(inspect.unwrap, (random_generator, random_key, child_seed)):
        with pytest.raises(InputError, match="a seed of 0 or more, got"):
            draw(Role.DRAWS, seed)
        with pytest.raises(InputError, match="a seed of 0 or more, got"):
            draw(Role.DRAWS, 0, seed)


def test_kinds_of_whole_numbers_are_alike() -> None:
    expected = first(random_generator(Role.ORDER, 3))
    for kind in (np.int32, np.uint64, np.array):
        assert first(random_generator(Role.ORDER, kind(3))) == expected


def encoding() -> CloudEncoding:
    """Conditions over a range, numbers of points that know nothing of them."""
    standardizer = Standardizer(
        columns=("mass",),
        means=(0.0,),
        scales=(1.0,),
        condition=("omega_m",),
        condition_means=(0.3,),
        condition_scales=(0.1,),
        condition_ranges=((0.2, 0.4),),
        points_range=(1, 512),
        box=(100.0,) * 3,
        redshifts=(0.0,),
        periodic=True,
        units={},
    )
    return CloudEncoding(standardizer, Cardinality((np.log(400.0), 0.0), 1, 1), (512,))


@pytest.mark.parametrize("number", [1, 16])
def test_numbers_of_points_know_nothing_of_the_stream_of_conditions(number: int) -> None:
    model, conditions, counts = encoding(), [], []
    for seed in range(400 // number):
        drawn = model.random_conditions(number, {}, seed)
        plan = model.plan(drawn, number, seed)
        for draw in plan:
            order = [row for row in draw.rows if row >= 0]
            conditions += [drawn[row]["omega_m"] for row in order]
            counts += draw.mask[: len(order)].sum(axis=1).tolist()
    # 400 independent pairs: 0.2 is four deviations. It was 0.73 for one draw, 0.35 for 16.
    assert abs(np.corrcoef(conditions, counts)[0, 1]) < 0.2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("own", range(3))
def test_calibrated_posteriors_of_truths_by_any_seed(own: int, seed: int) -> None:
    rng = np.random.default_rng(own)
    truths = rng.uniform(0, 1, (200, 2))
    samples = rng.uniform(0, 1, (200, 99, 2))
    assert tarp(samples, truths, seed=seed).p_value > 1e-3
    truths = rng.integers(0, 4, (1000, 1)).astype(float)
    samples = rng.integers(0, 4, (1000, 19, 1)).astype(float)
    assert ranks_of(("k",), samples, truths, seed).p_values["k"] > 1e-3
