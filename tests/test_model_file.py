"""A trained model as one file, by name: the same draws as of its run, and nothing else is read."""

import json
import random
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from documents import ROOT
from safetensors.numpy import load_file, save_file
from tiny_run import tiny_run

import galgen
from galgen import pretrained
from galgen.card_page import as_markdown
from galgen.errors import InputError
from galgen.model_file import ModelFile, write_model_file
from galgen.pretrained import index

HERE = [{"omega_m": 0.3, "sigma_8": 0.8}]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> galgen.Run:
    folder = tmp_path_factory.mktemp("model")
    tiny_run(folder / "run", folder / "suite.h5")
    return galgen.Run.load(folder / "run")


@pytest.fixture
def packaged(run: galgen.Run, tmp_path: Path) -> Path:
    """A folder of models with one."""
    path = tmp_path / "models" / "tiny-haloes.safetensors"
    path.parent.mkdir()
    card = {"name": "tiny-haloes", "about": "clouds"}
    write_model_file(path, "tiny-haloes", run.experiment, run.encoding, run.params, card)
    pretrained.add_to_index(path, "clouds")
    return path


def test_a_model_file_draws_what_its_run_draws(run: galgen.Run, packaged: Path) -> None:
    loaded = galgen.Run.load(packaged)
    assert loaded.weights_hash == run.weights_hash
    assert jax.tree.structure(loaded.params) == jax.tree.structure(run.params)
    assert loaded.encoding == run.encoding and loaded.experiment.network == run.experiment.network
    assert loaded.experiment.data.path == Path("suite.h5")
    one, two = (r.sample(HERE * 2, seed=3) for r in (run, loaded))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.positions, b.positions)
    assert two[0].provenance["run"] == "tiny-haloes"
    with pytest.raises(InputError, match="leave out best and ema_decay"):
        galgen.Run.load(packaged, best=True)


def test_a_model_is_known_by_its_name(packaged: Path, monkeypatch) -> None:
    monkeypatch.setenv(index.PLACE, str(packaged.parent))
    known = pretrained.listed()
    assert known["tiny-haloes"].about == "clouds"
    assert galgen.Run.load("tiny-haloes").weights_hash == galgen.Run.load(packaged).weights_hash
    with pytest.raises(InputError, match="perhaps you meant tiny-haloes"):
        galgen.Run.load("tiny-halos")
    shutil.copy(packaged, packaged.with_name("other.safetensors"))
    with packaged.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match="SHA-256"):
        galgen.Run.load("tiny-haloes")


def test_models_of_another_place_are_downloaded_once(packaged: Path, tmp_path, monkeypatch) -> None:
    """The downloader is replaced by one that copies; pooch checks the sum and keeps the file."""
    pooch = pytest.importorskip("pooch")
    asked = []

    class Copies:
        def __call__(self, url: str, output: object, pooch: object, check_only=False) -> None:
            asked.append(url.rpartition("/")[2])
            content = (packaged.parent / asked[-1]).read_bytes()
            if isinstance(output, str):
                Path(output).write_bytes(content)
            else:
                output.write(content)  # type: ignore[attr-defined]

    monkeypatch.setattr(pooch, "HTTPDownloader", Copies)
    monkeypatch.setattr(pooch.core, "choose_downloader", lambda *_, **__: Copies())
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    monkeypatch.setenv(index.PLACE, "https://models.invalid/haloes")
    for _ in range(2):
        assert galgen.Run.load("tiny-haloes").encoding.suffix == ".h5"
    assert asked == ["index.json", "tiny-haloes.safetensors"]
    index._fetched.cache_clear()
    shutil.rmtree(tmp_path / "cache")
    packaged.write_bytes(packaged.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="expected to download"):
        galgen.Run.load("tiny-haloes")


def changed(path: Path, **texts: str) -> Path:
    """A copy with other texts."""
    other = path.with_name("changed.safetensors")
    save_file(load_file(path), other, {**ModelFile.open(path).texts, **texts})
    return other


def test_a_foreign_or_newer_file_is_one_line_that_says_what_to_do(packaged: Path) -> None:
    with pytest.raises(InputError, match=r"which galgen 9\.1 reads"):
        galgen.Run.load(changed(packaged, format="2", galgen="9.1"))
    with pytest.raises(InputError, match="copy it anew"):
        galgen.Run.load(changed(packaged, card="{}"))
    foreign = packaged.with_name("foreign.safetensors")
    save_file({"weight": np.zeros(3)}, foreign)
    with pytest.raises(InputError, match="got one without format"):
        galgen.Run.load(foreign)
    foreign.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(InputError, match="cannot be read"):
        galgen.Run.load(foreign)
    with pytest.raises(InputError, match="no such file"):
        galgen.Run.load(packaged.with_name("none.safetensors"))


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_file_is_refused(packaged: Path, seed: int) -> None:
    """Cut short, or with one bit flipped: nothing of it is used."""
    rng, content = random.Random(seed), bytearray(packaged.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    place = rng.randrange(header if seed % 2 else len(content))
    if seed % 5 == 0:
        del content[place:]
    else:
        content[place] ^= 1 << rng.randrange(8)
    packaged.write_bytes(content)
    with pytest.raises(InputError) as caught:
        galgen.Run.load(packaged)
    assert "\n" not in str(caught.value) and packaged.name in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"format": 2, "models": {}}',
        '{"format": 1, "models": {"../x": {"sha256": "", "size": 1, "about": ""}}}',
        '{"format": 1, "models": {"x": {"sha256": 3, "size": 1, "about": ""}}}',
    ],
)
def test_a_damaged_index_is_one_line(text: str, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "index.json").write_text(text)
    monkeypatch.setenv(index.PLACE, str(tmp_path))
    with pytest.raises(InputError, match=r"index\.json"):
        pretrained.listed()


def test_every_model_that_comes_with_galgen_is_small_and_draws() -> None:
    known = json.loads((index.HERE / "index.json").read_text())["models"]
    assert sum(entry["size"] for entry in known.values()) <= 10_000_000
    for name, entry in known.items():
        assert entry["size"] <= 2_000_000, name
        run = galgen.Run.load(name)
        assert ModelFile.open(pretrained.find_model(name)).name == name
        conditions = run.encoding.random_conditions(2, {}, 0)
        fields = run.encoding.fields_to_time(conditions)
        drawn = run.sample(conditions, seed=1, fields=fields)
        for example in drawn:
            values = getattr(example, "positions", example)
            assert len(values) > 1 and np.all(np.isfinite(values)), name


def test_the_card_in_the_readme_is_that_of_the_model() -> None:
    card = as_markdown(ModelFile.open(pretrained.find_model("haloes-small")).card)
    page = (ROOT / "README.md").read_text()
    parts = re.split(r"^## ", card, flags=re.MULTILINE)
    for heading in ("Measured against held-out", "Where it may be used, and where not"):
        (part,) = [part for part in parts if part.startswith(heading)]
        assert part.removeprefix(heading).strip() in page
