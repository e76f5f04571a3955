"""The report is one whole page: offline, well formed, every figure there, true to the verdicts."""

import base64
import html
import io
import itertools
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import matplotlib.image
import numpy as np
import pytest
from PIL import Image

from galgen.data.catalogue import Catalogue
from galgen.data.toys import ThomasProcess
from galgen.errors import InputError
from galgen.validation.comparison import compare
from galgen.validation.report.plot_rotation import FRAMES, projected
from galgen.validation.report.plot_slices import matched_pairs
from galgen.validation.report.report import write_report
from galgen.validation.report.scorecard import read_scorecard, tabulated
from galgen.validation.settings import ValidationSettings
from galgen.validation.verdict import Kind, Status
from galgen.validation.words import bad_first, cell, finding, places, row

SETTINGS = ValidationSettings(mesh_size=16, separation_edges=(1.0, 4.0, 8.0, 12.0))
VOID = {"meta", "img", "br", "link"}


def catalogues(seed, children, number=8, marks=True):
    rng = np.random.default_rng(seed)
    made = []
    for cloud in ThomasProcess(40.0, children, 0.03).sample(rng, number):
        columns = dict(zip("xyz", 50.0 * cloud.astype(np.float64).T, strict=True))
        if marks:
            columns["mass"] = 10 ** (13 + rng.exponential(0.4, len(cloud)))
            columns["colour"] = rng.normal(size=len(cloud))
        cosmology = {"sigma_8": children / 10} if marks else {}
        made.append(Catalogue(columns, (50.0,) * 3, cosmology=cosmology))
    return made


class Checker(HTMLParser):
    """Fails on a tag that is not closed in order; keeps images and headings."""

    def __init__(self):
        super().__init__()
        self.open, self.images, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    held_out = {"test": catalogues(0, 6.0), "low": catalogues(1, 4.0), "high": catalogues(2, 8.0)}
    generated = {"test": catalogues(3, 6.0), "low": catalogues(4, 4.0), "high": catalogues(5, 8.0)}
    comparison = compare(generated, held_out, SETTINGS)
    folder = tmp_path_factory.mktemp("report") / "made"
    details = {"config": "a <b> & c", "sampler": "$steps {steps}"}
    path = write_report(comparison, generated, held_out, folder, "Thomas & co", details)
    return comparison, path


def test_page_is_whole_and_offline(written):
    _, path = written
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and len(text) < 2_000_000
    assert "Thomas &amp; co" in text and "a &lt;b&gt; &amp; c" in text
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert not {"script", "link", "iframe"} & set(checker.tags)
    assert all(image["src"].startswith("data:image/png;base64,") for image in checker.images)
    assert "http:" not in text and "https:" not in text
    body = text.replace("$steps {steps}", "")[text.index("</style>") :]
    assert not re.search(r"\$\{?[a-z_]|\{[a-z_]*\}|TODO", re.sub(r"base64,[^\"]*", "", body))


def test_images_are_drawn(written):
    _, path = written
    images = re.findall(r"base64,([^\"]+)\"", path.read_text(encoding="utf-8"))
    assert len(images) == 9
    for image in images:
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(image)), format="png")
        assert min(pixels.shape[:2]) > 300
        assert 0.01 < np.mean(pixels[..., :3].min(axis=-1) < 0.9) < 0.9


def test_the_animation_turns(written):
    _, path = written
    images = re.findall(r"base64,([^\"]+)\"", path.read_text(encoding="utf-8"))
    frames = [Image.open(io.BytesIO(base64.b64decode(image))) for image in images]
    moving = [frame for frame in frames if getattr(frame, "n_frames", 1) > 1]
    assert len(moving) == 1 and moving[0].n_frames == FRAMES
    pixels = []
    for index in range(FRAMES):
        moving[0].seek(index)
        pixels.append(np.asarray(moving[0].convert("L"), np.float64))
    changed = [np.mean(a != b) for a, b in itertools.pairwise([*pixels, pixels[0]])]
    assert min(changed) > 0.01


def test_projection_keeps_lengths_and_turns_once():
    x = np.random.default_rng(0).normal(size=(20, 3))
    for angle in (0.0, 1.0, 4.0):
        place, near = projected(x, angle)
        length = np.linalg.norm(np.column_stack([place, near]), axis=1)
        np.testing.assert_allclose(length, np.linalg.norm(x, axis=1), rtol=1e-12)
    np.testing.assert_allclose(projected(x, 2 * np.pi)[0], projected(x, 0.0)[0], atol=1e-12)
    np.testing.assert_allclose(projected(x, np.pi)[0][:, 0], -x[:, 0], atol=1e-12)


def test_every_split_and_number_is_tabulated(written):
    comparison, path = written
    text = path.read_text(encoding="utf-8")
    for split in comparison.splits:
        for curve in split.curves:
            assert f"{curve.name}, {split.name} [{curve.axis.unit}]" in text
    tree = json.loads(path.with_name("comparison.json").read_text(encoding="utf-8"))
    found = comparison.numbers
    assert set(found) == set(tree["numbers"])
    assert found["high.P0.closure"] == comparison.split("high").curve("P0").closure.min()
    for name in found:
        assert f">{name}</td>" in text
    counted = ("bad", "good", "cannot_tell", "no_fault")
    assert sum(found[f"verdicts.{name}"] for name in counted) == len(comparison.verdicts)


def test_page_and_json_say_what_was_computed(written):
    comparison, path = written
    text = path.read_text(encoding="utf-8")
    rows = re.findall(r'<tr class="(good|bad|other)">', text)
    assert len(rows) == len(comparison.verdicts)
    assert rows.count("bad") == sum(v.status is Status.BAD for v in comparison.verdicts)
    cells = re.findall(r'<td data-label="[^"]*" class="(?:good|bad|other)">([^<]+)</td>', text)
    shown = [html.escape(cell(v).replace("+-", "±")) for v in comparison.verdicts]
    assert sorted(cells) == sorted(shown), "side by side, each verdict once"
    where = places(comparison.splits)
    assert where["low"] == "low: sigma_8 0.4"
    for verdict in bad_first(comparison.verdicts):
        assert html.escape(finding(verdict, where).replace("+-", "±")) in text
    for heading in ("Slices", "Correlation function", "Power spectrum", "marks", "Dependence on"):
        assert heading in text
    tree = json.loads(path.with_name("comparison.json").read_text(encoding="utf-8"))
    assert tree["summary"] == comparison.summary and tree["title"] == "Thomas & co"
    found = tree["splits"][0]["correlation"]["closure"]
    np.testing.assert_allclose(found, comparison.main.correlation.closure)
    assert {"galgen", "JAX", "NumPy"} <= set(tree["versions"])
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "comparison.json",
        "report.html",
        "scorecard.json",
    ]


def test_a_verdict_is_numbers_and_is_written_as_such(written):
    comparison, path = written
    rows = json.loads(path.with_name("comparison.json").read_text(encoding="utf-8"))["verdicts"]
    kinds = {verdict.kind for verdict in comparison.verdicts}
    absent = {Kind.MEMORISATION, Kind.GRADIENT, Kind.PHASES}
    assert kinds == set(Kind) - absent, "nothing varies in a split, no fields are shared"
    for verdict, found in zip(comparison.verdicts, rows, strict=True):
        assert found["kind"] == verdict.kind and found["splits"] == [*verdict.splits]
        assert found["p_value"] == (verdict.p_value if np.isfinite(verdict.p_value) else None)
        assert found["status"] == verdict.status and found["tolerance"] == 0.05
        known = verdict.agreement
        if verdict.status is Status.GOOD:
            assert known.tolerance <= 0.05 and found["agreement"]["error"]
        if verdict.status is Status.BAD and known is not None:
            assert verdict.p_value < 0.05 and abs(verdict.worst[1]) > 0.05
    said = [row(verdict).measure for verdict in comparison.verdicts]
    assert len(set(said)) == len(said)


def test_positions_alone_without_contrast(tmp_path):
    sets = [{"train": catalogues(seed, 6.0, marks=False)} for seed in (6, 7)]
    comparison = compare(*sets, SETTINGS)
    text = write_report(comparison, *sets, tmp_path, "Bare").read_text(encoding="utf-8")
    assert text.count("data:image/png") == 8
    assert "response to cosmology was not measured" in text


def test_pairs_are_of_nearest_cosmology_and_used_once():
    held_out = [c for s in (2.0, 5.0, 9.0) for c in catalogues(int(s), s, 3)]
    generated = held_out[::-1]
    pairs = matched_pairs(generated, held_out)
    assert all(first.cosmology == second.cosmology for first, second in pairs)
    assert pairs[0][1] is not pairs[1][1]


def test_a_notebook_shows_the_verdicts(written):
    comparison, _ = written
    shown = comparison._repr_html_()
    assert shown.startswith("<p>") and shown.count("<table") == 1
    assert all(html.escape(cell(verdict)) in shown for verdict in comparison.verdicts)
    assert repr(comparison) == f"Comparison of test, low, high: {comparison.summary}"


def test_a_scorecard_holds_every_verdict_and_many_are_tabulated(written):
    comparison, path = written
    card = read_scorecard(path.with_name("scorecard.json"))
    assert (card["title"], card["summary"]) == ("Thomas & co", comparison.summary)
    assert len(card["scores"]) == len(comparison.verdicts)
    for score, verdict in zip(card["scores"], comparison.verdicts, strict=True):
        assert score["status"] == verdict.status and score["split"] == " to ".join(verdict.splits)
    rows = tabulated({"first": card, "second": {**card, "scores": card["scores"][:1]}})
    assert rows[0] == ("measure", "split", "first", "second")
    assert len(rows) == 1 + len(Status) + len(comparison.verdicts)
    assert rows[5][:2] == ("xi mean", "test") and rows[5][2] == rows[5][3] != "-"
    assert all(row[3] == "-" for row in rows[6:])


def test_a_scorecard_fits_its_schema(written):
    """As far as required names, types and words go, which is all that the schema has."""
    _, path = written
    schema = json.loads(
        files("galgen.validation.report").joinpath("scorecard.schema.json").read_text()
    )
    fits(json.loads(path.with_name("scorecard.json").read_text()), schema)
    with pytest.raises(AssertionError):
        fits({"format": "galgen-scorecard"}, schema)


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def fits(value, schema):
    if "const" in schema:
        assert value == schema["const"]
    if "enum" in schema:
        assert value in schema["enum"]
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    assert not names or any(isinstance(value, TYPES[name]) for name in names)
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value)
        for name, inner in value.items():
            known = schema.get("properties", {})
            assert name in known or schema.get("additionalProperties", True)
            if name in known:
                fits(inner, known[name])
    if isinstance(value, list) and "items" in schema:
        for inner in value:
            fits(inner, schema["items"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON"),
        ("[]", "got another file; run galgen validate"),
        ('{"format": "galgen-scorecard", "version": 9}', "of version 1, got 9; run galgen"),
        ('{"format": "galgen-scorecard", "version": 1}', "with its scores, got a damaged one"),
    ],
)
def test_another_file_is_no_scorecard(text, message, tmp_path):
    path = tmp_path / "scorecard.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_scorecard(path)
