"""Every module, public class and public function of the rooms says what it is. Read from the syntax tree."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
ROOMS = ("flows", "tasks", "models", "storage", "deployments")


def undocumented(source: str) -> list[str]:
    """Names (`Class.method`, `<module>`) without a docstring, in order of lines.

    Public: no leading underscore in the name or its class. Left out: special methods, `@overload` and `@override`, what
    is nested in a function, `@x.setter`, and an empty module.
    """
    tree = ast.parse(source)
    missing = ["<module>"] if tree.body and ast.get_docstring(tree) is None else []

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.If | ast.Try):
                visit([*node.body, *node.orelse, *getattr(node, "finalbody", [])], prefix)
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            decorators = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
            if decorators & {"overload", "override", "setter"}:
                continue
            if not ast.get_docstring(node):
                missing.append(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")

    visit(tree.body, "")
    return missing


@pytest.mark.parametrize("room", ROOMS)
def test_everything_public_has_a_docstring(room: str):
    missing = [
        f"{path.relative_to(REPOSITORY).as_posix()}: {name}"
        for path in sorted((REPOSITORY / room).rglob("*.py"))
        for name in undocumented(path.read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_what_lacks_a_docstring_is_named():
    source = '''
def public(): ...
def _private(): ...
async def also_public(): ...
class Thing:
    def method(self): ...
    def __init__(self): ...
    def _helper(self): ...
    @property
    def size(self): ...
    @typing.override
    def inherited(self): ...
class _Hidden:
    def method(self): ...
if True:
    def conditional(): ...
def documented():
    """Does a thing."""
    def inner(): ...
'''
    assert undocumented(source) == [
        "<module>",
        "public",
        "also_public",
        "Thing",
        "Thing.method",
        "Thing.size",
        "conditional",
    ]


def test_an_empty_module_needs_none():
    assert undocumented("") == []
    assert undocumented("# a remark\n") == []
    assert undocumented('"""A module."""\nX = 1\n') == []
