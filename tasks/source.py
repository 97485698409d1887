"""Where the records of a source come from: files of this machine, of a server or an object store, or of a crawl."""

import contextlib
import glob
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, model_validator

from storage.remote.mirror import Mirror
from storage.remote.places import RemoteFile, Unreachable, find_remote, is_remote
from storage.remote.reading import probe
from storage.sources import SourceError
from tasks.common_crawl import CommonCrawl, fetch_listed_records, list_files, read_ranges
from tasks.config import StageConfig
from tasks.console import Console, Progress
from tasks.crawl.config import CrawlConfig

Format = Literal["documents", "conversations", "questions", "examples", "benchmarks"]
Reader = Literal["wikipedia", "stackexchange", "gutenberg", "repository"]


def _needed(schema: dict[str, Any]) -> None:
    """A source has a path unless it says otherwise where it reads: so no default is told."""
    del schema["properties"]["path"]["default"]
    schema["required"].append("path")


class Source(StageConfig):
    """Where records come from, and what is known of them."""

    model_config = ConfigDict(json_schema_extra=_needed)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the source; part of every doc_id.")
    path: str | None = Field(
        default=None,
        min_length=1,
        description="A file, a folder (everything below it), or a glob such as crawl/**/*.warc.gz; or the same at a "
        "URL: https://…, s3://…, and whatever else fsspec reads. What is remote is copied into the cache once.",
    )
    common_crawl: CommonCrawl | None = Field(
        default=None, description="Files of a snapshot of Common Crawl by its name, in place of a path."
    )
    crawl: CrawlConfig | None = Field(
        default=None,
        description="How `gristmill crawl` fills the folder `path` with pages of the web; `refresh` reads them there.",
    )
    holds: Format = Field(
        default="documents",
        description="What its records are. A corpus takes documents, fine-tuning conversations, evaluation questions, "
        "a classifier examples; benchmarks are texts of evaluation sets, which `contamination` finds.",
    )
    license: str | None = Field(default=None, description="Licence of the records, where they do not state their own.")
    reader: Reader | None = Field(
        default=None,
        description="What reads its files where they are a dump: wikipedia, stackexchange, gutenberg or repository. "
        "Null: by their formats.",
    )
    excluded: bool = Field(
        default=False, description="Read and scored, so that SQL can look at it, and never composed into a corpus."
    )
    fields: dict[str, str] = Field(
        default={}, description="For JSONL and Parquet: our field → the column's name, where it is not the usual one."
    )

    @model_validator(mode="after")
    def _check(self) -> "Source":
        if (self.path is None) == (self.common_crawl is None):
            raise ValueError("say where its files are: either `path` (a folder, a glob, a URL) or `common_crawl`")
        if self.path is not None and is_remote(self.path) and urlsplit(self.path).password:
            raise ValueError("path: a recipe holds no password; let the environment give it (docs/inputs.md)")
        if self.crawl is not None and (self.path is None or is_remote(self.path) or glob.has_magic(self.path)):
            raise ValueError("a source that is crawled needs a `path`: the folder that its WARC files are written into")
        return self

    @property
    def place(self) -> str:
        """Where it reads, in words that stay the same as long as it reads there."""
        if self.common_crawl is not None:
            return f"{self.common_crawl.root} ({self.common_crawl.snapshot}, {self.common_crawl.kind})"
        return str(self.path)


def resolve_path(path: str, folder: Path) -> str:
    """A path of a recipe as this machine has it: variables and `~` put in, a relative one below the folder."""
    full = os.path.expandvars(os.path.expanduser(path)).removeprefix("file://")
    return full if os.path.isabs(full) or is_remote(full) else str(folder / full)


class Found(NamedTuple):
    """A file of a source that lies on this machine now: its name below the source's root, and its path."""

    name: str
    path: Path


def check_source(source: Source) -> None:
    """Raises: SourceError if nothing can be read where a source says.

    A remote place is asked, and nothing fetched. One that does not answer now is no mistake of the recipe: a flow that
    needs it says so, and one that does not, as an evaluation, goes on without a network.
    """
    if source.common_crawl is None and not is_remote(str(source.path)):
        find_files(source)
        return
    with _about(source), contextlib.suppress(Unreachable):
        probe(source.common_crawl.listing.url if source.common_crawl else _remote_files(str(source.path))[0].url)


def gather(source: Source, mirror: Mirror, console: Console) -> list[Found]:
    """The files of a source, sorted by name; remote ones are fetched first, unless they are here as they are there.

    Raises: SourceError if there are none, or one of them can't be had.
    """
    if source.common_crawl is None and not is_remote(str(source.path)):
        root, paths = find_files(source)
        return [Found(path.relative_to(root).as_posix(), path) for path in paths]
    with _about(source):
        if source.common_crawl is None:
            return _fetch(source, _remote_files(str(source.path)), mirror, console)
        if source.common_crawl.records is None:
            return _fetch(source, list_files(source.common_crawl, mirror), mirror, console)
        return _fetch_records(source, source.common_crawl, mirror, console)


def _remote_files(path: str) -> list[RemoteFile]:
    kept = [file for file in find_remote(path) if not _left_out(Path(file.name))]
    if not kept:
        raise SourceError(f"{path} holds hidden and unfinished files alone.")
    return kept


def _fetch(source: Source, files: list[RemoteFile], mirror: Mirror, console: Console) -> list[Found]:
    """Local copies, fetched one after the other over one connection at a time."""
    progress = Progress(console, f"fetch {source.name}", len(files), len(files), "MB")
    found, behind = [], 0
    for number, file in enumerate(files):

        def say(here: int, size: int | None, number: int = number, behind: int = behind) -> None:
            progress.update((behind + here) >> 20, number, number + (here / size if size else 0))

        path = mirror.fetch(file, say)
        behind += path.stat().st_size
        found.append(Found(file.name, path))
    return sorted(found)


def _fetch_records(source: Source, config: CommonCrawl, mirror: Mirror, console: Console) -> list[Found]:
    ranges = read_ranges(config, mirror)
    progress = Progress(console, f"fetch {source.name}", len(ranges), len(ranges), "records")
    return [Found(*one) for one in fetch_listed_records(config, ranges, mirror, progress)]


@contextlib.contextmanager
def _about(source: Source) -> Iterator[None]:
    """Errors inside say of which source they are."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"Source {source.name!r}: {error}") from error


def find_files(source: Source) -> tuple[Path, list[Path]]:
    """The source's root and its files below it, sorted by path; links are followed.

    Hidden files and files that are still being written (`*.part`, `*.tmp`) are left out. Raises SourceError if there
    are none.
    """
    pattern = Path(str(source.path)).expanduser()
    if pattern.is_dir():
        root, found = pattern, list(_walk(pattern))
    elif glob.has_magic(str(pattern)):
        plain = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts)
        root = Path(*plain)
        found = [path for path in map(Path, glob.glob(str(pattern), recursive=True)) if path.is_file()]
    else:
        root, found = pattern.parent, [pattern] if pattern.is_file() else []
    kept = [path for path in found if not _left_out(path.relative_to(root))]
    if not kept:
        what = "matches no file"
        if not glob.has_magic(str(pattern)):
            what = "holds no file" if pattern.is_dir() else "does not exist"
        if source.crawl is not None:
            raise SourceError(f"Source {source.name!r}: {pattern} {what}. Fill it first: gristmill crawl RECIPE.")
        raise SourceError(
            f"Source {source.name!r}: {pattern} {what} (seen from {os.getcwd()}). Correct `path` in the recipe."
        )
    return root, sorted(kept)


def _left_out(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.suffix in (".part", ".tmp")


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder, through links too, each folder once."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        # a dangling link is no file, and a pipe would be waited for
        yield from (path for path in (Path(place) / name for name in files) if path.is_file())
