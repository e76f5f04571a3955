"""Births given the field that points come from, against Poisson processes of a known intensity."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import fft
from training_on_meshes import run_with_devices

from galgen import Catalogue, Experiment, Trainer, sample, write_suite
from galgen.cli import main
from galgen.data import CatalogueDataset, Field, Suite
from galgen.data.field_encoding import at_centres
from galgen.errors import InputError
from galgen.evaluation import Evaluation
from galgen.generative import Births, BirthSampler, Bridge, LinearPath
from galgen.generative.sampling.birth_process import TrainedBirths
from galgen.networks import DeepSet, MeshRate
from galgen.networks.mesh_rate import resampled
from galgen.run import Run
from galgen.trajectory import sample_trajectory
from galgen.validation import SharedField, compare

BOX, MESH, MEAN = 64.0, 8, 120.0
KEY = jax.random.key(0)


def field_of(rng):
    """Waves of less than the Nyquist frequency, of unit variance."""
    modes = fft.rfftn(rng.standard_normal((MESH,) * 3))
    full, half = np.abs(fft.fftfreq(MESH)), fft.rfftfreq(MESH)
    keep = np.maximum(np.maximum(full[:, None, None], full[None, :, None]), half) < 0.5
    keep[0, 0, 0] = False
    values = fft.irfftn(modes * keep, s=(MESH,) * 3)
    return Field((values / values.std()).astype(np.float32), BOX)


def intensity(field):
    """In cells: its logarithm is the field at their centres."""
    return MEAN * np.exp(at_centres(field.values).astype(float) - 0.5)


def poisson(rng, field):
    """Points of a Poisson process of that intensity, in Mpc/h."""
    counts = rng.poisson(intensity(field) / MESH**3)
    cells = np.repeat(np.argwhere(counts >= 0), counts.ravel(), axis=0)
    x = (cells + rng.random(cells.shape)) * (BOX / MESH)
    return Catalogue(dict(zip("xyz", x.T, strict=True)), (BOX,) * 3)


def write(path, train, held_out):
    rng = np.random.default_rng(0)
    fields = [field_of(rng) for _ in range(train + held_out)]
    catalogues = [poisson(rng, field) for field in fields]
    write_suite(path, catalogues, ["train"] * train + ["validation"] * held_out, fields)


def experiment(path, steps=2, network=None, model=None, **others):
    data = CatalogueDataset(path, columns=("x", "y", "z"), condition=(), field=True)
    network = MeshRate(MESH, 8, 8, 1, (0.7,)) if network is None else network
    trainer = Trainer(steps=steps, batch_size=8, learning_rate=5e-3, log_every=steps)
    return Experiment(data, network, model or Births(), trainer=trainer, **others)


def correlation(catalogues, fields):
    """r of counts in cells with log intensities over the modes below the Nyquist frequency."""
    full, half = fft.fftfreq(MESH), fft.rfftfreq(MESH)
    k = np.sqrt(full[:, None, None] ** 2 + full[None, :, None] ** 2 + half**2)
    modes, sums = (k > 0) & (k < 0.5), np.zeros(3)
    for catalogue, field in zip(catalogues, fields, strict=True):
        edges = [np.linspace(0, BOX, MESH + 1)] * 3
        a = fft.rfftn(np.histogramdd(catalogue.positions, edges)[0])[modes]
        b = fft.rfftn(at_centres(field.values))[modes]
        sums += [np.sum((a * b.conj()).real), np.sum(np.abs(a) ** 2), np.sum(np.abs(b) ** 2)]
    return sums[0] / np.sqrt(sums[1] * sums[2])


@pytest.mark.slow
def test_births_learn_an_intensity_that_is_a_function_of_the_field(tmp_path):
    """The bound comes near log p of the process; draws follow their field as its points do."""
    path, held_out = tmp_path / "suite.h5", 24
    write(path, 96, held_out)
    run = experiment(path, 600).train(tmp_path / "run")
    with Suite(path) as suite:
        view = suite["validation"]
        truth, fields = list(view), [view.field(i) for i in range(held_out)]
    source = run.experiment.data.held_out_source(run.encoding, held_out, "validation")
    batch = source.batch(0)
    x, mask, field = (jnp.asarray(each) for each in (batch.x, batch.mask, batch.field))

    def truly(x, t, mask, condition):  # batch.field is the logarithm, in units of its scale
        return np.log(MEAN) - 0.5 + field[..., 0] * run.encoding.field.scale

    births = run.experiment.model.with_params(run.experiment.network, run.params)
    found = births.given_field(field).log_density(KEY, x, mask, draws=128)
    best = TrainedBirths(truly, 0.0).log_density(KEY, x, mask, draws=128)  # the same noise

    exact = sum(
        np.sum(np.log(intensity(one)[tuple(np.floor(points.positions.T / BOX * MESH).astype(int))]))
        - intensity(one).mean()
        for points, one in zip(truth, fields, strict=True)
    )
    uniform = sum(len(one) * np.log(MEAN) - MEAN for one in truth)
    error = np.sqrt(np.sum(best.error**2))
    assert abs(np.sum(best.value) - held_out - exact) < 4 * error
    lost, gain = np.sum(best.value - found.value), exact - uniform
    assert 0 < lost < 0.03 * gain

    drawn = run.sample([{}] * held_out, seed=1, fields=fields)
    expected = sum(intensity(field).mean() for field in fields)
    assert abs(sum(map(len, drawn)) - expected) < 4 * np.sqrt(expected) + 0.03 * expected
    assert abs(correlation(drawn, fields) - correlation(truth, fields)) < 0.06
    assert abs(correlation(drawn, fields[1:] + fields[:1])) < 0.06


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    write(folder / "suite.h5", 10, 6)
    evaluation = Evaluation(every=2, draws=4, batches=1)
    return experiment(folder / "suite.h5", evaluation=evaluation).train(folder / "run")


def test_a_run_draws_of_fields_and_is_loaded_and_goes_on(run, tmp_path):
    rng = np.random.default_rng(1)
    fields = [field_of(rng) for _ in range(3)]
    drawn = run.sample([{}] * 3, seed=2, fields=fields)
    again = Run.load(run.folder).sample([{}] * 3, seed=2, fields=[f.values for f in fields])
    assert drawn == again
    kept = sample(run, [{}] * 3, tmp_path / "drawn.h5", seed=2, fields=fields)
    for one, other in zip(kept, drawn, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
    others = run.sample([{}] * 3, seed=2, fields=fields[::-1])
    assert drawn[1] == others[1] and drawn[0] != others[0]
    trainer = dataclasses.replace(run.experiment.trainer, steps=3)
    longer = dataclasses.replace(run.experiment, trainer=trainer)
    assert longer.train(run.folder, resume=True).encoding == run.encoding


def test_the_command_draws_of_the_fields_of_a_suite(run, tmp_path, capsys):
    path, output = run.experiment.data.path, tmp_path / "drawn.h5"
    words = ["sample", str(run.folder), "--output", str(output)]
    assert main([*words, "--like", str(path), "--splits", "validation", "--seed", "4"]) == 0
    with Suite(path) as suite, Suite(output) as drawn:
        view = suite["validation"]
        fields = [view.field(i) for i in range(len(view))]
        expected = Run.load(run.folder).sample([{}] * len(view), seed=4, fields=fields)
        assert [len(one) for one in drawn] == [len(one) for one in expected]
        assert set(drawn.splits) == {"validation"}
    capsys.readouterr()
    assert main([*words, "-n", "2"]) == 2
    assert "got none; pass fields=" in capsys.readouterr().err
    write_suite(tmp_path / "bare.h5", expected)
    assert main([*words, "--like", str(tmp_path / "bare.h5"), "--splits", "train"]) == 2
    assert "a suite with fields" in capsys.readouterr().err


def test_validation_measures_phases_on_the_fields_of_held_out(run, tmp_path, capsys):
    output = tmp_path / "report"
    words = ["validate", str(run.folder), "--splits", "validation", "--output", str(output)]
    assert main([*words, "--second-draws", "4", "--require", "r.difference < 2"]) == 0
    assert "r(k) with truth less two draws" in capsys.readouterr().out
    with Suite(run.experiment.data.path) as suite, Suite(output / "samples.h5") as drawn:
        view = suite["validation"]
        for i in range(len(view)):  # draws are kept with their fields
            np.testing.assert_array_equal(drawn.field(i).values, view.field(i).values)
        with Suite(output / "second_draws.h5") as second:
            assert len(view) == 6 and len(second) == 4
            assert [len(one) for one in second] != [len(one) for one in drawn][:4]
            shared = [
                SharedField(view.field(i), view[i], drawn[i], second[i] if i < 4 else None)
                for i in range(6)
            ]
        sets = {"validation": list(drawn)}, {"validation": list(view)}
    expected = compare(*sets, phases={"validation": shared}).numbers
    tree = json.loads((output / "comparison.json").read_text())
    assert (tree["splits"][0]["phases"]["fields"], tree["splits"][0]["phases"]["pairs"]) == (6, 4)
    of_phases = {name for name in expected if name.startswith("r.")}
    assert {"r.truth", "r.ceiling", "r.difference", "r.field", "r.transfer"} < of_phases
    # What a report finds depends on how many measures it has; this one knows the training set too.
    for name in of_phases - {"r.finds"}:
        assert tree["numbers"][name] == pytest.approx(expected[name], rel=1e-5, abs=1e-7), name

    again = [*words[:-1], str(tmp_path / "again"), "--samples", str(output / "samples.h5")]
    assert main(again) == 0
    numbers = json.loads((tmp_path / "again" / "comparison.json").read_text())["numbers"]
    assert numbers["r.truth"] == tree["numbers"]["r.truth"] and "r.ceiling" not in numbers
    capsys.readouterr()
    assert main([*words, "--second-draws", "3"]) == 2
    assert "expected second_draws of 0, or of 4 and more, got 3" in capsys.readouterr().err


def test_phases_are_logged_in_training(run):
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert any("held_out.r.truth" in row for row in rows)


def test_a_trajectory_is_of_fields(run):
    rng = np.random.default_rng(3)
    fields = [field_of(rng) for _ in range(2)]
    states = sample_trajectory(run, [{}] * 2, seed=5, fields=fields)
    drawn = run.sample([{}] * 2, seed=5, batch=2, fields=fields)
    for last, one in zip(states[-1], drawn, strict=True):
        np.testing.assert_array_equal(last.positions, one.positions)
    assert [len(one) for one in states[0]] == [0, 0] and len(states[-1][0]) > 0
    others = sample_trajectory(run, [{}] * 2, seed=5, fields=fields[::-1])
    assert others[-1] != states[-1]
    with pytest.raises(InputError, match="got none; pass fields="):
        sample_trajectory(run, [{}] * 2)


def test_a_card_tells_what_a_draw_costs(run, tmp_path):
    assert main(["model-card", str(run.folder), "--output", str(tmp_path / "card.html")]) == 0
    assert "a draw [s]" in (tmp_path / "card.html").read_text()


def test_fields_of_draws_are_refused_in_one_line(run):
    good = field_of(np.random.default_rng(1))
    odd = np.where(good.values > 2, np.nan, good.values)
    for fields, message in (
        (None, r"a field of 8\^3 points of 64 Mpc/h for each of 1 draws .* got none; pass fields="),
        ([good, good], "a field for each of 1 draws, got 2"),
        ([Field(good.values, 65.0)], "the box of training, 64.0, got 65.0"),
        ([Field(good.values[::2, ::2, ::2] * 0, BOX)], "the mesh of training, 8, got 4"),
        ([odd], "finite values in the field, got"),
        ([good.values + 1], "contrast of mean 0"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            run.sample([{}], fields=fields)
        assert "\n" not in str(caught.value)


def test_what_reads_no_field_is_refused(run, tmp_path):
    path = run.experiment.data.path
    flow = experiment(path, network=DeepSet(width=8), model=Bridge(LinearPath()))
    with pytest.raises(InputError, match="a model that reads fields, as Births, got Bridge"):
        flow.train(tmp_path / "flow")
    coarse = experiment(path, network=MeshRate(mesh=12, width=8, layers=1))
    with pytest.raises(InputError, match=r"multiple or a part of the 12 .* got \(8, 8, 8\)"):
        coarse.train(tmp_path / "coarse")
    data = dataclasses.replace(run.experiment.data, field=False)
    blind = dataclasses.replace(run.experiment, data=data, evaluation=Evaluation())
    with pytest.raises(InputError, match="no fields for a model that was trained without, got 1"):
        blind.train(tmp_path / "blind").sample([{}], fields=[field_of(np.random.default_rng(0))])


def test_resampling_keeps_means_and_places():
    fine = np.random.default_rng(0).standard_normal((2, 4, 4, 1)).astype(np.float32)
    coarse = resampled(jnp.asarray(fine), (2, 2))
    blocks = fine.reshape(2, 2, 2, 2, 2, 1).mean(axis=(2, 4))
    np.testing.assert_allclose(coarse, blocks, rtol=1e-5)
    repeated = resampled(coarse, (4, 4))
    np.testing.assert_array_equal(repeated[:, ::2, ::2], coarse)
    np.testing.assert_array_equal(repeated[:, 1::2, 1::2], coarse)
    with pytest.raises(InputError, match=r"a part of the 4 .* along 3 axes, got \(2, 2\)"):
        resampled(coarse, (4, 4, 4))


def test_the_network_moves_with_points_and_field_by_whole_cells():
    network = MeshRate(mesh=MESH, width=8, layers=1, smoothing=(0.7, 1.4))
    x = jax.random.uniform(KEY, (2, 20, 3)) * 0.999
    field = jax.random.normal(KEY, (2, 2 * MESH, 2 * MESH, 2 * MESH, 1))
    inputs = (x, jnp.array([0.2, 0.7]), jnp.ones((2, 20), bool), None, field)
    params = jax.tree.map(
        lambda a: a + 0.1 * jax.random.normal(KEY, a.shape), network.init(KEY, *inputs)
    )
    apply = jax.jit(functools.partial(network.apply, params))
    rate = apply(*inputs)
    shifted = (x + jnp.array([0, 3, 5]) / MESH) % 1.0
    moved = apply(shifted, *inputs[1:4], jnp.roll(field, (6, 10), (2, 3)))
    np.testing.assert_allclose(moved, jnp.roll(rate, (3, 5), (2, 3)), atol=2e-5)
    assert jnp.max(jnp.abs(apply(*inputs[:4], jnp.roll(field, 2, 1)) - rate)) > 1e-2


def test_draws_are_of_the_field_that_is_given():
    def log_rate(x, t, mask, condition, field):
        return field[..., 0]

    cells = np.full((1, 4, 4, 1), -20.0, np.float32)
    cells[0, 2, 1] = np.log(16 * 30.0)
    drawn = BirthSampler(4)(TrainedBirths(log_rate, 0.0).given_field(cells), KEY, (1, 80, 2))
    number = int(jnp.sum(drawn.mask))
    assert 10 < number < 60
    assert np.all(np.floor(np.asarray(drawn.x[0, :number]) * 4) == [2, 1])


@pytest.mark.slow
def test_devices_that_share_points_give_the_same_loss_with_the_whole_field():
    first, *others = json.loads(run_with_devices(4, SHARED).splitlines()[-1])
    np.testing.assert_allclose(others, [first] * len(others), rtol=1e-5)


SHARED = """
    from galgen.generative import Births
    from galgen.networks import MeshRate
    from galgen.training.sharding import gathering, put_batch

    network, model, rng = MeshRate(8, 8, 8, 1, (0.7,)), Births(), np.random.default_rng(0)
    x, mask = rng.random((4, 32, 3), np.float32), np.arange(32) < [[9], [20], [0], [32]]
    batch = Batch(x, mask, field=rng.standard_normal((4, 8, 8, 8, 1), np.float32))
    params = model.initial_params(network, jax.random.key(0), batch)
    params = jax.tree.map(lambda a: a + 0.1, params)

    def loss(params, key, batch):
        return model.mean_loss(network, params, key, batch)

    found = []
    for devices, shape in ((1, MeshShape()), (4, MeshShape(points=4)), (4, MeshShape(2, 1, 2))):
        mesh = shape.over(every[:devices])
        placed = put_batch(batch, mesh)
        kept = placed.field.addressable_shards[0].data.shape
        assert kept == (4 // mesh.shape["data"], 8, 8, 8, 1), kept
        found.append(float(jax.jit(gathering(loss, mesh))(params, jax.random.key(1), placed)))
    print(json.dumps(found))
"""
