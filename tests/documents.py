"""What the pages tell a reader to run: blocks of Python and lines of the shell."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OURS = ("galgen ", "python -m data_prep ", "srun galgen ")


def blocks(language: str) -> list[tuple[str, str]]:
    """Page and text of every block of a language, in order."""
    return [
        (path.name, text)
        for path in PAGES
        for kind, text in BLOCK.findall(path.read_text())
        if kind == language
    ]


def shell_lines() -> list[str]:
    """Every command of ours with arguments, in blocks and in the text, in order, each once."""
    found = []
    for path in PAGES:
        text = path.read_text()
        for kind, block, inline in re.findall(
            r"^```(\w*)\n(.*?)^```$|`([^`\n]+)`", text, re.MULTILINE | re.DOTALL
        ):
            lines = [inline] if inline else block.splitlines() if kind == "sh" else []
            found += [line.split(" #")[0].strip() for line in lines]
    asked = [line for line in found if line.startswith(OURS) and len(shlex.split(line)) > 2]
    return list(dict.fromkeys(asked))  # a command that is told twice is one
