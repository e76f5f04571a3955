import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import quote

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from galgen.data.catalogue import STANDARD_UNITS, Catalogue
from galgen.data.suite import Suite, write_suite
from galgen.data.suite_summary import suite_summary
from galgen.errors import InputError


def make(points=4, seed=0, names=("x", "y", "z"), side=10.0, **fields):
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, side, points) for name in names}
    fields = {"cosmology": {"omega_m": 0.1 * (seed + 1), "sigma_8": 0.8}} | fields
    return Catalogue(columns, (side, side, side), **fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "suite.h5"


catalogues_strategy = st.lists(st.integers(0, 40), min_size=1, max_size=6).flatmap(
    lambda sizes: st.builds(
        lambda columns, dtype, seed, periodic, split: [
            Catalogue(
                {
                    name: (np.random.default_rng([seed, i]).random(size) * 4).astype(dtype)
                    for name in columns
                },
                (5.0 + i, 5.0, 6.0),
                redshift=0.1 * i,
                cosmology={"omega_m": 0.1 + i, "h/%.": 0.7},
                periodic=periodic,
                units={name: "furlong" for name in columns if name not in STANDARD_UNITS},
                provenance={"seed": str(seed), "split": split, "name": "Ω \N{SNOWMAN}"},
            )
            for i, size in enumerate(sizes)
        ],
        columns=st.permutations(["x", "y", "z", "vx", "T/|U|", "M%.\N{SNOWMAN}"]).flatmap(
            lambda names: st.integers(1, 6).map(lambda k: names[:k])
        ),
        dtype=st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.uint8, bool]),
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
        assert suite.boxes.tolist() == [list(c.box) for c in catalogues]
        assert suite.redshifts.tolist() == [c.redshift for c in catalogues]
        assert suite.periodic.tolist() == [c.periodic for c in catalogues]


def test_random_access_splits_and_parameters(path):
    catalogues = [make(i + 1, i) for i in range(5)]
    write_suite(path, catalogues, ["train", "test", "train", "test", "train"])
    with Suite(path) as suite:
        assert suite[3] == catalogues[3] and suite[-1] == catalogues[4]
        assert suite.indices("test").tolist() == [1, 3]
        assert suite.catalogues("test") == [catalogues[1], catalogues[3]]
        assert list(suite["test"]) == [catalogues[1], catalogues[3]]
        assert suite["test"][-1] == catalogues[3] and list(suite[1:-1][::2]) == catalogues[1:4:2]
        assert len(suite[7:]) == 0 and repr(suite[3:]).startswith("SuiteView(2 of 5 in ")
        with pytest.raises(IndexError):
            suite[3:][2]
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
    file["columns/y"].attrs["unit"] = "Mpc/h"


def cut_redshift(file):
    values = file["redshift"][:-1]
    del file["redshift"]
    file["redshift"] = values


def scramble_offsets(file):
    file["offsets"][1] = 99


def move_offsets(file):
    file["offsets"][1] = 3


def other_unit(file):
    file["columns/z"].attrs["unit"] = "kpc/h"


def drop_unit(file):
    del file["columns/z"].attrs["unit"]


def text_redshift(file):
    del file["redshift"]
    file["redshift"] = np.array([b"a", b"b"])


def square_column(file):
    del file["columns/x"]
    file["columns/x"] = np.ones((7, 2))
    file["columns/x"].attrs["unit"] = "Mpc/h"


def no_side(file):
    file["box"][1, 2] = 0


def no_redshift(file):
    file["redshift"][1] = np.nan


def strange_split(file):
    file["split"][0] = 3


def cut_provenance(file):
    file["provenance/offsets"][2] -= 1


def drop_columns(file):
    for name in "xyz":
        del file[f"columns/{name}"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_format, r"format 'galgen-suite' version 2 to 4 .* got format 'cake'"),
        (break_version, r"version 99; upgrade galgen, which is older"),
        (drop_box, r"got no box; write it again"),
        (cut_column, r"got 6 rows of column 'y' where offsets end at 7"),
        (cut_redshift, r"got 1 entries of redshift for 2 catalogues"),
        (scramble_offsets, r"offsets that do not rise from 0"),
        (move_offsets, r"offsets that are not those that were written"),
        (other_unit, r"column 'z' in Mpc/h, got kpc/h; convert it"),
        (drop_unit, r"an attribute unit of column 'z', got none; write it"),
        (text_redshift, r"numbers in field redshift, got \|S1"),
        (square_column, r"column 'x' of one number per point, got \(7, 2\)"),
        (no_side, r"got a box of catalogue 1 that is not positive"),
        (no_redshift, r"got a redshift of catalogue 1 that is not finite"),
        (strange_split, r"got a split that is none of the 1 named"),
        (cut_provenance, r"bytes of provenance where offsets end"),
        (drop_columns, r"got no columns"),
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
    with pytest.raises(InputError, match="got a file that HDF5 cannot open"):
        Suite(path)
    write_suite(path, [make(1000)])
    whole = path.read_bytes()
    for size in (0, 100, 9000, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="truncated"):
            Suite(path)


def test_unknown_names_list_those_present(path):
    write_suite(path, [make()])
    with Suite(path) as suite:
        with pytest.raises(InputError, match=r"split 'test' .* got \['train'\]; choose"):
            suite.indices("test")
        with pytest.raises(InputError, match=r"parameter 'h' .* got \['omega_m', 'sigma_8'\]"):
            suite.parameter_table(["h"])


def test_columns_are_mapped_and_random_access_reads_no_more_than_it_needs(path, monkeypatch):
    """A sparse column of 8 GB: nobody could load it, and a catalogue takes its own rows alone."""
    monkeypatch.setattr("galgen.reading.files.SMALL", 1 << 40)  # Else it is refused as hollow.
    write_suite(path, [make(4), make(3, 1)])
    rows = 10**9
    with h5py.File(path, "r+") as file:
        del file["columns/x"], file["columns/y"], file["columns/z"]
        for name in "xyz":
            column = file.create_dataset(f"columns/{name}", (rows,), np.float64)
            column.attrs["unit"] = "Mpc/h"
            column[rows - 3 :] = [1.0, 2.0, 3.0]
        file["offsets"][1:] = [rows - 3, rows]
        del file["offsets"].attrs["crc32"]
    assert path.stat().st_blocks * 512 < 10**6 < path.stat().st_size
    with Suite(path) as suite:
        assert suite.counts.tolist() == [rows - 3, 3]
        assert suite[1].columns["y"].tolist() == [1.0, 2.0, 3.0]
        assert suite.provenance(0, 2) == [{}, {}]
        assert "sources: not recorded" in suite_summary(suite)


def test_provenance_of_a_range(path):
    catalogues = [make(i, i, provenance={"source": f"raw.{i}", "Ω": "ü"}) for i in range(5)]
    write_suite(path, catalogues)
    every = [dict(c.provenance) for c in catalogues]
    with Suite(path) as suite:
        for start, stop in ((0, 5), (1, 3), (2, 99), (-2, 5), (3, 3), (4, 1), (5, 9)):
            assert suite.provenance(start, stop) == every[start:stop]


def test_what_was_read_is_the_readers_own(path):
    write_suite(path, [make(4)])
    with Suite(path) as suite:
        first = suite[0]
        first.columns["x"][:] = 0.5
        assert suite[0] == make(4)
    with pytest.raises(ValueError, match="closed; open it again"):
        suite[0]


def repack(path, names=("x", "y", "z"), **options):
    with h5py.File(path, "r+") as file:
        for name in names:
            values, unit = file[f"columns/{name}"][()], file[f"columns/{name}"].attrs["unit"]
            del file[f"columns/{name}"]
            file.create_dataset(f"columns/{name}", data=values, **options)
            file[f"columns/{name}"].attrs["unit"] = unit


def read_one(suite, index):
    return suite[index], os.getpid()


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_several_processes_read_one_suite(path, start, chunked):
    catalogues = [make(5, i) for i in range(8)]
    write_suite(path, catalogues)
    if chunked:
        repack(path, chunks=(3,), compression="gzip")
    with Suite(path) as suite:
        assert suite[0] == catalogues[0]
        context = multiprocessing.get_context(start)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            found = list(pool.map(read_one, [suite] * 8, range(8)))
        assert [catalogue for catalogue, _ in found] == catalogues
        assert os.getpid() not in {process for _, process in found}
        assert pickle.loads(pickle.dumps(suite))[3] == catalogues[3]


def test_repacked_suites_are_read_through_hdf5(path):
    catalogues = [make(5, i) for i in range(3)]
    write_suite(path, catalogues)
    repack(path, "xy", chunks=(4,), compression="gzip")
    repack(path, "z", dtype=">f8")
    with Suite(path) as suite:
        assert suite.catalogues() == catalogues
        assert suite[1].columns["z"].dtype == np.float64


def test_blocks_hold_everything_in_order(path, monkeypatch):
    monkeypatch.setattr("galgen.data.suite.BLOCK_ROWS", 10)
    catalogues = [make(points, i) for i, points in enumerate([0, 4, 6, 1, 25, 0, 0, 9])]
    write_suite(path, catalogues, list("abcabcab"))
    with Suite(path) as suite:
        blocks = list(suite.blocks())
    assert [len(block.counts) for block in blocks] == [3, 1, 1, 3]
    x = np.concatenate([block.columns["x"] for block in blocks])
    assert x.tolist() == np.concatenate([c.columns["x"] for c in catalogues]).tolist()
    assert "".join(split for block in blocks for split in block.splits) == "abcabcab"
    assert [len(p) for block in blocks for p in block.provenance] == [2] * 8


def test_names_of_the_format_are_free_for_columns_and_parameters(path):
    names = ("counts", "offsets", "box", "split", "json", "redshift")
    cosmology = {name: 0.1 * i for i, name in enumerate(names)}
    catalogues = [make(points, names=names, cosmology=cosmology) for points in (2, 3)]
    write_suite(path, catalogues)
    with Suite(path) as suite:
        assert list(suite) == catalogues
    with h5py.File(path, "r+") as file:
        file["cosmology/redshift"][1] = np.inf
    with pytest.raises(InputError, match="a redshift of catalogue 1 that is not finite"):
        Suite(path)


def test_names_in_hdf5_are_documented(path):
    write_suite(path, [make(names=("x", "a/b.c%"))])
    with h5py.File(path) as file:
        assert list(file["columns"]) == ["x", quote("a/b.c%", safe="").replace(".", "%2E")]
