"""A flag or a part that is given a value in words gets it, whichever way it is written."""

import dataclasses

import pytest
import tyro

from galgen.errors import InputError
from galgen.option_errors import read_options


@dataclasses.dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        size: of it.
    """

    size: float = 1.0


@dataclasses.dataclass(frozen=True)
class Inner:
    """What has a flag and a part.

    Attributes:
        big_flag: a flag.
        part: one that may be left out.
        name: a text, which may be any word.
    """

    big_flag: bool = True
    part: Part | None = Part(3.0)
    name: str = "a"


@dataclasses.dataclass(frozen=True)
class Options:
    """All.

    Attributes:
        inner: has them.
        steps: a number.
    """

    inner: Inner = Inner()
    steps: int = 1


def read(*words: str) -> Options:
    return read_options(
        "test", words, lambda given: tyro.cli(Options, args=given, default=Options())
    )


CASES = {
    "--inner.big-flag False": Options(Inner(big_flag=False)),
    "--inner.big_flag false": Options(Inner(big_flag=False)),
    "--inner.big-flag=False": Options(Inner(big_flag=False)),
    "--inner.big-flag True": Options(),
    "--inner.no-big-flag": Options(Inner(big_flag=False)),
    "--inner.part None": Options(Inner(part=None)),
    "--inner.part=none": Options(Inner(part=None)),
    "--inner.part None --steps 3": Options(Inner(part=None), 3),
    "--inner.part None --inner.big-flag False": Options(Inner(False, None)),
    "--inner.name None": Options(Inner(name="None")),
    "--inner.name True --inner.big-flag False": Options(Inner(False, name="True")),
}


@pytest.mark.parametrize("words", CASES)
def test_a_value_in_words_is_heard(words: str) -> None:
    assert read(*words.split()) == CASES[words]


@pytest.mark.parametrize("words", ["--inner.big-flag maybe", "--steps None", "--inner.wrong False"])
def test_what_is_no_value_is_refused_in_one_line(words: str) -> None:
    with pytest.raises(InputError, match=r"expected .*, got .*; .*") as caught:
        read(*words.split())
    assert "\n" not in str(caught.value)
