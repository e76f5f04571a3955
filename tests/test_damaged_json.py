"""JSON files of a run that are damaged, or made to harm: each is read, or refused in one line."""

import copy
import json
import math
import os
import random
from pathlib import Path

import pytest
from tiny_run import clustered

from galgen.configuration import load_config
from galgen.data.cardinality import Cardinality
from galgen.data.encoding import CloudEncoding, Encoding
from galgen.data.normalization import Standardizer
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.serialization import from_json, read_json, to_json, write_json

WRONG = {
    "cut short": ("[1, 2", "the file is damaged"),
    "empty": ("", "the file is damaged"),
    "nested": ("[" * 100_000 + "]" * 100_000, "the file is damaged"),
    "nested less": ("[" * 200 + "]" * 200, "trees within trees"),
    "a list": ("[1, 2]", "expected Experiment in the file, got tuple"),
    "a number": ("3", "expected Experiment in the file, got int"),
    "null": ("null", "expected Experiment in the file, got NoneType"),
    "another class": ('{"type": "Trainer"}', "expected Experiment in the file, got Trainer"),
    "NaN": ('{"type": "Trainer", "learning_rate": NaN}', "got NaN"),
    "twice": ('{"type": "Trainer", "steps": 1, "steps": 2}', "got 'steps' twice"),
    "a long number": ("1" * 5000, "the file is damaged"),
    "Latin": ('{"type": "Trainer", "split": "\xe9"}'.encode("latin-1"), "UnicodeDecodeError"),
    "UTF-16": ('{"type": "Trainer"}'.encode("utf-16"), "UnicodeDecodeError"),
    "zeros": (bytes(100), "the file is damaged"),
}


@pytest.mark.parametrize(("content", "words"), WRONG.values(), ids=WRONG)
def test_a_damaged_file_is_one_line_that_names_it(content, words, tmp_path: Path) -> None:
    path = tmp_path / "experiment.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=words) as caught:
        read_json(path, Experiment)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run galgen train first"):
        read_json(tmp_path / "y.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match=r"pipe\.json, got a pipe or a device"):
        read_json(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=r"folder\.json, got a folder"):
        read_json(tmp_path / "folder.json")
    with pytest.raises(InputError, match="expected dataclasses of plain values"):
        to_json(object())


def mutated(text: str, rng: random.Random) -> bytes:
    """A JSON text with one to three wounds, of bytes or of values."""
    tree = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        holders: list = [tree]
        places = []
        while holders:
            holder = holders.pop()
            items = holder.items() if isinstance(holder, dict) else enumerate(holder)
            for key, value in list(items):
                places.append((holder, key))
                if isinstance(value, dict | list):
                    holders.append(value)
        holder, key = rng.choice(places)
        wound = rng.randrange(6)
        if wound == 0 and isinstance(holder, dict):
            holder[rng.choice(["type", "name", "parent", "steps", "x"])] = holder.pop(key)
        elif wound == 1:
            holder.pop(key)
        elif wound == 2:
            holder[key] = copy.deepcopy(rng.choice(places)[0])
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
        if not isinstance(tree, dict | list) or not tree:
            break
    data = bytearray(json.dumps(tree).encode())
    if rng.random() < 0.3:
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            if rng.random() < 0.5:
                data[place] = rng.randrange(256)
            else:
                del data[place : place + rng.randint(1, 20)]
    return bytes(data)


VALUES = [
    None, True, 0, -1, 3, 10**30, 1e308, math.inf, math.nan, -0.5, "", "x", "\x1b[31m", "\ud800",
    [], [[]], {}, {"type": "Normal"}, {"type": "os.system"}, {"type": 1}, [1, 2], [0.1, 0.2, 0.3],
    {"type": "path", "value": "/etc/passwd"}, {"type": "Trainer"}, {"type": "galgen.__main__.x"},
]  # fmt: skip


KINDS = {"experiment.json": Experiment, "encoding.json": Encoding}


@pytest.mark.parametrize("name", KINDS)
def test_two_hundred_wounded_files_are_read_or_refused_in_one_line(name, tmp_path, tiny) -> None:
    text, path, kinds = (tiny / name).read_text(), tmp_path / name, {True: 0, False: 0}
    for seed in range(200):
        path.write_bytes(mutated(text, random.Random(seed)))
        try:
            found = read_json(
                path, {"experiment.json": Experiment, "encoding.json": Encoding}[name]
            )
        except InputError as error:
            message = str(error)
            assert str(path) in message and "\n" not in message and len(message) < 1000, message
            kinds[False] += 1
        else:
            assert from_json(to_json(found)) == found
            kinds[True] += 1
    assert min(kinds.values()) > 5


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    config = Path(__file__).parents[1] / "configs" / "demo.py"
    write_json(folder / "experiment.json", load_config(config))
    standardizer = Standardizer.fit(clustered(3))
    cardinality = Cardinality((1.0, 2.0, 3.0), 1, 2)
    write_json(folder / "encoding.json", CloudEncoding(standardizer, cardinality, (64, 128)))
    return folder
