"""Fields that users bring with their catalogues: read, told from others, turned and refused."""

import re

import h5py
import jax
import numpy as np
import pytest
from astropy.io import fits
from raw_layouts import SHARED
from scipy import fft

import galgen as gg
from data_prep import field_phases
from data_prep.command import main
from data_prep.field_phases import Arrangement, Waves
from galgen.data.suite import Suite
from galgen.simulation import linear_field
from galgen.statistics.fourier.cross_coefficient import field_cross_coefficient

BOX = 200.0
MESH = 16
NBODY = SHARED / "nbody" / "nbody_test.npz"


def gaussian(seed, mesh=MESH, slope=-1.5):
    """A Gaussian field of unit variance with power k^slope and mean zero."""
    white = np.random.default_rng(seed).standard_normal((mesh, mesh, mesh))
    number = np.fft.fftfreq(mesh, 1 / mesh)
    squared = number[:, None, None] ** 2 + number[None, :, None] ** 2 + number[: mesh // 2 + 1] ** 2
    squared[0, 0, 0] = np.inf
    values = fft.irfftn(fft.rfftn(white) * squared ** (slope / 4), s=white.shape)
    return (values / values.std()).astype(np.float32)


def points(values, number=1500, seed=0, bias=0.8):
    """Points of a Poisson process whose density is exp(bias delta), in sides of the box."""
    rng, mesh = np.random.default_rng([seed, 1]), len(values)
    density = np.exp(bias * np.float64(values)).ravel()
    cells = rng.choice(values.size, number, p=density / density.sum())
    places = np.stack(np.unravel_index(cells, values.shape), axis=1) + rng.uniform(
        -0.5, 0.5, (number, 3)
    )
    return np.mod(places, mesh) / mesh


def stored_as(values, arrangement):
    """The array whose arrangement, applied to it, gives the values."""
    moved = np.roll(values, [-round(cells) for cells in arrangement.shift], (0, 1, 2))
    for axis in map("xyz".index, arrangement.mirror):
        moved = np.roll(np.flip(moved, axis), 1, axis)
    return np.ascontiguousarray(moved.transpose(["xyz".index(axis) for axis in arrangement.axes]))


def write_box(path, values, **more):
    np.savez(path, pos=np.mod(points(values, **more) * BOX, BOX))
    return path


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """data_prep table of inputs, with options: the status, and what is printed."""
    monkeypatch.chdir(tmp_path)

    def call(words, inputs="box.npz"):
        line = f"table {inputs} -o out.h5 --box {BOX:g} --splits train=1 {words}"
        status = main(line.split())
        return status, *capsys.readouterr()

    return call


def refusal(printed):
    status, out, err = printed
    assert status == 2 and not out and err.count("\n") == 1, err
    return err


def write_npy(values):
    np.save("field.npy", values)
    return "field.npy"


def write_flat(values):
    np.save("flat.npy", values.ravel())
    return "flat.npy"


def write_npz(values):
    np.savez("field.npz", delta=values, k=np.arange(9.0))
    return "field.npz"


def write_hdf5(values):
    with h5py.File("ics.hdf5", "w") as file:
        file["grids/delta"] = values
        file["grids/modes"] = values[:3]
        file["flat"] = values.ravel()
    return "ics.hdf5"


def write_two(values):
    with h5py.File("two.hdf5", "w") as file:
        file["rho"], file["grids/delta"] = np.ones_like(values), values
    return "two.hdf5 --field-dataset /grids/delta"


def write_fits(values):
    empty, cube = fits.PrimaryHDU(), fits.ImageHDU(values, name="DELTA")
    fits.HDUList([empty, fits.ImageHDU(np.ones((4, 4))), cube]).writeto("cube.fits")
    return "cube.fits"


def write_number(values):
    return f"{write_fits(values)} --field-dataset 2"


def write_density(values):
    np.save("rho.npy", 3e10 * (1 + 0.1 * values.astype(float)))
    return "rho.npy --field-density"


@pytest.mark.parametrize(
    "write",
    [
        write_npy,
        write_flat,
        write_npz,
        write_hdf5,
        write_two,
        write_fits,
        write_number,
        write_density,
    ],
)
def test_files_of_fields(run, write):
    values = gaussian(0)
    write_box("box.npz", values)
    words = write(values)
    status, out, err = run(f"--field {words}")
    assert status == 0, err
    with Suite("out.h5") as suite:
        scale = 0.1 if write is write_density else 1.0
        np.testing.assert_allclose(suite.field(0).values, scale * values, atol=1e-6)
        assert suite.field(0).attributes == {"kind": "linear", "redshift": 0.0, "smoothing": 0.0}
        (told,) = suite.provenance(0, 1)
    assert re.fullmatch(r"[0-9a-f]{64}", told["field sha256"]) and told["field"] == words.split()[0]
    assert "its field at redshift 0" in told["assumed"] and "its field at redshift 0" in out
    line = r"  field and points: r at 0 < k < 0.063 h/Mpc 0.[5-9]\d; r at 0.063 < k < 0.13 h/Mpc "
    assert re.search(line + r"0.\d\d; agreement of phases \(chance: 0.27\) 0.\d\d\n", out)


def test_attributes_and_a_coarser_mesh(run):
    x = np.arange(32) / 32
    low = np.cos(2 * np.pi * (x[:, None, None] + 2 * x[:, None])) + 0.5 * np.sin(2 * np.pi * 3 * x)
    high = np.broadcast_to(np.cos(2 * np.pi * 7 * x), low.shape)
    write_box("box.npz", gaussian(0))
    np.save("field.npy", low + high)
    words = "--field-redshift 127 --field-smoothing 2.5 --field-mesh 8 --no-check-field"
    status, _, err = run(f"--field field.npy {words}")
    assert status == 0 and "field.npy is kept, as --no-check-field says" in err
    with Suite("out.h5") as suite:
        field = suite.field(0)
    np.testing.assert_allclose(field.values, low[::4, ::4, ::4], atol=1e-5)
    assert field.attributes == {"kind": "linear", "redshift": 127.0, "smoothing": 2.5}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Arrangement("zyx"), "are z y x "),
        (Arrangement("yzx", "xz"), "are y z x, backwards along x z "),
        (Arrangement(shift=(8.0, 8.0, 8.0)), "x y z, the first point 8 8 8 cells from the corner"),
        (
            Arrangement("zxy", "y", (3.0, 0.0, -5.0)),
            "backwards along y, the first point 3 0 -5 cells",
        ),
    ],
)
def test_a_field_that_lies_otherwise_is_named_and_can_be_turned(run, found, words):
    values = gaussian(1)
    write_box("box.npz", values)
    np.save("field.npy", stored_as(values, found))
    np.testing.assert_array_equal(found.applied(stored_as(values, found)), values)
    said = refusal(run("--field field.npy"))
    assert "expected axes x y z, got a field whose axes" in said and words in said
    remedy = re.search(r"; pass (--field.*)\n", said)[1]
    status, _, err = run(f"--field field.npy {remedy}")
    assert status == 0, err
    with Suite("out.h5") as suite:
        np.testing.assert_array_equal(suite.field(0).values, values)
    np.save("field.npy", values)
    assert "leave out how --field-" in refusal(run(f"--field field.npy {remedy}"))


def test_values_at_the_centres_of_cells_are_moved_by_half_a_cell(run):
    values = gaussian(2, slope=-2.5)
    write_box("box.npz", values, number=20_000)
    np.save("field.npy", Arrangement(shift=(-0.5, -0.5, -0.5)).applied(values))
    assert "pass --field-shift 0.5 0.5 0.5\n" in refusal(run("--field field.npy"))
    status, _, err = run("--field field.npy --field-shift 0.5")
    assert status == 0, err
    with Suite("out.h5") as suite:
        expected = Arrangement(shift=(1.0, 0.0, 0.0)).applied(values)
        assert np.std(suite.field(0).values - values) < 0.3 * np.std(expected - values)


def test_phases_of_another_box_are_refused_or_kept(run):
    write_box("box.npz", gaussian(3))
    np.save("field.npy", gaussian(4))
    said = refusal(run("--field field.npy"))
    assert re.search(r"got one of another box: phases agree by -?0.\d\d of 1500 points", said)
    np.save("field.npy", -gaussian(3))
    assert "expected the density contrast, got its negative" in refusal(run("--field field.npy"))
    status, out, err = run("--field field.npy --no-check-field")
    assert status == 0 and "field and points: r at" in out and "is kept, as --no-check-f" in err
    assert err.count("\n") == 1


def test_many_boxes_in_order_or_by_a_pattern(run, tmp_path):
    for number in range(3):
        folder = tmp_path / f"sim{number}"
        folder.mkdir()
        write_box(folder / "box.npz", gaussian(number), seed=number)
        np.save(f"{number}.npy", gaussian(number))
        np.save(f"ic_sim{number}.npy", gaussian(number))
    inputs = "sim0/box.npz sim1/box.npz sim2/box.npz"
    assert "1.npy: expected a field of the phases" in refusal(
        run("--field 1.npy 0.npy 2.npy", inputs)
    )
    for fields in ("0.npy 1.npy 2.npy", "ic_{id}.npy"):
        status, out, err = run(f"--field {fields}", inputs)
        assert status == 0, err
        with Suite("out.h5") as suite:
            for number in range(3):
                np.testing.assert_array_equal(suite.field(number).values, gaussian(number))
        assert len(re.findall(r"  field and points: r at .* 0.\d\d to 0.\d\d;", out)) == 1
    few = refusal(run("--field 0.npy 1.npy", inputs))
    assert "expected a field for each of 3 inputs, got 2" in few
    many = refusal(run("--field 0.npy 1.npy 2.npy 2.npy", inputs))
    assert "expected a field for each of 3 inputs, got 4" in many
    pattern = "--field ic_{id}.npy --id-pattern run(\\d+)"
    assert "got none in number 0" in refusal(run(pattern, inputs))


def damaged(values, what):
    if what == "nan":
        values = values.copy()
        values[1, 2, 3] = np.nan
    made = {
        "mean": values + 1,
        "flat": values.ravel()[:-1],
        "slab": values[:8],
        "coarse": values[::4, ::4, ::4] - values[::4, ::4, ::4].mean(),
        "text": np.array(["a"]),
        "modes": fft.rfftn(values),
        "nought": np.zeros_like(values),
    }
    return made.get(what, values)


@pytest.mark.parametrize(
    ("what", "words", "said"),
    [
        ("mean", "", "mean 0, got mean 1 and standard deviation 1; pass --field-density if"),
        ("nan", "", "finite values in the field, got 1 NaN or infinite of 4096; make it again"),
        ("flat", "", "shape (mesh, mesh, mesh), got (4095,)"),
        ("slab", "", "shape (mesh, mesh, mesh), got (8, 16, 16)"),
        ("coarse", "", "8 points per side or more, got 4, too few to tell"),
        ("text", "", "expected numbers in the field, got text"),
        ("modes", "", "expected numbers in the field, got complex numbers"),
        ("nought", "", "got one of another box: phases agree by 0.00"),
        ("", "--field-density", "and values below zero; leave out --field-density"),
        ("", "--field-dataset delta", "one array in .npy, got --field-dataset delta; leave it out"),
        ("", "--field-mesh 32", "even --field-mesh of 4 to 16 points for a field of 16, got 32"),
        ("", "--field-mesh 7", "even --field-mesh of 4 to 16 points for a field of 16, got 7"),
        ("", "--field-smoothing -1", "smoothing of a field of 0 or more, got -1.0"),
        ("", "--field-axes xxz", "xxz"),
        ("", "--box 200 200 100 --wrap", "a periodic cube for the field field.npy, got a box of"),
        ("", "--open", "Mpc/h, open; leave out --field"),
        ("", "--cut 50", "whole boxes with --field, got --cut; leave one out"),
    ],
)
def test_what_cannot_be_a_field_is_one_line(run, what, words, said):
    write_box("box.npz", gaussian(5))
    np.save("field.npy", damaged(gaussian(5), what))
    assert said in refusal(run(f"--field field.npy {words}"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--field none.npy", "no such file"),
        (
            "--field ics.hdf5 --field-dataset rho",
            "an array 'rho', got flat (4096,), grids/delta (16,",
        ),
        (
            "--field box.npz",
            "expected one cube, got pos (1500, 3); name a cube with --field-dataset",
        ),
        ("--field notes.txt", "in .npy, .npz, HDF5 or FITS, got text"),
        ("--field-mesh 8", "expected --field with --field-mesh, got none"),
        ("--no-check-field", "expected --field with --check-field, got none"),
    ],
)
def test_files_without_a_field_are_one_line(run, tmp_path, words, said):
    write_box("box.npz", gaussian(6))
    write_hdf5(gaussian(6))
    (tmp_path / "notes.txt").write_text("1 2 3\n")
    assert said in refusal(run(words))


def test_one_catalogue_a_file_and_no_field_is_overwritten(run):
    places = np.stack([points(gaussian(7), seed=seed) * BOX for seed in range(2)])
    np.save("boxes.npy", np.mod(places, BOX))
    np.save("field.npy", gaussian(7))
    words = "--field field.npy --columns x=0,y=1,z=2"
    said = refusal(run(words, "boxes.npy"))
    assert "expected one catalogue in each input with --field, got 2 or more" in said
    write_box("box.npz", gaussian(7))
    with h5py.File("out.h5", "w") as file:
        file["delta"] = gaussian(7)
    assert "expected an output that is no input" in refusal(run("--field out.h5"))
    with h5py.File("out.h5") as file:
        np.testing.assert_array_equal(file["delta"], gaussian(7))


def test_rates_of_errors_are_within_their_bounds(monkeypatch):
    """Of unrelated fields few fit and few are said to lie otherwise; right ones are left alone."""
    monkeypatch.setattr(field_phases, "CHANCE", 0.2)
    places = [points(gaussian(seed), 300) for seed in range(6)]
    fields = [gaussian(100 + seed, slope=-2.5) for seed in range(20)]
    unrelated = [Waves(f, p, BOX).verdict(Arrangement()) for f in fields for p in places]
    passed = np.mean([v.agreement > v.chance for v in unrelated])
    assert 0 < passed < 0.2
    assert np.mean([v.better is not None for v in unrelated]) < 0.2
    right = [Waves(gaussian(s), points(gaussian(s), 300, s), BOX) for s in range(40)]
    verdicts = [waves.verdict(Arrangement()) for waves in right]
    assert np.mean([v.better is not None for v in verdicts]) < 0.2
    assert all(v.agreement > v.chance for v in verdicts)


@pytest.mark.parametrize("seed", range(2))
def test_haloes_of_the_simulator_know_their_field(seed):
    planck = gg.Cosmology(0.3175, 0.049, 0.6711, 0.9624, 0.834)
    haloes = gg.HaloSimulator(box=BOX, mesh=64, number_max=300).simulate(planck, seed)
    own, other = (linear_field(planck, s, BOX, 32, 64).values for s in (seed, seed + 2))
    verdict = Waves(own, haloes.positions / BOX, BOX).verdict(Arrangement())
    assert verdict.better is None and verdict.agreement > 2 * verdict.chance
    assert next(iter(verdict.correlation.values())) > 0.6
    edges = 2 * np.pi / BOX * np.array([0.5, 2.001, 4.001])
    same = field_cross_coefficient(haloes.positions[None], None, own[None], BOX, 32, edges)
    expected = np.asarray(same.coefficient())[0]
    np.testing.assert_allclose(list(verdict.correlation.values()), expected, atol=0.01)
    found = Arrangement("zxy", "x", (16.0, 16.0, 16.0))
    turned = Waves(stored_as(own, found), haloes.positions / BOX, BOX).verdict(Arrangement())
    assert turned.better == found and turned.agreement < turned.chance
    unrelated = Waves(other, haloes.positions / BOX, BOX).verdict(Arrangement())
    assert unrelated.better is None and unrelated.agreement < unrelated.chance


@pytest.mark.skipif(not NBODY.is_file(), reason="needs ../shared/data/nbody, absent here")
def test_haloes_of_particles_know_their_phases():
    """Friends-of-friends haloes of an N-body code, and the noise that it began from."""
    stored = np.load(NBODY)
    fields, boxes = [], []
    for number in (0, 3):
        noise = jax.random.normal(
            jax.random.key(int(stored["seeds"][number])), (128,) * 3, "float32"
        )
        cosmology = gg.Cosmology(*map(float, stored["th"][number]))
        fields.append(linear_field(cosmology, np.asarray(noise), 500.0, 32).values)
        rows = slice(*stored["offsets"][number : number + 2])
        boxes.append(np.float64(stored["pos"][rows]) / 500)
    for number, field in enumerate(fields):
        found = Arrangement("yzx", "z", (0.0, 1.0, 0.0))
        own = Waves(field, boxes[number], 500.0).verdict(Arrangement())
        assert own.better is None and own.agreement > 0.3 and own.chance < 0.06
        long, short = own.correlation.values()
        assert long > 0.78 and 0.4 < short < long
        turned = Waves(stored_as(field, found), boxes[number], 500.0).verdict(Arrangement())
        assert turned.better == found
        few = Waves(field, boxes[number][::20], 500.0).verdict(Arrangement())
        assert few.better is None and few.agreement > few.chance
        other = Waves(field, boxes[1 - number], 500.0).verdict(Arrangement())
        assert other.better is None and other.agreement < other.chance
