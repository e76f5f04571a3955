import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.errors import InputError


def make(points=4, seed=0, names=("x", "y", "z"), side=10.0, **fields):
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, side, points) for name in names}
    fields = {"cosmology": {"omega_m": 0.1 * (seed + 1), "sigma_8": 0.8}} | fields
    return Catalogue(columns, (side, side, side), **fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "suite.h5"


catalogues_strategy = st.lists(st.integers(1, 40), min_size=1, max_size=6).flatmap(
    lambda sizes: st.builds(
        lambda columns, dtype, seed, periodic, split: [
            Catalogue(
                {
                    name: (np.random.default_rng([seed, i]).random(size) * 4).astype(dtype)
                    for name in columns
                },
                (5.0 + i, 5.0, 6.0),
                redshift=0.1 * i,
                cosmology={"omega_m": 0.1 + i, "h": 0.7},
                periodic=periodic,
                units={columns[-1]: "furlong"},
                provenance={"seed": str(seed), "split": split, "name": "Ω \N{SNOWMAN}"},
            )
            for i, size in enumerate(sizes)
        ],
        columns=st.permutations(["x", "y", "z", "vx", "mass", "star formation"]).flatmap(
            lambda names: st.integers(1, 6).map(lambda k: names[:k])
        ),
        dtype=st.sampled_from([np.float32, np.float64]),
        seed=st.integers(0, 100),
        periodic=st.booleans(),
        split=st.text(max_size=5),
    )
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(catalogues=catalogues_strategy)
def test_what_is_written_is_read_back(path, catalogues):
    write_suite(path, catalogues)
    with Suite(path) as suite:
        assert list(suite) == catalogues
        assert [c.columns[n].dtype for c in suite for n in c.columns] == [
            c.columns[n].dtype for c in catalogues for n in c.columns
        ]
        assert suite.counts.tolist() == [len(c) for c in catalogues]
        assert suite.column_names == list(catalogues[0].columns)


def test_random_access_splits_and_parameters(path):
    catalogues = [make(i + 1, i) for i in range(5)]
    write_suite(path, catalogues, ["train", "test", "train", "test", "train"])
    with Suite(path) as suite:
        assert suite[3] == catalogues[3] and suite[-1] == catalogues[4]
        assert suite.indices("test").tolist() == [1, 3]
        assert suite.catalogues("test") == [catalogues[1], catalogues[3]]
        assert len(suite.catalogues()) == len(suite) == 5
        table = suite.parameter_table(["sigma_8", "omega_m"])
        np.testing.assert_allclose(table, [[0.8, 0.1 * (i + 1)] for i in range(5)])
        assert suite.parameter_table([]).shape == (5, 0)
        assert "5 catalogues (test 2, train 3) of 1 to 5 points" in repr(suite)
        with pytest.raises(IndexError, match="below 5, got 5"):
            suite[5]


def test_columns_in_another_order_are_matched_by_name(path):
    first, second = make(3, 0), make(2, 1, names=("z", "x", "y"))
    write_suite(path, [first, second])
    with Suite(path) as suite:
        np.testing.assert_array_equal(suite[1].positions, second.positions)


def test_writing_is_all_or_nothing(path, monkeypatch):
    write_suite(path, [make()])
    before = path.read_bytes()

    def fail(*arguments, **options):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("galgen.data.suite_writing._write_text", fail)
    with pytest.raises(RuntimeError, match="disk on fire"):
        write_suite(path, [make(9)])
    assert [p.name for p in path.parent.iterdir()] == ["suite.h5"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("catalogues", "splits", "message"),
    [
        ([], "train", "at least one catalogue to write, got none"),
        ([make(), make(0)], "train", "at least one point .* got none in catalogue 1; drop it"),
        ([make(), make(names=("x",))], "train", r"columns and units of catalogue 0.* catalogue 1"),
        ([make(), make(cosmology={})], "train", r"cosmology names of catalogue 0"),
        ([make(), make()], ["train"], "one split per catalogue, got 1 for 2"),
    ],
)
def test_what_cannot_be_written(path, catalogues, splits, message):
    with pytest.raises(InputError, match=message):
        write_suite(path, catalogues, splits)
    assert not list(path.parent.iterdir())


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"expected a folder .* create it first"):
        write_suite(tmp_path / "absent" / "suite.h5", [make()])


def break_format(file):
    file.attrs["format"] = "cake"


def break_version(file):
    file.attrs["version"] = 99


def drop_box(file):
    del file["box"]


def cut_column(file):
    values = file["columns/y"][:-1]
    del file["columns/y"]
    file["columns/y"] = values


def cut_redshift(file):
    values = file["redshift"][:-1]
    del file["redshift"]
    file["redshift"] = values


def scramble_offsets(file):
    file["offsets"][1] = 99


def empty_one(file):
    file["offsets"][1] = 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_format, r"format 'galgen-suite' version 1 .* got format 'cake'"),
        (break_version, r"version 99; write it with galgen or data_prep"),
        (drop_box, r"got no box; write it again"),
        (cut_column, r"got 6 rows of column 'y' where offsets end at 7"),
        (cut_redshift, r"got 1 entries of redshift for 2 catalogues"),
        (scramble_offsets, r"offsets that do not rise from 0"),
        (empty_one, r"at least one point in every catalogue .* catalogue 0; drop it"),
    ],
)
def test_damaged_suites_are_refused_on_opening(path, damage, message):
    write_suite(path, [make(4), make(3, 1)])
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=message) as caught:
        Suite(path)
    assert "\n" not in str(caught.value)


def test_damaged_values_name_the_catalogue(path):
    write_suite(path, [make(4), make(3, 1)])
    with h5py.File(path, "r+") as file:
        file["columns/x"][5] = np.nan
        file["columns/y"][0] = 11.0
    with Suite(path) as suite:
        with pytest.raises(InputError, match=r"catalogue 1: .*'x', got 1 NaN"):
            suite[1]
        with pytest.raises(InputError, match=r"catalogue 0: .*column 'y' in \[0, 10\)"):
            suite[0]


def test_files_that_are_no_suites(path):
    with pytest.raises(InputError, match="got no such file; check the path"):
        Suite(path)
    path.write_text("not HDF5")
    with pytest.raises(InputError, match="one that HDF5 cannot open"):
        Suite(path)
    write_suite(path, [make(1000)])
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(InputError, match="truncated"):
        Suite(path)


def test_unknown_names_list_those_present(path):
    write_suite(path, [make()])
    with Suite(path) as suite:
        with pytest.raises(InputError, match=r"split 'test' .* got \['train'\]; choose"):
            suite.indices("test")
        with pytest.raises(InputError, match=r"parameter 'h' .* got \['omega_m', 'sigma_8'\]"):
            suite.parameter_table(["h"])
