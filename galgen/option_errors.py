"""Options that cannot be read: the boxes that tyro prints, as one line with the remedy."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from galgen.errors import InputError
from galgen.public_types import MODULES

Options = TypeVar("Options")


def meant(word: str, known: Iterable[str]) -> str:
    """``perhaps you meant ...``, if one of the known words is close, else nothing."""
    close = difflib.get_close_matches(word.lower(), list(known), 1)
    return f"perhaps you meant {close[0]}" if close else ""


def refuse_unknown(config: Path, arguments: Sequence[str]) -> None:
    """Refuse an option of ``galgen train`` like none of galgen, before a configuration is imported.

    An option that is near to a field of any class is left to :func:`read_options`, which knows
    where the field is; so is one of several processes, which must all hear of the error.

    Raises:
        InputError: for such an option.
    """
    options = [word for word in arguments if re.match(r"--[^\W\d]", word)]
    if "--help" in options or "--coordinator" in options or not config.is_file():
        return
    if not re.search(r"\bExperiment\(", config.read_text(errors="replace")):
        return  # a class of the user's own, with fields of its own
    modules = {"galgen.commands.train", *MODULES.values()}
    files = [Path(__file__).parents[1] / f"{name.replace('.', '/')}.py" for name in modules]
    known = {"run"}.union(
        *(re.findall(r"^    (\w+):", file.read_text(encoding="utf-8"), re.M) for file in files)
    )
    for option in options:
        if not meant(re.split(r"[.=]", option[2:].replace("-", "_"))[0], known):
            raise InputError(
                f"expected options of galgen train, got {option}; galgen train {config} --help "
                "tells of all options"
            )


def read_options(
    program: str, arguments: Sequence[str], parse: Callable[[list[str]], Options]
) -> Options:
    """What tyro reads; where it would print a box of what is wrong and exit, an error is raised.

    Args:
        program: that ``--help`` follows.
        arguments: that are read.
        parse: calls tyro with arguments.

    Raises:
        InputError: for an unknown option, or a value that is missing or of the wrong type.
    """
    try:
        return _read(program, arguments, parse)
    except InputError:
        plain = _without_spoken_values(arguments, parse)
        if plain == list(arguments):
            raise
        return _read(program, plain, parse)


def _read(program: str, arguments: Sequence[str], parse: Callable[[list[str]], Options]) -> Options:
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box), _wide_boxes(arguments):
            return parse(list(arguments))
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        error = _error_inside(stop)
    raise error or InputError(_one_line(box.getvalue(), program, arguments, parse)) from None


@contextlib.contextmanager
def _wide_boxes(arguments: Sequence[str]) -> Iterator[None]:
    """Boxes too wide to break a line, and with it a path; help is as wide as the terminal."""
    if {"-h", "--help"}.intersection(arguments):
        yield
        return
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100000"
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns


def _error_inside(stop: SystemExit) -> InputError | None:
    """The InputError of a constructor, of which tyro made a box."""
    error: BaseException | None = stop
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error


def _sections(box: str) -> list[list[str]]:
    """The lines of a box, without its frame and its title, between its horizontal rules."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)
    framed = "╭" in plain
    lines = [line[2:].rstrip(" │") for line in plain.splitlines() if line[:1] not in ("╭", "╰")]
    lines = lines if framed else lines[2:]
    sections: list[list[str]] = [[]]
    for line in filter(None, lines):
        if set(line) <= {"─", "-"}:
            sections.append([])
        else:
            sections[-1].append(line)
    return [section for section in sections if section]


def _one_line(
    box: str, program: str, arguments: Sequence[str], parse: Callable[[list[str]], Any]
) -> str:
    """What is wrong with the options, by a box."""
    sections = _sections(box)
    text = " ".join(" ".join(sections[0]).split()) if sections else "the options cannot be read"
    remedy = f"{program} --help tells of all options"
    if match := re.match(r"Error parsing (\S+):", text):
        usage = [line.strip() for section in sections[1:] for line in section[1:2]]
        given = _given(match[1].split("/"), arguments)
        return f"expected {(usage or [match[1]])[0]}, got {given}; {remedy}"
    if match := re.match(r"Missing value for argument '(\S+)'. Expected (\d+) value", text):
        given = _given(match[1].split("/"), arguments)
        number = "a value" if match[2] == "1" else f"{match[2]} values"
        return f"expected {number} after {match[1]}, got {given}; {remedy}"
    if match := re.match(r"invalid choice '(.*)' for argument '(\S+)'. .* one of \((.*)\)", text):
        choices = re.findall(r"'([^']*)'", match[3])
        hint = meant(match[1], choices) or remedy
        return f"expected {match[2]} to be one of {', '.join(choices)}, got {match[1]!r}; {hint}"
    if text.startswith("Missing from"):
        missing = _missing(sections[0][1:])
        unknown = [" ".join(part[1:]) for part in sections if part[0].startswith("Unrecognized")]
        given = f"the unknown {unknown[0].split()[0]}" if unknown else "none"
        return f"expected {' and '.join(missing)}, got {given}; {remedy}"
    if text.startswith("Unrecognized options:"):
        words = text.removeprefix("Unrecognized options:").strip()
        first = words.split(", ")[0]
        before = _option_before(first, arguments)
        where = f" after {before}" if before else ""
        hint = (_is_option(first) and _option_meant(first, parse)) or remedy
        return f"expected options of {program}, got {words or 'an empty one'}{where}; {hint}"
    return f"{text}; {remedy}"


def _missing(lines: Sequence[str]) -> list[str]:
    """The options in a list of what is missing, and of words without a name what they mean."""
    found: list[str] = []
    for line in lines:
        if re.match(r" {4}\S", line):
            found.append(line.strip())
        elif found and not found[-1].startswith("-"):
            found[-1] += f" ({line.replace('(required)', '').strip(' .')})"
    return found


def _is_option(word: str) -> bool:
    return re.match(r"--?[^\W\d]", word) is not None


def _given(names: Sequence[str], arguments: Sequence[str]) -> str:
    """The values that followed an option, when it was named last."""
    values: list[str] = []
    found: list[str] = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if (name.replace("_", "-") if name.startswith("--") else name) in names:
            values = [value] if equals else []
            found = values
        elif _is_option(argument):
            found = []
        else:
            found.append(argument)
    text = " ".join(values)
    return repr(text if len(text) < 100 else f"{text[:100]}...") if values else "nothing"


def _option_before(word: str, arguments: Sequence[str]) -> str | None:
    """The option that a word which is none follows."""
    if _is_option(word) or word not in arguments:
        return None
    before = arguments[: list(arguments).index(word)]
    return next((name for name in reversed(before) if _is_option(name)), None)


def _help(parse: Callable[[list[str]], Any]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        parse(["--help"])
    return printed.getvalue()


def _without_spoken_values(
    arguments: Sequence[str], parse: Callable[[list[str]], Any]
) -> list[str]:
    """``--data.augment False`` and ``--sampler.guidance None`` as tyro has them.

    A flag has no value but a negative, ``--data.no-augment``; a part that may be None is chosen
    after all options, ``sampler.guidance:none``.
    """
    words = [part for word in arguments for part in _parted(word)]
    if not any(word.lower() in ("true", "false", "none") for word in words):
        return list(arguments)
    text = _help(parse)
    flags = dict(re.findall(r"(--[\w.-]+), (--(?:[\w.-]+\.)?no-[\w.-]+)", text))
    parts = set(re.findall(r"([\w.-]+):none\b", text))
    found, chosen = [], []
    while words:
        word, value = words.pop(0), words[0].lower() if words else ""
        option = word.replace("_", "-")
        if option in flags and value in ("true", "false"):
            found.append(option if value == "true" else flags[option])
            words.pop(0)
        elif option.removeprefix("--") in parts and value == "none":
            chosen.append(f"{option.removeprefix('--')}:none")
            words.pop(0)
        else:
            found.append(word)
    return found + chosen


def _parted(word: str) -> list[str]:
    """``--option=False`` as two words; any other as it is."""
    option, _, value = word.partition("=")
    spoken = option.startswith("--") and value.lower() in ("true", "false", "none")
    return [option, value] if spoken else [word]


def _option_meant(word: str, parse: Callable[[list[str]], Any]) -> str:
    """``perhaps you meant --option``, if one is close, in full or but for its first part."""
    options = re.findall(r"(?<![\w.-])--([^\W\d][\w.-]*)", _help(parse))
    names = {option.rpartition(".")[-1]: option for option in reversed(options)}
    names |= {option: option for option in options}
    close = difflib.get_close_matches(word.strip("-").replace("_", "-"), list(names), 1)
    return f"perhaps you meant --{names[close[0]]}" if close else ""
