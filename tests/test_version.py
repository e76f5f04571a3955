"""``galgen --version``: what runs, without JAX where the device can only be the CPU."""

import re
from importlib.metadata import version

import jax
import pytest

from galgen import __version__
from galgen.cli import main
from galgen.version import version_line


def test_the_line_has_every_version_and_the_device(capsys):
    assert main(["--version"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = re.fullmatch(
        r"galgen (\S+) \(JAX (\S+), jaxlib (\S+), Python 3\.\d+\.\d+, (.+)\)", line
    )
    assert found.groups()[:3] == (__version__, jax.__version__, version("jaxlib"))
    assert found[4].split(":")[0] == jax.default_backend()


class Accelerator:
    platform, device_kind = "gpu", "NVIDIA H200"


@pytest.mark.parametrize("hint", ["plugin", "platform"])
def test_jax_is_asked_where_there_may_be_another_device(monkeypatch, hint):
    monkeypatch.setattr(jax, "devices", lambda: [Accelerator()] * 2)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr("galgen.version.find_spec", lambda name: None)
    assert version_line().endswith(", cpu)")
    if hint == "platform":
        monkeypatch.setenv("JAX_PLATFORMS", "cuda,cpu")
    else:
        monkeypatch.setattr("galgen.version.entry_points", lambda group: [group])
    assert version_line().endswith(", gpu: 2 x NVIDIA H200)")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert version_line().endswith(", cpu)")
