import json
from pathlib import Path

import pytest

from galgen.errors import InputError
from galgen.experiment import load_config
from galgen.serialization import from_json, read_json, to_json, write_json

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.stem)
def test_every_configuration_reads_back_equal(config: Path, tmp_path: Path) -> None:
    experiment = load_config(config)
    write_json(tmp_path / "experiment.json", experiment)
    assert read_json(tmp_path / "experiment.json") == experiment
    assert sorted(p.name for p in tmp_path.iterdir()) == ["experiment.json"]


def test_only_classes_of_galgen_are_rebuilt() -> None:
    with pytest.raises(InputError, match=r"expected a class of galgen, got 'os\.system'"):
        from_json({"type": "os.system", "command": "true"})
    with pytest.raises(InputError, match="expected a configuration class"):
        from_json({"type": "galgen.geometry.wrap", "x": 1})
    with pytest.raises(InputError, match="this version of galgen"):
        from_json({"type": "galgen.networks.mlp.Gone"})
    with pytest.raises(InputError, match="expected fields of this version"):
        from_json({"type": "galgen.networks.mlp.MLP", "height": 3})


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(to_json((1, 2)))[:-1])
    with pytest.raises(InputError, match="the file is damaged"):
        read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match="run galgen train first"):
        read_json(tmp_path / "y.json")
    with pytest.raises(TypeError, match="expected dataclasses of plain values"):
        to_json(object())
