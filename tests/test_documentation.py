"""Every public name says what it is, and the reference has a page for every room.

Public is what has no leading underscore in its dotted path. Exempt are dunder methods and Flax's
``setup``, and methods that override one of ours that says it for all of them. Nothing is imported.
"""

import ast
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from test_architecture import FLOORS

ROOT = Path(__file__).parents[1]
PACKAGES = ("galgen", "data_prep")
FILES = {
    path.relative_to(ROOT): ast.parse(path.read_text())
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
EXEMPT = {"setup"}
TOLD_ELSEWHERE = {"Sample"}
"""Its options are told where they are made, for each run its own."""


def classes(body: list[ast.stmt]) -> Iterator[ast.ClassDef]:
    """Classes at any depth of classes."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
            yield from classes(node.body)


CLASSES: dict[str, list[ast.ClassDef]] = {}
for _tree in FILES.values():
    for _node in classes(_tree.body):
        CLASSES.setdefault(_node.name, []).append(_node)


def methods(node: ast.ClassDef) -> dict[str, ast.AST]:
    """Methods and properties by name."""
    return {item.name: item for item in node.body if isinstance(item, FUNCTIONS)}


def inherits(node: ast.ClassDef, name: str) -> bool:
    """Whether a base of ours documents the method ``name``."""
    for base in node.bases:
        word = ast.unparse(base).split("[")[0].split(".")[-1]
        for found in CLASSES.get(word, []):
            method = methods(found).get(name)
            if method is not None and ast.get_docstring(method):
                return True
            if inherits(found, name):
                return True
    return False


def undocumented(tree: ast.Module | ast.ClassDef, trail: str) -> Iterator[str]:
    """Public names below a module or a class that say nothing."""
    for node in tree.body:
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        if node.name.startswith("_") or node.name in EXEMPT:
            continue
        inside = isinstance(tree, ast.ClassDef)
        if not ast.get_docstring(node) and not (inside and inherits(tree, node.name)):
            yield f"{trail}.{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, f"{trail}.{node.name}")


def fields(node: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    """Public fields of a class, and whether a string follows each."""
    for item, after in zip(node.body, [*node.body[1:], ast.Pass()], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if not item.target.id.startswith("_"):
                yield item.target.id, told


def told_of(node: ast.ClassDef) -> str:
    """What a class and the classes of ours that it is built on say."""
    text = ast.get_docstring(node) or ""
    for base in node.bases:
        word = ast.unparse(base).split("[")[0].split(".")[-1]
        text += "".join(told_of(found) for found in CLASSES.get(word, []) if found is not node)
    return text


def test_public_names_are_documented() -> None:
    silent = [str(path) for path, tree in FILES.items() if not ast.get_docstring(tree)]
    silent += [
        name
        for path, tree in FILES.items()
        for name in undocumented(tree, ".".join(path.with_suffix("").parts))
    ]
    assert not silent, "\n".join(silent)


def test_fields_are_documented() -> None:
    """In the docstring of their class, or by a string of their own."""
    silent = [
        f"{path}: {node.name}.{name}"
        for path, tree in FILES.items()
        for node in classes(tree.body)
        if not node.name.startswith("_") and node.name not in TOLD_ELSEWHERE
        for name, told in fields(node)
        if not told and not re.search(rf"\b{name.replace('_', '[_ ]')}\b", told_of(node))
    ]
    assert not silent, "\n".join(silent)


def test_what_is_found_to_be_missing() -> None:
    source = '''
class Base:
    """Says."""
    def one(self):
        """Says."""
class Child(Base):
    """Has b."""
    a: int
    b: int
    c: int
    """Says."""
    def one(self): ...
    def two(self): ...
    def _three(self): ...
def four(): ...
'''
    tree = ast.parse(source)
    CLASSES["Base"] = [tree.body[0]]
    try:
        assert list(undocumented(tree, "module")) == ["module.Child.two", "module.four"]
    finally:
        del CLASSES["Base"]
    assert list(fields(tree.body[1])) == [("a", False), ("b", False), ("c", True)]


def test_every_room_has_a_page(monkeypatch, tmp_path) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import rooms

    named = [room for floor in rooms.FLOORS.values() for room in floor]
    assert sorted(named) == sorted(set(FLOORS) - {"__main__"})
    rooms.write_rooms(ROOT, tmp_path)
    sys.modules.pop("rooms")
    pages = {path.stem: path.read_text() for path in tmp_path.glob("*.rst")}
    assert {f"galgen.{name}" for name in named} | {"data_prep"} == set(pages)
    text = "\n".join(pages.values())
    for path in FILES:
        dotted = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        if path.stem != "__main__" and dotted != "galgen":
            assert f".. automodule:: {dotted}\n" in text, dotted


ERRORS = ("InputError", "FloatingPointError")
PASSED_ON = re.compile(r"(\{\}|[:;,(). ]|catalogue|with --units|=\.\.\.|or pass --ignore)*")
"""A text made elsewhere, told where it happened or what else can be done."""


def messages() -> Iterator[tuple[str, str]]:
    """Where errors that a user can mend are made, and their texts, ``{}`` for what is filled in."""
    for path, tree in FILES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS and node.args:
                text = node.args[0]
                parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                words = [str(p.value) if isinstance(p, ast.Constant) else "{}" for p in parts]
                yield f"{path}:{node.lineno}", "".join(words)


def test_errors_say_what_was_expected_what_came_and_the_remedy() -> None:
    found = [(where, text) for where, text in messages() if not PASSED_ON.fullmatch(text)]
    assert len(found) > 400
    wanted = re.compile(r"(?s).*expected .*\b(got|found)\b.*; ?\S.*")
    wrong = [f"{where}: {text}" for where, text in found if not wanted.fullmatch(text)]
    assert not wrong, "\n".join(["expected ..., got ...; remedy", *wrong])


def crossed(text: str) -> Iterator[str]:
    """Lines of simple tables that write where columns are apart, which no reader of them allows."""
    apart: list[int] | None = None
    for line, after in itertools.pairwise([*text.splitlines(), ""]):
        if re.fullmatch(r" *=+( +=+)+ *", line):
            apart = [] if not after.strip() else [m.start() for m in re.finditer(r"(?<==) ", line)]
        elif apart and any(line[place : place + 1].strip() for place in apart):
            yield line.strip()


def test_tables_of_docstrings_keep_to_their_columns() -> None:
    found = [
        f"{path}: {line}"
        for path, tree in FILES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS))
        for line in crossed(ast.get_docstring(node) or "")
    ]
    assert not found
    table = "==== ====\na    b\n==== ====\nx    y\n   long w\n==== ===="
    assert list(crossed(table)) == ["long w"]
