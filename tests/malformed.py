"""Malformed command lines and files, and a folder to try them in.

Every line of :data:`LINES` is refused. :func:`odd_lines` makes as many others as one likes from the
options that ``--help`` lists; of these, some mean something.
"""

import contextlib
import io
import json
import os
import random
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
from tiny_run import tiny_run

Main = Callable[[list[str]], int]
FILES = ("experiment.json", "encoding.json")
"""Of a run."""

CONFIG = """
from pathlib import Path
from galgen.data.dataset import CatalogueDataset
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath, ProductPath, Sampler, TorusGeodesic
from galgen.networks import GraphNetwork
from galgen.training import Trainer

experiment = Experiment(
    data=CatalogueDataset(Path("suite.h5"), buckets=1),
    network=GraphNetwork(16, 1),
    model=Bridge(ProductPath((TorusGeodesic(), LinearPath()), (3, 1))),
    sampler=Sampler(steps=2),
    trainer=Trainer(steps=2, batch_size=4),
)
"""

BASES = {
    "simulate": "simulate --workers 1 --train 2 --test 0 --contrast 0 --simulator.box 64 "
    "--simulator.mesh 32",
    "train": "train config.py --run new",
    "sample": "sample run -n 1",
    "validate": "validate run --repeats 1",
    "infer": "infer run suite.h5 --number 1",
    "mock": "mock suite.h5 --catalogues 0 --redshifts 0.01 0.02 --no-picture",
    "export": "export suite.h5 --to csv -n 1",
    "inspect": "inspect suite.h5",
    "demo": "demo --config config.py --run new",
    "package": "package run --output models/tiny",
    "model-card": "model-card run",
    "scorecards": "scorecards run",
}
"""Lines that mean something, quick ones, to which odd options are added."""

SOURCES = {
    "quijote": "--redshift 0",
    "rockstar": "",
    "subfind": "",
    "abacus": "",
    "cosmobench": "--box 100",
    "npy": "",
    "fastfood": "",
    "survey": "--z-min 0.1 --z-max 0.2 --cut 35",
    "table": "--box 100",
}
"""What the sources of data_prep require."""

LINES = r"""
wander
Simulate
--verbose
inspect ""
simulate extra
simulate --output
simulate --output .
simulate --output /
simulate --output run
simulate --output run/..
simulate --output config.py
simulate --output empty.h5/new.h5
simulate --output /dev/full
simulate --output /proc/new/suite.h5
simulate --output loop.h5/suite.h5
simulate --train
simulate --train x
simulate --train 0
simulate --train -1
simulate --train 1.5
simulate --train 1e3
simulate --train 99999999999999999999999
simulate --seed -1
simulate --seed=
simulate --omega-m 0.2
simulate --omega-m 0.4 0.2
simulate --omega-m nan nan
simulate --omega-m 0.2 inf
simulate --omega-m 0.2 0.3 0.4
simulate --omega-b 1 None
simulate --simulator.mesh 7
simulate --simulator.box -1
simulate --workers 0
simulate --wokers 2
simulate --train 2 --tset 3
simulate --größe 0.8
train
train --run new
train none.py
train .
train empty.h5
train suite.h5
train text.h5
train broken.py
train raises.py
train exits.py
train no_experiment.py
train config.py --trainer.steps 0 --run new
train config.py --trainer.learning-rate nan --run new
train config.py --trainer.batch-size 0 --run new
train config.py --trainer.seed 1 2 --run new
train config.py --data.path none.h5 --run new
train config.py --data.path text.h5 --run new
train config.py --data.path empty.h5 --run new
train config.py --data.path run --run new
train config.py --data.split nowhere --run new
train config.py --data.condition w0 --run new
train config.py --data.columns x y --run new
train dmo
models extra
models --output x
package run
package none --output models/x
package run --output models/Ü
package run --output .
package run --output suite.h5
package suite.h5 --output models/x
package run --output models/x --report suite.h5
package run --output models/x --best
scorecards
scorecards none
scorecards suite.h5
scorecards run
model-card
model-card none
model-card suite.h5
model-card run --report none.json
model-card run --report suite.h5
model-card run --output .
sample no-such-model
train config.py --data.columns x y z spin --run new
train config.py --network.width x --run new
train config.py --network.widht 8 --run new
train config.py --network.heads 5 --run new
train config.py --network.width 0 --run new
train config.py --network.width -16 --run new
train config.py --tensorboard --network.heads 5 --run new
train config.py --run config.py
train config.py --run suite.h5/new
train config.py --run run
train config.py --run none --resume
train config.py --run nothing --resume
train config.py --mesh data=0 --run new
train config.py --mesh data=3 --run new
train config.py --mesh everything --run new
train config.py --heartbeat -1 --run new
train config.py --sampler.steps 0 --run new
train config.py --wandb --run new
sample
sample none
sample .
sample suite.h5
sample nothing
sample halved
sample swapped
sample listed
sample deep
sample latin
sample alien
sample unweighted
sample run extra
sample run -n 0
sample run -n -3
sample run -n x
sample run -n 99999999999999999999
sample run --seed -1
sample run --batch 0
sample run --points 0
sample run --points -5
sample run --omega-m 9
sample run --omega-m nan
sample run --omega-m inf
sample run --omega-n 0.3
sample run --best
sample run --mesh data=5
sample run --mesh points=x
sample run --like none.h5
sample run --like text.h5
sample run --like suite.h5 --splits nowhere
sample run --like suite.h5 --omega-m 0.3
sample run --like suite.h5 --table grid.csv
sample run --like suite.h5 --splits test -o suite.h5
sample run --table none.csv
sample run --table empty.h5
sample run --table suite.h5
sample run --table run
sample run --table grid.csv --repeats 0
sample run --table words.csv
sample run --table grid.csv -o grid.csv
sample run -o run/experiment.json
sample run -o config.py
sample run -o empty.h5/samples.h5
sample run -o /dev/null
validate
validate none
validate suite.h5
validate nothing
validate swapped
validate unweighted
validate run suite.h5 none.h5
validate suite.h5 none.h5
validate suite.h5 text.h5
validate suite.h5 cut.h5
validate suite.h5 empty.h5
validate suite.h5 suite.h5 --samples suite.h5
validate suite.h5 suite.h5 --output config.py
validate suite.h5 suite.h5 --training none.h5
validate suite.h5 suite.h5 --require "xi.closure + 1"
validate suite.h5 suite.h5 --tolerance 0
validate suite.h5 suite.h5 --require "__import__('os')"
validate suite.h5 suite.h5 --require xi.closure
validate suite.h5 suite.h5 --statistics spectrum
validate suite.h5 suite.h5 --further bispectrum bispectrum
validate run --repeats 0
validate run --splits
validate run --splits nowhere
validate run --held-out none.h5
validate run --held-out run
validate run --samples text.h5
validate run --training none.h5
validate run --output suite.h5
validate run --seed -1
validate run --best
infer
infer run
infer none suite.h5
infer nothing suite.h5
infer swapped suite.h5
infer unweighted suite.h5
infer run none.h5
infer run none.fits
infer run text.h5
infer run empty.h5
infer run config.py
infer run run
infer run suite.h5 --splits nowhere
infer run suite.h5 --number 0
infer run suite.h5 --number -1
infer run suite.h5 --method magic
infer run suite.h5 --bounds omega_m 0.3
infer run suite.h5 --bounds omega_m 0.4 0.2
infer run suite.h5 --bounds omega_m nan 0.4
infer run suite.h5 --bounds w 0 1
infer run suite.h5 --gaussian omega_m 0.3 0
infer run suite.h5 --gaussian omega_m 0.3 -1
infer run suite.h5 --chains 0
infer run suite.h5 --draws 1
infer run suite.h5 --grid 2
infer run suite.h5 --replicas 1
infer run suite.h5 --evaluations 3
infer run suite.h5 --batch 0
infer run suite.h5 --seed -1
infer run suite.h5 --best
infer run suite.h5 --output config.py
infer run suite.h5 --output suite.h5/new
mock
mock none.h5
mock run
mock text.h5
mock empty.h5
mock cut.h5
mock suite.h5 suite.h5
mock suite.h5 --catalogues x
mock suite.h5 --catalogues 99
mock suite.h5 --catalogues -1
mock suite.h5 --splits nowhere
mock suite.h5 --redshifts 0.2
mock suite.h5 --redshifts 0.2 0.1
mock suite.h5 --redshifts nan nan
mock suite.h5 --redshifts -1 0.1
mock suite.h5 --redshifts 0.1 inf
mock suite.h5 --light-cone no
mock suite.h5 --density -1
mock suite.h5 --density 1 --radial nz.txt
mock suite.h5 --radial none.txt
mock suite.h5 --radial text.h5
mock suite.h5 --radial words.csv
mock suite.h5 --radial run
mock suite.h5 --mask none.fits
mock suite.h5 --mask suite.h5
mock suite.h5 --mask empty.h5
mock suite.h5 --mask run
mock suite.h5 --completeness text.h5
mock suite.h5 --nested maybe
mock suite.h5 --power -1
mock suite.h5 --power nan
mock suite.h5 --power inf
mock suite.h5 --remapping 1 0
mock suite.h5 --remapping 0 0 0 0 0 0 0 0 0
mock suite.h5 --occupation.alpha -1
mock suite.h5 --fibres.separation 0
mock suite.h5 --randoms.times 0
mock suite.h5 --seed -1
mock suite.h5 --output suite.h5
mock suite.h5 --output config.py/mocks
export
export suite.h5
export suite.h5 --to
export suite.h5 --to hdf5
export none.h5 --to csv
export run --to csv
export text.h5 --to csv
export suite.h5 --to csv --splits nowhere
export suite.h5 --to csv --number 0
export suite.h5 --to csv --output mocks.csv
export suite.h5 --to csv --output config.py/mocks
export suite.h5 --to csv --output suite.h5
export suite.h5 --to csv --number 1 --output suite.h5
export suite.h5 --to csv --number 1 --output grid.csv
export suite.h5 --to csv --number 1 --output suite.h5/mock.csv
inspect
inspect none.h5
inspect .
inspect nothing
inspect halved
inspect swapped
inspect listed
inspect deep
inspect latin
inspect alien
inspect config.py
inspect text.h5
inspect empty.h5
inspect cut.h5
inspect other.h5
inspect loop.h5
inspect /dev/null
inspect suite.h5/inside
inspect suite.h5 --picture
inspect suite.h5 --picture .
inspect suite.h5 --picture suite.h5
inspect suite.h5 --picture picture.xyz
inspect suite.h5 --picture none/picture.png
inspect suite.h5 --picture run
inspect run --picture run.png
inspect suite.h5 extra
completion
completion tcsh
completion bash zsh
demo --config none.py
demo --config broken.py
demo --config config.py
demo --run suite.h5
demo --workers 0
demo --steps 3
"""


def lines() -> list[str]:
    """The command lines that are refused."""
    return [line for line in LINES.splitlines() if line]


def source_lines() -> list[str]:
    """Command lines of data_prep that are refused: files that no source reads, and the rest."""
    files = ("none.dat", "empty.h5", "text.h5", "run", "cut.h5", "other.h5", "loop.h5", "/dev/null")
    found = [
        f"{source} {file} {options} -o out.h5"
        for source, options in SOURCES.items()
        for file in files
    ]
    for source, options in SOURCES.items():
        found.append(f"{source} {options} -o out.h5")
        found.append(f"{source} grid.csv {options} -o grid.csv")
    table = "table grid.csv --box 100 --columns x=omega_m,y=omega_m,z=omega_m"
    for more in (
        "",
        "-o",
        "-o .",
        "-o run",
        "-o config.py",
        "-o none/out.h5",
        "-o grid.csv/out.h5",
        "-o out.h5 --cut 0",
        "-o out.h5 --cut nan",
        "-o out.h5 --cut 1e9",
        "-o out.h5 --splits train=0.5",
        "-o out.h5 --splits train",
        "-o out.h5 --splits train=x",
        "-o out.h5 --splits published",
        "-o out.h5 --split-by hand",
        "-o out.h5 --seed -1",
        "-o out.h5 --n-max 0",
        "-o out.h5 --n-min 9999",
        "-o out.h5 --n-min -1",
        "-o out.h5 --mass-min 1e12",
        "-o out.h5 --mass-min nan",
        "-o out.h5 --box 0",
        "-o out.h5 --box nan",
        "-o out.h5 --columns x=none",
        "-o out.h5 --columns x",
        "-o out.h5 --cosmology omega_m",
        "-o out.h5 --cosmology omega_m=x",
        "-o out.h5 --parameter-table none.txt",
        "-o out.h5 --id-pattern '('",
        "-o out.h5 --wrp",
    ):
        found.append(f"{table} {more}")
    return [*found, "wander grid.csv", "Table grid.csv", "table", "-o out.h5"]


FORBIDDEN = """
inspect secret.h5
inspect secret
inspect suite.h5 --picture suite.png
simulate --output new.h5
simulate --output new/suite.h5
train secret.py
train config.py --run new
train config.py --run secret
train config.py --run secret/new
train config.py --data.path secret.h5 --run open/new
sample secret
sample run -n 1
sample run -n 1 -o new.h5
sample run -n 1 -o open/new.h5 --like secret.h5
sample run -n 1 -o open/new.h5 --table secret.csv
validate run
validate suite.h5 secret.h5 --output open/new
validate suite.h5 suite.h5
infer run suite.h5
infer run secret.h5 --output open/new
infer secret suite.h5 --output open/new
mock suite.h5
mock secret.h5 --output open/new
export suite.h5 --to csv
export secret.h5 --to csv --output open/new
mock suite.h5 --mask secret.fits --output open/new
mock suite.h5 --radial secret.csv --output open/new
demo --config config.py --run new
"""
"""Lines that permissions forbid: nothing is written but into ``open``, nothing ``secret`` read."""


def forbid(home: Path) -> None:
    """Take permissions away."""
    (home / "open").mkdir()
    for name in ("secret.h5", "secret.fits", "secret.csv", "secret.py", "secret.dat"):
        (home / name).write_bytes((home / "suite.h5").read_bytes())
        (home / name).chmod(0)
    (home / "secret").mkdir(0)
    for folder in (home, home / "run"):
        folder.chmod(0o555)


def make_home(home: Path) -> None:
    """Fill a folder with a suite, a run, configurations, and files that are none of these."""
    tiny_run(home / "run", home / "suite.h5")
    whole = (home / "suite.h5").read_bytes()
    (home / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (home / "empty.h5").touch()
    (home / "text.h5").write_text("not HDF5\n")
    (home / "loop.h5").symlink_to("loop.h5")
    with h5py.File(home / "other.h5", "w") as file:
        file["x"] = np.arange(3.0)
    (home / "config.py").write_text(CONFIG)
    (home / "broken.py").write_text("experiment = (\n")
    (home / "raises.py").write_text("1 / 0\n")
    (home / "exits.py").write_text("raise SystemExit('no')\n")
    (home / "no_experiment.py").write_text("experiment = 3\n")
    (home / "grid.csv").write_text("omega_m,sigma_8\n0.3,0.8\n0.31,0.81\n")
    (home / "words.csv").write_text("omega_m,sigma_8\nmuch,little\n")
    (home / "nz.txt").write_text("0.01 1e-4\n0.02 1e-4\n")
    files = {name: (home / "run" / name).read_text() for name in FILES}
    description, encoding = (files[name] for name in FILES)
    damaged = {
        "nothing": (None, None),
        "halved": (description[: len(description) // 2], encoding[: len(encoding) // 2]),
        "swapped": (encoding, description),
        "listed": ("[1, 2]", "[]"),
        "deep": ("[" * 100_000, "[" * 100_000),
        "latin": ('{"type": "\xe9"}', '{"type": "\xe9"}'),
        "alien": (json.dumps({"type": "os.system"}), json.dumps({"type": "galgen.cli.main"})),
        "unweighted": (description, encoding),
    }
    for folder, texts in damaged.items():
        (home / folder).mkdir()
        for name, text in zip(FILES, texts, strict=True):
            if text is not None:
                (home / folder / name).write_bytes(text.encode("latin-1"))


def options(main: Main, words: list[str]) -> list[tuple[str, int]]:
    """The options that the help of a command lists, and how many values each takes."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed.getvalue())
    found = re.findall(r"(?m)^│ (?:-\w .*, )?(--[a-z][\w.-]*)(?:, --\S+)?(.*)$", text)
    kinds = [(name, usage.split("  ")[0].rpartition("|")[2].split("[")[0]) for name, usage in found]
    return [
        (name, len(re.findall("FLOAT|INT|STR|PATH", usage)))
        for name, usage in kinds
        if name != "--help"
    ]


VALUES = (
    *("nan", "inf", "-inf", "1e400", "-1e400", "1e-320", "-1", "0", "1", "2", "0.5", "-0.5"),
    *(
        "9" * 30,
        "-" + "9" * 30,
        "x",
        "None",
        "True",
        "größe",
        "\u202e",
        "a/b",
        "--",
        "-x",
        "..",
        "~",
    ),
    *("suite.h5", "text.h5", "empty.h5", "run", "config.py", "grid.csv", "/dev/null", "1 2"),
)


def odd_lines(main: Main, base: str, number: int, seed: int) -> Iterator[list[str]]:
    """Lines with one to three options of a command, given what may make no sense of them."""
    rng = random.Random(f"{base} {seed}")
    words = shlex.split(base)
    known = options(main, words)
    for _ in range(number):
        line = list(words)
        for name, values in rng.sample(known, min(len(known), rng.choice([1, 1, 2, 3]))):
            right = values + rng.choice([0, 0, 0, 0, 0, 1, -1])
            line += [rng.choice([name, name, name, name[:-1], name + "=" + rng.choice(VALUES)])]
            line += rng.choices(VALUES, k=max(0, right))
        yield line


def listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Everything in a folder, with what changes when it is written."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            about = path.lstat()
            size = about.st_size if path.is_file() else 0
            when = about.st_mtime_ns if path.is_file() else 0
            found[str(path.relative_to(folder))] = (about.st_mode, size, when)
    return found
