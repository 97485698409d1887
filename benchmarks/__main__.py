"""`python -m benchmarks [NAME ...]`: run contests against the peers, and figures that have none, and write them into
benchmarks/README.md.

Without names all of them run. `--list` names them, `--rounds N` sets how often each contestant runs, `--print` prints
the sections and writes nothing. Contests need the real data (GRISTMILL_TEST_DATA) and the peers' environment: `make
bench`.
"""

import argparse
import importlib
import os
import pkgutil
import platform
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import benchmarks.contests
from benchmarks.figures import FIGURES, Figure
from benchmarks.harness import PEERS, Contest, run

README = Path(__file__).with_name("README.md")
OURS = ("pyarrow", "numpy", "numba", "deflate", "fastwarc", "trafilatura", "resiliparse", "lxml", "fasttext")


def contests() -> dict[str, Contest]:
    """All contests by name, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.contests.__path__))
    return {name: importlib.import_module(f"benchmarks.contests.{name}").CONTEST for name in names}


def write_section(name: str, section: str, conditions: str, readme: Path = README) -> None:
    """Put a contest's or figure's section between its marks, in place of the one that stands there."""
    start, end = f"<!-- contest: {name} -->", f"<!-- end of {name} -->"
    block = f"{start}\n{section}\n\n{conditions}\n{end}"
    text = readme.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.S)
    text = pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}\n"
    readme.write_text(text, encoding="utf-8")


def _conditions(beside_peers: bool) -> str:
    """When, on what, with which versions."""
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    ours = ", ".join(f"{name} {version(name)}" for name in OURS)
    pins = [line for line in _lines(Path(__file__).with_name("peers.txt")) if line and not line.startswith("#")]
    peers = ", ".join(pin.replace("==", " ") for pin in pins)
    when = f"{datetime.now(UTC):%Y-%m-%d}"
    ours = f"{when}; {os.cpu_count()} cores of {cpu}; Python {platform.python_version()}; {ours}."
    return f"*{ours} Peers: {peers}.*" if beside_peers else f"*{ours}*"


def _lines(path: str | Path) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


def main() -> None:
    """Read the command line, run, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help="contests and figures to run; none: all")
    parser.add_argument("--rounds", type=int, default=None, help="runs of each contestant (default: the contest's own)")
    parser.add_argument("--list", action="store_true", help="name the contests and figures and stop")
    parser.add_argument("--print", action="store_true", dest="only_print", help="print the sections, write nothing")
    chosen = parser.parse_args()
    known: dict[str, Contest | Figure] = {**contests(), **FIGURES}
    if chosen.list:
        for name, one in known.items():
            print(f"{name:<16} {one.title}")
        return
    unknown = [name for name in chosen.name if name not in known]
    if unknown:
        sys.exit(f"There is nothing called {unknown[0]!r} here. There are: {', '.join(known)}.")
    wanted = chosen.name or list(known)
    if any(isinstance(known[name], Contest) for name in wanted):
        if not os.environ.get("GRISTMILL_TEST_DATA"):
            sys.exit("GRISTMILL_TEST_DATA names no folder: the contests run on the real data that it names.")
        if not (PEERS / "bin" / "python").exists():
            sys.exit("The peers are not installed: run `make bench`, which does it first.")
    for name in wanted:
        one = known[name]
        section = run(one, chosen.rounds) if isinstance(one, Contest) else one.section()
        if chosen.only_print:
            print(f"\n{section}\n")
        else:
            write_section(name, section, _conditions(isinstance(one, Contest)))
            print(f"{name}: written to {README.name}")


if __name__ == "__main__":
    main()
