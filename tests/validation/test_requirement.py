"""The language of --require: what it means, and that it is nothing else."""

import pytest

from galgen.errors import InputError
from galgen.validation.requirement import Requirement

NUMBERS = {"xi.closure": 0.9, "P0.chi2": 1.5, "N.ratio": 1.02, "low.xi.p": float("nan"), "a": -2.0}


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("xi.closure > 0.85 and P0.chi2 < 2", True),
        ("xi.closure > 0.95 and P0.chi2 < 2", False),
        ("xi.closure > 0.95 or P0.chi2 < 2", True),
        ("not xi.closure > 0.95", True),
        ("0.98 < N.ratio <= 1.02 < 2", True),
        ("0.98 < N.ratio < 1.02", False),
        ("a == -2 and a != +2 and 1.5e-3 < 2", True),
        ("(xi.closure < 0 or P0.chi2 >= 1.5) and not (a > 0 or a < -3)", True),
        ("low.xi.p > 0.01", False),
        ("not low.xi.p > 0.01", False),
        ("low.xi.p > 0.01 or xi.closure > 0", True),
        ("not (low.xi.p > 0.01 and xi.closure < 0)", True),
        ("0 < low.xi.p < 1", False),
    ],
)
def test_meaning(text, met):
    reason = Requirement(text).shortcoming(NUMBERS)
    assert (reason is None) == met
    if not met:
        assert "\n" not in reason and f"requirement not met: {text} (" in reason


def test_the_reason_gives_the_numbers():
    reason = Requirement("xi.closure > 0.95 and low.xi.p > 0.1").shortcoming(NUMBERS)
    assert "xi.closure is 0.9" in reason and "low.xi.p was not measured" in reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xi.closure",
        "1",
        "xi.closure >",
        "xi.closure > 0.5; a > 1",
        "__import__('os').system('true') == 0",
        "open('x') == 1",
        "a + 1 > 2",
        "a if a > 1 else a > 2",
        "[a for a in xi] > 1",
        "xi['closure'] > 1",
        "a > 'b'",
        "a > True",
        "a > 1j",
        "a is 2",
        "a in xi",
        "(a := 3) > 1",
        "lambda: a > 1",
        "f(a) > 1",
        "f().b > 1",
        "not 1",
        "-xi.closure > 1",
        "a" + ".a" * 480 + " + 1 > 1",
        "not " * 240 + "1",
        "a > 1 or " * 200 + "a > 1",
    ],
)
def test_nothing_else_is_read(text):
    with pytest.raises(InputError, match="expected comparisons of names and numbers"):
        Requirement(text)


def test_unknown_names_are_pointed_out():
    with pytest.raises(InputError, match=r"got 'xi.closur'; perhaps xi.closure"):
        Requirement("xi.closur > 1").shortcoming(NUMBERS)


def test_a_name_stands_for_every_split() -> None:
    """What holds in test and fails in high is not met, and the split is named."""
    numbers = {
        "P0.chi2": 1.2,
        "test.P0.chi2": 1.2,
        "low.P0.chi2": 0.9,
        "high.P0.chi2": 6.8,
        "verdicts.bad": 1.0,
        "memorisation.fraction": 0.5,
        "test.memorisation.fraction": 0.5,
    }
    splits = ["test", "low", "high"]
    assert Requirement("P0.chi2 < 2").shortcoming(numbers) is None
    reason = Requirement("P0.chi2 < 2").shortcoming(numbers, splits)
    assert "not met in split high: P0.chi2 < 2 (P0.chi2 is 6.8)" in reason
    assert Requirement("test.P0.chi2 < 2").shortcoming(numbers, splits) is None
    both = Requirement("P0.chi2 < 7 and verdicts.bad == 1 and memorisation.fraction < 0.6")
    assert both.shortcoming(numbers, splits) is None


@pytest.mark.parametrize("text", ["all.P0.p > 0.01", "worst.P0.p > 0.01", "P0.p > 0.01"])
def test_the_worst_split_decides(text: str) -> None:
    """As in the demo, whose main split was well and whose high one was not."""
    numbers = {"P0.p": 0.03, "test.P0.p": 0.03, "low.P0.p": 0.35, "high.P0.p": 1e-7}
    reason = Requirement(text).shortcoming(numbers, ["test", "low", "high"])
    assert f"not met in split high: {text} (P0.p is 1e-07)" in reason
    numbers["high.P0.p"] = 0.02
    assert Requirement(text).shortcoming(numbers, ["test", "low", "high"]) is None


def test_infinity_is_a_number_that_is_too_large() -> None:
    reason = Requirement("xi.tolerance < 0.3").shortcoming({"xi.tolerance": float("inf")})
    assert "xi.tolerance is inf" in reason
