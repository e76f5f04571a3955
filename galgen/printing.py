"""Text of a file or of a user, made safe for a terminal.

A terminal acts on escape sequences: it can be made to hide what was printed, or to answer as if the
user had typed. Names and provenance come from files that others wrote, so every control character,
marks of direction and lone surrogates among them, is written out, as ``\\x1b``.
"""


def printable(text: str) -> str:
    """``text`` in one line, with what is no visible character or space written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def say(text: str) -> None:
    """Print lines of text on standard output."""
    print("\n".join(map(printable, text.split("\n"))))
