"""A snapshot of Common Crawl by its name: which of its files, or which single records, a source has."""

import fnmatch
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pydantic import Field, model_validator

from storage.remote.mirror import Mirror
from storage.remote.places import RemoteFile, is_remote
from storage.remote.ranges import Range, fetch_records
from storage.sources import SourceError
from tasks.config import StageConfig
from tasks.console import Progress

BASE = "https://data.commoncrawl.org/"
COLUMNS = {
    "file": ("warc_filename", "filename"),
    "offset": ("warc_record_offset", "offset"),
    "length": ("warc_record_length", "length"),
}
"""What a list of records calls its columns: Common Crawl's columnar index, and the CDX index."""


class CommonCrawl(StageConfig):
    """Files of one snapshot of Common Crawl, by their place in its own list; or single records of them."""

    snapshot: str = Field(
        pattern=r"^CC-[A-Z]+-[0-9-]+$", description="Its name, such as CC-MAIN-2025-05 (commoncrawl.org lists them)."
    )
    kind: Literal["warc", "wet"] = Field(
        default="warc", description="warc: pages as they came. wet: the text that Common Crawl took from them."
    )
    files: int | None = Field(
        default=None, ge=1, description="How many files; one has about 1 GB (warc) or 100 MB (wet). Or give `records`."
    )
    start: int = Field(default=0, ge=0, description="How many files of the list to leave out first.")
    match: str | None = Field(
        default=None, min_length=1, description="Only files whose path in the list matches this glob; counted after it."
    )
    records: str | None = Field(
        default=None,
        min_length=1,
        description="A Parquet or CSV file of single records to fetch: warc_filename, warc_record_offset, "
        "warc_record_length, as the columnar index has them. In place of `files`.",
    )
    base: str = Field(
        default=BASE, min_length=1, description="Where its files are: https, or s3://commoncrawl/ within AWS."
    )

    @model_validator(mode="after")
    def _check(self) -> "CommonCrawl":
        if (self.files is None) == (self.records is None):
            raise ValueError(
                "say how many files of the snapshot you want (files: 2), or name a list of records: one of the two"
            )
        if not is_remote(self.base):
            raise ValueError("base must be a URL, such as https://data.commoncrawl.org/ or s3://commoncrawl/")
        return self

    @property
    def root(self) -> str:
        """The base with a slash behind it."""
        return self.base.rstrip("/") + "/"

    @property
    def listing(self) -> RemoteFile:
        """The snapshot's list of files of this kind."""
        path = f"crawl-data/{self.snapshot}/{self.kind}.paths.gz"
        return RemoteFile(self.root + path, path)


def list_files(config: CommonCrawl, mirror: Mirror) -> list[RemoteFile]:
    """The chosen files in the order of the snapshot's list. Raises: SourceError if there are none, or no list."""
    path = mirror.fetch(config.listing)
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            listed = [line.strip() for line in lines if line.strip()]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise SourceError(f"{config.listing.url} is no list of paths ({error}).") from error
    matching = [one for one in listed if config.match is None or fnmatch.fnmatchcase(one, config.match)]
    chosen = matching[config.start : config.start + (config.files or 0)]
    if not chosen:
        what = f"of which {len(matching):,} match {config.match!r}" if config.match else "counted from 0"
        raise SourceError(
            f"{config.listing.url} lists {len(listed):,} files ({what}): there is none from number {config.start:,} on."
        )
    return [RemoteFile(config.root + one, one, immutable=True) for one in chosen]


def read_ranges(config: CommonCrawl, mirror: Mirror) -> list[Range]:
    """The byte ranges that the list of records names. Raises: SourceError if it can't be read."""
    named = str(config.records)
    path = mirror.fetch(RemoteFile(named, named)) if is_remote(named) else Path(named)
    try:
        rows = pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pyarrow.parquet.read_table(path)
        columns = {}
        for ours, theirs in COLUMNS.items():
            name = next((one for one in theirs if one in rows.column_names), None)
            if name is None:
                raise SourceError(f"{named} has no column {theirs[0]!r} (it has {', '.join(rows.column_names)}).")
            columns[ours] = rows.column(name).cast(pa.string() if ours == "file" else pa.int64()).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{named} is no list of records ({error}): it has to be a Parquet or CSV file.") from error
    ranges = [Range(*row) for row in zip(*columns.values(), strict=True) if None not in row]
    if not ranges:
        raise SourceError(f"{named} lists no record.")
    return ranges


def fetch_listed_records(
    config: CommonCrawl, ranges: Sequence[Range], mirror: Mirror, progress: Progress
) -> Iterator[tuple[str, Path]]:
    """Archives of these records, each by its name in the snapshot."""
    for path in fetch_records(mirror, config.root, ranges, lambda done: progress.update(done, done, done)):
        yield f"{config.snapshot}/records-{path.parent.name}.warc.gz", path
