"""Networks and other classes of one's own: refused before training, or read when trusted."""

import dataclasses
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.cli import main
from galgen.configuration import load_config
from galgen.data.dataset import ToyDataset
from galgen.data.toys import EightGaussians
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath, Sampler
from galgen.networks import MLP
from galgen.run import Run
from galgen.serialization import from_json, require_readable, to_json
from galgen.training import Trainer

MODULE = """
import flax.linen as nn
import jax.numpy as jnp

class Mine(nn.Module):
    width: int = 8

    @nn.compact
    def __call__(self, x, t, mask=None, condition=None):
        features = jnp.concatenate([x, t[:, None]], axis=-1)
        return nn.Dense(2)(nn.silu(nn.Dense(self.width)(features)))

class Outer:
    class Inner(nn.Module):
        width: int = 8
"""
CONFIG = """
import dataclasses
from galgen.data.dataset import ToyDataset
from galgen.data.toys import EightGaussians
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath
from galgen.networks import MLP
import flax.linen as nn

class Mine(nn.Module):
    width: int = 8

experiment = Experiment(ToyDataset(EightGaussians(), 64), Mine(), Bridge(LinearPath()))
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of the user's own, on the path."""
    (tmp_path / "my_networks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("my_networks")
    sys.modules.pop("my_networks", None)


def experiment(network: Any) -> Experiment:
    return Experiment(
        data=ToyDataset(EightGaussians(), 64),
        network=network,
        model=Bridge(LinearPath()),
        sampler=Sampler(steps=2),
        trainer=Trainer(steps=2, batch_size=8, warmup=1),
    )


def test_a_network_of_a_module_trains_and_is_read_when_trusted(
    mine, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder, own = tmp_path / "run", experiment(mine.Mine(width=4))
    trained = own.train(folder)
    for name in ("my_networks.Mine", "trust=True", "--trust"):
        with pytest.raises(InputError, match=name):
            Run.load(folder)
    loaded = Run.load(folder, trust=True)
    assert loaded.experiment == own and type(loaded.experiment.network) is mine.Mine
    assert np.array_equal(loaded.sample([{}] * 3), trained.sample([{}] * 3))
    assert own.train(folder, resume=True).weights_hash == trained.weights_hash
    with pytest.raises(InputError, match=r"network.width 6 where it has 4"):
        experiment(mine.Mine(width=6)).train(folder, resume=True)
    commands = [
        ["sample", str(folder), "-n", "2", "-o", str(tmp_path / "drawn.npz")],
        ["inspect", str(folder)],
        ["validate", str(folder)],
        ["infer", str(folder), str(tmp_path / "none.h5")],
    ]
    for command in commands:
        assert main(command) == 2
        assert "add --trust" in capsys.readouterr().err
        trusted = main([*command, "--trust"])
        said = capsys.readouterr().err
        assert trusted == (0 if command[0] in ("sample", "inspect") else 2)
        assert "--trust" not in said, "a run of points in the plane is refused for what it is"
    assert (tmp_path / "drawn.npz").exists()


def test_a_class_that_is_not_trusted_is_not_even_imported(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "untrusted_module.py").write_text("raise RuntimeError('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    value = {"type": "untrusted_module.Network", "width": 3}
    for trusted in (False, (), ("another_module.Network",)):
        with pytest.raises(InputError, match=r"got 'untrusted_module.Network'; .* add --trust"):
            from_json([value], trusted)
    with pytest.raises(InputError, match="it ran"):
        from_json([value], True)


class InTests(nn.Module):
    width: int = 3


@dataclasses.dataclass(frozen=True)
class WithList:
    values: Any = (1, 2)


def local() -> Any:
    class Local(nn.Module):
        width: int = 3

    return Local()


def of_a_script() -> Any:
    class Script(nn.Module):
        width: int = 3

    Script.__module__, Script.__qualname__ = "__main__", "Script"
    sys.modules["__main__"].Script = Script  # type: ignore[attr-defined]
    return Script()


def of_a_configuration(tmp_path: Path) -> Any:
    (tmp_path / "config.py").write_text(CONFIG)
    return load_config(tmp_path / "config.py").network


def gone() -> Any:
    class Gone(nn.Module):
        width: int = 3

    Gone.__module__, Gone.__qualname__ = "a_module_that_is_gone", "Gone"
    return Gone()


IMPORT = r"another process can import by name, got .*; put it into a module of its own"
EQUAL = "reads back equal"
REFUSED = {
    "of a script": (lambda mine, path: of_a_script(), IMPORT),
    "of a function": (lambda mine, path: local(), IMPORT),
    "of a configuration": (lambda mine, path: of_a_configuration(path), IMPORT),
    "of a class": (lambda mine, path: mine.Outer.Inner(), IMPORT),
    "of a module that is gone": (lambda mine, path: gone(), IMPORT),
    "a function in it": (lambda mine, path: mine.Mine(width=jnp.sin), "plain values"),
    "an array in it": (lambda mine, path: mine.Mine(width=np.ones(3)), "plain values"),
    "a list in it": (lambda mine, path: mine.Mine(width=[1, 2]), EQUAL),
    "a mapping by numbers in it": (lambda mine, path: mine.Mine(width={1: 2}), EQUAL),
    "NaN in it": (lambda mine, path: mine.Mine(width=float("nan")), "NaN"),
    "one of another kind in it": (lambda mine, path: mine.Mine(width=local()), IMPORT),
}


@pytest.mark.parametrize(("build", "words"), REFUSED.values(), ids=REFUSED)
def test_a_class_that_would_not_come_back_is_refused_at_the_start(
    mine, tmp_path: Path, build, words: str
) -> None:
    with pytest.raises(InputError, match=words) as error:
        experiment(build(mine, tmp_path)).train(tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("tree", [InTests(5), WithList(("a", None)), MLP(), Trainer()])
def test_what_comes_back_is_accepted(tree) -> None:
    require_readable(tree)
    assert from_json(json.loads(json.dumps(to_json(tree))), True) == tree
