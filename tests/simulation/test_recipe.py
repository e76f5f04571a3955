"""The suite of a recipe: its splits, its cosmologies, and seeds that no two catalogues share."""

import dataclasses

import numpy as np
import pytest

from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.recipe import SuiteRecipe
from galgen.simulation.simulator import HaloSimulator

SIMULATOR = HaloSimulator(box=64.0, mesh=32, mass_min=3e13)
RECIPE = SuiteRecipe(simulator=SIMULATOR, train=5, test=3, contrast=2)
SPLITS = ["train"] * 5 + ["test"] * 3 + ["low"] * 2 + ["high"] * 2


def of_split(recipe, split):
    return [c for c, s in zip(*recipe.cosmologies(), strict=True) if s == split]


def seeds_of(recipe):
    """The seed of every catalogue, from which its phases and masses are drawn."""
    return [catalogue.provenance["seed"] for catalogue, _ in recipe.simulate()]


def test_every_split_has_its_number():
    cosmologies, splits = RECIPE.cosmologies()
    assert splits == SPLITS
    assert len(cosmologies) == len(splits)


@pytest.mark.parametrize(
    ("numbers", "splits"),
    [
        ({"test": 0}, {"train", "low", "high"}),
        ({"contrast": 0}, {"train", "test"}),
        ({"test": 0, "contrast": 0}, {"train"}),
    ],
)
def test_held_out_splits_can_be_left_out(numbers, splits):
    cosmologies, found = dataclasses.replace(RECIPE, **numbers).cosmologies()
    assert set(found) == splits
    assert len(cosmologies) == len(found)


def test_a_validation_split_changes_no_other():
    watched = dataclasses.replace(RECIPE, validation=4)
    cosmologies, splits = watched.cosmologies()
    assert splits == [*SPLITS, *["validation"] * 4]
    assert cosmologies[: len(SPLITS)] == RECIPE.cosmologies()[0]
    assert not set(cosmologies[len(SPLITS) :]) & set(cosmologies[: len(SPLITS)])


def test_train_and_test_fill_the_same_ranges_with_other_cosmologies():
    recipe = SuiteRecipe(train=20, test=10)
    for split, number in (("train", 20), ("test", 10)):
        for name in ("omega_m", "sigma_8"):
            low, high = getattr(recipe, name)
            values = np.array([getattr(c, name) for c in of_split(recipe, split)])
            intervals = np.floor((values - low) / (high - low) * number).astype(int)
            assert sorted(intervals) == list(range(number))
    same_number = dataclasses.replace(recipe, test=20)
    assert not set(of_split(same_number, "train")) & set(of_split(same_number, "test"))


def test_low_and_high_lie_a_tenth_inside_opposite_corners():
    recipe = dataclasses.replace(
        RECIPE, omega_m=(0.1, 0.5), sigma_8=(0.6, 1.0), h=(0.6, 0.8), seed=7
    )
    for split, omega_m, sigma_8 in (("low", 0.14, 0.64), ("high", 0.46, 0.96)):
        first, second = of_split(recipe, split)
        assert first == second
        assert first.omega_m == pytest.approx(omega_m)
        assert first.sigma_8 == pytest.approx(sigma_8)
        assert first.h == Cosmology().h


@pytest.mark.parametrize(
    ("name", "bounds"), [("omega_b", (0.03, 0.07)), ("h", (0.5, 0.9)), ("n_s", (0.8, 1.2))]
)
def test_a_parameter_varies_only_if_it_has_a_range(name, bounds):
    fiducial = getattr(Cosmology(), name)
    assert {getattr(c, name) for c in RECIPE.cosmologies()[0]} == {fiducial}
    varied = dataclasses.replace(RECIPE, **{name: bounds})
    for split, number in (("train", 5), ("test", 3)):
        values = {getattr(c, name) for c in of_split(varied, split)}
        assert len(values) == number
        assert bounds[0] <= min(values) < max(values) <= bounds[1]


def test_suite_has_the_cosmologies_and_splits_of_the_recipe_in_order():
    suite = list(RECIPE.simulate())
    cosmologies, splits = RECIPE.cosmologies()
    assert [Cosmology(**catalogue.cosmology) for catalogue, _ in suite] == cosmologies
    assert [split for _, split in suite] == splits


def test_same_recipe_same_suite():
    for (first, _), (again, _) in zip(RECIPE.simulate(), RECIPE.simulate(), strict=True):
        for name, column in first.columns.items():
            np.testing.assert_array_equal(column, again.columns[name])


def test_no_two_catalogues_of_any_split_share_a_seed():
    assert len(set(seeds_of(RECIPE))) == len(SPLITS)


def test_another_seed_gives_other_cosmologies_and_other_phases():
    other = dataclasses.replace(RECIPE, seed=1)
    for split in ("train", "test"):
        assert not set(of_split(RECIPE, split)) & set(of_split(other, split))
    assert of_split(RECIPE, "low") == of_split(other, "low")
    assert not set(seeds_of(RECIPE)) & set(seeds_of(other))


def test_ranges_and_meshes_that_do_not_work_are_refused():
    with pytest.raises(InputError, match="expected a mesh of"):
        coarse = HaloSimulator(box=128.0, mesh=32, mass_min=3e13)
        next(dataclasses.replace(RECIPE, simulator=coarse).simulate())
    with pytest.raises(InputError, match="1 or more processes, got 0"):
        next(RECIPE.simulate(processes=0))
