"""Which room may import which: flows -> tasks -> models, storage; stages not each other. Read from the syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

MAY_IMPORT = {
    "flows": {"flows", "tasks", "storage", "models"},
    "tasks": {"tasks", "storage", "models"},
    "models": {"models"},
    "storage": {"storage"},
    "deployments": {"deployments", "flows"},
}
# What lies in a stage's folder and is no part of the stage: names of formats and reasons, the thresholds.
SHARED = {"tasks.decide.thresholds", "tasks.extract.formats", "tasks.extract.reasons", "tasks.extract.warc.members"}
SHARED |= {"tasks.decide.predicates", "tasks.drift.said", "tasks.urls.index", "tasks.urls.lists"}
SHARED |= {"tasks.urls.suffixes"}
SHARED |= {"tasks.tombstones"}  # a stage that the contract itself calls: every text is read under them
ROOMS = {*MAY_IMPORT, "tests"}


def module_name(path: str) -> str:
    """`tasks/extract/html.py` -> `tasks.extract.html`; a package's `__init__.py` -> the package."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Every (line, dotted name) that a module imports, at any depth: statements, relative ones, import_module("...").

    `from tasks import decide` gives both `tasks` and `tasks.decide`, since a name may be a module.
    """
    package = module_name(path).split(".")
    if not path.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(ast.parse(source, path)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parts = package[: len(package) - level + 1] if level else []
                base = ".".join([*parts, *([module] if module else [])])
                yield node.lineno, base
                yield from ((node.lineno, f"{base}.{name.name}") for name in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def declares_stage(source: str) -> bool:
    """Whether a module declares a stage, at any depth: by `stage(...)` over a function, or by `Stage(...)`."""

    def is_call(node: ast.expr | None, name: str) -> bool:
        return (
            isinstance(node, ast.Call)
            and (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", None)) == name
        )

    tree = ast.parse(source)
    if any(isinstance(node, ast.ClassDef) and node.name == "Stage" for node in tree.body):
        return False  # the contract itself
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(is_call(node, name) for node in calls for name in ("Stage", "stage"))


def unit(dotted: str) -> str:
    """The file or folder directly under a room that a module belongs to: `tasks.extract.html` -> `extract`."""
    return [*dotted.split("."), ""][1]


def _within(imported: str, stages: set[str]) -> bool:
    """Whether a name is the file or folder of a stage, or stands in one, and is not shared."""
    return any(imported == stage or imported.startswith(f"{stage}.") for stage in stages) and not any(
        imported == shared or imported.startswith(f"{shared}.") for shared in SHARED
    )


def violations(sources: dict[str, str]) -> list[str]:
    """Each import that crosses the rule, as a sentence. `sources`: path in the repository -> Python text."""
    stages = {
        f"tasks.{unit(module_name(path))}"
        for path, source in sources.items()
        if path.startswith("tasks/") and declares_stage(source)
    }
    found = set()
    for path, source in sources.items():
        room = path.split("/")[0]
        for line, imported in imports(path, source):
            target = imported.split(".")[0]
            if target not in ROOMS:
                continue
            if target not in MAY_IMPORT[room]:
                found.add(f"{path}:{line} imports {target}; {room} may import only {sorted(MAY_IMPORT[room])}.")
            elif room == target == "tasks" and unit(imported) != unit(module_name(path)) and _within(imported, stages):
                found.add(f"{path}:{line} imports the stage {unit(imported)}; stages are connected in flows.")
    return sorted(found)


def test_no_room_imports_against_the_arrows():
    sources = {
        path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
        for room in MAY_IMPORT
        for path in sorted((REPOSITORY / room).rglob("*.py"))
    }
    assert sources, "no Python file in any room: is this the repository's root?"
    assert violations(sources) == []


STAGE = "@stage('decide', version=1, reads=[], writes=T)\ndef decide(batch, config): ...\n"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("storage/sql.py", "import tasks.stage"),
        ("storage/sql.py", "def f():\n    from models import decoder"),
        ("models/decoder.py", "from storage.lake import Lake"),
        ("tasks/extract/html.py", "from flows import sample"),
        ("tasks/extract/html.py", "from tasks import decide"),
        ("tasks/extract/html.py", "from tasks.decide import decide"),
        ("tasks/extract/html.py", "from ..decide import decide"),
        ("tasks/extract/html.py", "from .. import decide"),
        ("tasks/language.py", "from tasks.ingest.files import find_files"),
        ("tasks/language.py", "from tasks.ingest import Source"),
        ("tasks/extract/html.py", "importlib.import_module('tasks.decide')"),
        ("tasks/extract/__init__.py", "from ..decide import decide"),
        ("flows/refresh.py", "from tests.conftest import lake"),
        ("flows/refresh.py", "from deployments import deploy"),
        ("deployments/deploy.py", "import storage.lake"),
    ],
)
def test_a_forbidden_import_is_found(path: str, source: str):
    others = {"tasks/decide.py": STAGE, "tasks/ingest/__init__.py": "def make():\n    return Stage('ingest')\n"}
    assert len(violations({path: source, **others})) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("storage/sql.py", "import duckdb\nfrom storage.lake import Lake\nfrom .names import NAMES"),
        ("tasks/extract/html.py", "from tasks.stage import stage\nfrom tasks.executor import Watch\nimport models"),
        ("tasks/extract/html.py", "from .charset import detect\nfrom tasks.extract import charset"),
        ("tasks/decide.py", STAGE + "from tasks.decide import decide"),
        ("flows/refresh.py", "from tasks.decide import decide\nfrom storage.lake import Lake\nimport models.decoder"),
        ("deployments/deploy.py", "from flows.refresh import refresh"),
    ],
)
def test_an_allowed_import_is_not(path: str, source: str):
    assert violations({"tasks/decide.py": STAGE, path: source}) == []


@pytest.mark.parametrize(
    "source",
    [
        STAGE,
        "decide = Stage(name='decide')",
        "decide: Stage = contract.Stage()",
        "def make(rows):\n    return Stage('ingest')\n",
        "sign = stage('sign')(sign_documents)",
    ],
)
def test_a_stage_is_known_by_its_declaration(source: str):
    assert declares_stage(source)


def test_the_contract_itself_is_no_stage():
    contract = (
        "class Stage: ...\ndef stage(name):\n    def declare(f):\n        return Stage(name)\n    return declare\n"
    )
    assert not declares_stage(contract)
