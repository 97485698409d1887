"""Crawl: fetch pages of a few sites, politely, into WARC files that a source of documents reads."""

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tasks.console import LIVE_SECONDS, PLAIN_SECONDS, Console, duration
from tasks.crawl.archive import recover
from tasks.crawl.config import CrawlConfig
from tasks.source import Source

GRACE_SECONDS = 10.0
"""What a crawl gets to close its files when it is stopped."""

ENDED = {
    "done": "everything in reach was fetched",
    "max_pages": "max_pages was reached",
    "max_bytes": "max_bytes was reached",
    "max_seconds": "max_seconds was reached",
    "stopped": "it was stopped",
    "not_written": "an answer could not be written",
}
REFUSALS = {
    "robots": "robots.txt forbids it",
    "no-robots": "the host's robots.txt could not be had",
    "slow-robots": "the host's Crawl-delay is longer than longest_delay",
    "domain": "another host",
    "private": "not a public address",
    "address": "no address of http or https",
    "password": "a URL with a user's name in it",
    "long": "a URL of over 2,000 characters",
    "excluded": "excluded",
    "type": "a content type that is not wanted",
    "recent": "fetched not long ago",
    "busy": "the host has no time",
    "host-limit": "max_pages_per_host was reached",
    "not-written": "it could not be written",
    "limit": "max_pages was reached",
    "queue": "too many URLs are waiting",
}


class CrawlError(RuntimeError):
    """A crawl that could not be started, or ended by a fault of its own."""


class Crawled(NamedTuple):
    """What a crawl came to. `refused` and `errors`: how many URLs by reason; `ended_by` one of ENDED."""

    files: list[Path]
    pages: int
    unchanged: int
    failed: int
    bytes: int
    refused: dict[str, int]
    errors: dict[str, int]
    ended_by: str
    would: list[str]


def crawl(config: CrawlConfig, folder: Path, name: str, console: Console, dry_run: bool = False) -> Crawled:
    """Fetch what a configuration says into WARC files of a folder; what an earlier crawl left there is put right first.

    `dry_run`: only robots.txt and sitemaps are fetched, and `would` lists the pages that would be asked for first.

    Raises: CrawlError if scrapy is missing, another crawl writes there, or the crawl's process fails.
    """
    if importlib.util.find_spec("scrapy") is None:
        raise CrawlError("The crawler needs scrapy, which is not installed: pip install 'gristmill[crawl]'.")
    folder = folder.expanduser().resolve()
    if dry_run:
        return _watch(config, folder, name, console, dry_run)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for path in recover(folder):
            console.line(f"crawl           {path.name} was left by a crawl that was killed: its whole records are kept")
        try:
            return _watch(config, folder, name, console, dry_run)
        finally:
            recover(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = os.open(folder / ".crawl.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CrawlError(f"Another crawl is writing into {folder}. Wait for its end, or use another folder.") from None
    finally:
        os.close(lock)


def _watch(config: CrawlConfig, folder: Path, name: str, console: Console, dry_run: bool) -> Crawled:
    """Start the crawl's process, say how far it is, and end it with this one."""
    asked = {"config": config.model_dump(mode="json"), "folder": str(folder), "name": name, "dry_run": dry_run}
    root = Path(__file__).resolve().parents[2]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [sys.executable, "-m", "tasks.crawl.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, and we end it
        ) as child,
    ):
        assert child.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once: what it said is told below
            child.stdin.write(json.dumps(asked | {"parent": os.getpid()}))
            child.stdin.close()
        told: dict[str, Any] = {}
        would: list[str] = []
        tell = _teller(config, name, console)
        try:
            for line in child.stdout or ():
                told = json.loads(line)
                if told["kind"] == "would":
                    would.append(told["url"])
                elif told["kind"] == "progress":
                    tell(told)
        except BaseException:
            _end(child)
            if not dry_run:
                console.line(f"crawl           stopped: what came by then is kept in {folder}")
            raise
        if child.wait() or told.get("kind") != "summary":
            said.seek(0)
            last = said.read().strip().splitlines()[-1:] or ["nothing"]
            raise CrawlError(f"The crawl's process ended with {child.returncode}; it said {last[0]!r}.")
    counts = {key: told[key] for key in ("pages", "unchanged", "failed", "bytes", "refused", "errors", "ended_by")}
    return Crawled(files=[folder / one for one in told["files"]], would=would, **counts)


def _teller(config: CrawlConfig, name: str, console: Console) -> Callable[[Mapping[str, Any]], None]:
    """Says how far a crawl is, now and then; how long it may take at most is known, and no more."""
    began = said = time.monotonic()

    def tell(told: Mapping[str, Any]) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < (LIVE_SECONDS if console.live else PLAIN_SECONDS):
            return
        said = now
        seconds = min(told["queued"] * config.delay, config.max_seconds - (now - began))
        left = f"at most {duration(config.max_seconds - (now - began))} left"
        if told["asked"] + told["queued"] < config.max_pages:
            left = f"about {duration(seconds)} for those"
        text = f"crawl {name}: {told['pages']:,} pages, {told['queued']:,} waiting, {told['failed']:,} failed, {left}"
        (console.moving if console.live else console.line)(text)

    return tell


def _end(child: "subprocess.Popen[str]") -> None:
    """Let the process close its files; kill it if it takes too long."""
    child.terminate()
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def crawled_sources(sources: Sequence[Source], names: Sequence[str] = ()) -> list[Source]:
    """Those sources that say how they are crawled, or those of them that are named. Raises: CrawlError if none is."""
    crawled = [source for source in sources if source.crawl is not None]
    known = ", ".join(source.name for source in crawled) or "none"
    for name in names:
        if name not in [source.name for source in crawled]:
            raise CrawlError(f"The recipe has no source {name!r} with a section `crawl`. Such sources: {known}.")
    if not crawled:
        raise CrawlError("No source of the recipe has a section `crawl`, so there is nothing to crawl.")
    return [source for source in crawled if not names or source.name in names]


def crawl_source(source: Source, console: Console, dry_run: bool = False) -> Crawled:
    """Crawl what a source says into its folder, and say what it came to."""
    assert source.crawl is not None
    return crawl_into(source.crawl, Path(str(source.path)), source.name, console, dry_run)


def crawl_into(config: CrawlConfig, folder: Path, name: str, console: Console, dry_run: bool = False) -> Crawled:
    """Crawl into a folder, and say what it came to."""
    found = crawl(config, folder, name, console, dry_run)
    for line in told_of(found, folder):
        console.line(f"crawl           {name}: {line}")
    return found


def told_of(found: Crawled, folder: Path) -> Iterator[str]:
    """What a crawl came to, in a few lines."""
    if found.would:
        yield f"{len(found.would):,} pages would be asked for first, and what they link to"
    else:
        yield (
            f"{found.pages:,} answers, {found.unchanged:,} unchanged, {found.failed:,} failed, "
            f"{found.bytes / 1e6:,.1f} MB in {len(found.files)} files in {folder}; {ENDED[found.ended_by]}"
        )
    refused = {REFUSALS.get(reason, reason): count for reason, count in found.refused.items() if reason != "dry-run"}
    for what, counts in (("not fetched", refused), ("failed", found.errors)):
        if counts:
            yield f"{what}: {', '.join(f'{count:,} ({reason})' for reason, count in sorted(counts.items()))}"
