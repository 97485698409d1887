"""Source-code repositories: a folder of a checkout, or a tar or zip of one. A file is a document.

- Place: a file of a folder is all its bytes. In a tar a member reaches from its header to the next one's, in the
  `file`, or in the `stream` if the tar is packed; in a zip an entry does so in the `file`.
- `programming_language` by the file's name, its suffix, or its first line (`#!`); text that is no code has none.
- Licence: of the nearest file LICENSE, LICENCE, COPYING or UNLICENSE up the tree; else one that the file itself names
  by `SPDX-License-Identifier`, which goes before all. In a folder only the files of the same snapshot are looked at.
- Losses: what a program wrote (minified, marked as generated, lock files), copies of others' files (`vendor`,
  `node_modules`, …), what is no text, and files whose kind is data or unknown.
"""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath

from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import LossRow
from tasks.extract.dumps.code import generated_by, is_license, language_of, license_in, skipped_by, vendored_by
from tasks.extract.dumps.streams import Guard, Place, Row, document, guarded, loss, space_of
from tasks.extract.dumps.tars import TarError, members
from tasks.extract.dumps.zips import Entry, Zip, entries_of
from tasks.extract.licenses import of_text
from tasks.extract.page import clean_text
from tasks.extract.payload import Refused, looks_binary
from tasks.extract.reasons import LossReason

LICENSE_BYTES = 256 << 10


def read_repository(
    path: Path, name: str, config: ExtractConfig, guard: Guard, beside: Path | None = None
) -> Iterator[Row]:
    """The files of a repository. `beside`: the nearest licence file of one of a folder. Raises: OSError."""
    whole = Place("file", 0, path.stat().st_size)
    lower = name.lower()
    if not whole.length:
        yield loss(whole, LossReason.EMPTY_FILE, "the file has no bytes")
    elif lower.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.zst", ".tar.xz")):
        yield from _read_tar(path, config, guard)
    elif lower.endswith(".zip") and zipfile.is_zipfile(path):
        yield from _read_zip(path, whole, config, guard)
    elif whole.length > config.max_bytes:
        yield loss(whole, LossReason.TOO_LARGE, f"{whole.length} bytes")
    else:
        yield guarded(guard, whole, _read_plain, path, whole, name, beside, config)


def nearest_licenses(names: Sequence[str]) -> dict[str, str]:
    """For each file of a folder the licence file that is nearest up the tree, among these; none where there is none."""
    of_folder: dict[str, str] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        if is_license(path.name):
            of_folder.setdefault(str(path.parent), name)
    found = {}
    for name in names:
        nearest = next((str(above) for above in PurePosixPath(name).parents if str(above) in of_folder), None)
        if nearest is not None:
            found[name] = of_folder[nearest]
    return found


def _read_plain(path: Path, place: Place, name: str, beside: Path | None, config: ExtractConfig) -> Row:
    licenses: dict[str, str] = {}
    if beside is not None:
        with beside.open("rb") as file:
            license = of_text(file.read(LICENSE_BYTES).decode("utf-8", "replace"))
        if license:
            licenses["."] = license
    return read_code(path.read_bytes(), place, name, licenses, config)


def _read_tar(path: Path, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    licenses: dict[str, str] = {}
    for one in members(path, LICENSE_BYTES):
        if not isinstance(one, TarError) and one.data is not None and is_license(PurePosixPath(one.name).name):
            license = of_text(one.data.decode("utf-8", "replace"))
            if license:
                licenses.setdefault(str(PurePosixPath(one.name).parent), license)
    space = space_of(path)
    for one in members(path, config.max_bytes):
        place = Place(space, one.offset, one.length)
        if isinstance(one, TarError):
            yield loss(place, one.reason, one.detail)
        elif one.kind != "file":
            yield loss(place, LossReason.OTHER_RECORD, f"a {one.kind}")
        elif one.data is None:
            yield loss(place, LossReason.TOO_LARGE, f"{one.size} bytes")
        else:
            yield guarded(guard, place, read_code, one.data, place, one.name, licenses, config)


def _read_zip(path: Path, whole: Place, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    with closing(Zip(path, config)) as opened:
        found = entries_of(opened, whole, guard)
        if isinstance(found, LossRow):
            yield found
            return
        licenses: dict[str, str] = {}
        for entry in found:
            if is_license(PurePosixPath(entry.name).name) and not entry.name.endswith("/"):
                with suppress(Refused):  # the entry's own row tells of it
                    if license := of_text(opened.read(entry, LICENSE_BYTES).decode("utf-8", "replace")):
                        licenses.setdefault(str(PurePosixPath(entry.name).parent), license)
        for entry in found:
            if entry.name.endswith("/"):
                yield loss(entry.place, LossReason.OTHER_RECORD, "a folder")
            else:
                yield guarded(guard, entry.place, _read_zipped, opened, entry, licenses, config)


def _read_zipped(opened: Zip, entry: Entry, licenses: Mapping[str, str], config: ExtractConfig) -> Row:
    try:
        return read_code(opened.read(entry, config.max_bytes), entry.place, entry.name, licenses, config)
    except Refused as refused:
        return loss(entry.place, refused.reason, refused.detail)


def read_code(body: bytes, place: Place, name: str, licenses: Mapping[str, str], config: ExtractConfig) -> Row:
    """A file of a repository as its row. `name`: its path there; `licenses`: by folder."""
    if folder := vendored_by(name):
        return loss(place, LossReason.VENDORED, folder)
    if why := skipped_by(name):
        return loss(place, LossReason.OTHER_RECORD, why)
    if not body.strip():
        return loss(place, LossReason.EMPTY_BODY)
    if looks_binary(body):
        return loss(place, LossReason.BAD_ENCODING, "binary")
    decoded = decode_text(body, None, False)
    if decoded.replaced > config.max_replaced_share * len(decoded.text):
        return loss(place, LossReason.BAD_ENCODING, f"{decoded.replaced} characters are not {decoded.charset}")
    text = clean_text(decoded.text)
    if why := generated_by(name, text):
        return loss(place, LossReason.GENERATED, why)
    language, is_text = language_of(name, text)
    if language is None and not is_text:
        return loss(place, LossReason.UNKNOWN_FORMAT, "neither code nor text by its name")
    license = license_in(text) or next(
        (licenses[str(above)] for above in PurePosixPath(name).parents if str(above) in licenses), None
    )
    return document(
        place,
        text,
        record_id=name,
        title=PurePosixPath(name).name,
        content_type="text/plain" if language is None else f"text/x-{language.lower().replace(' ', '-')}",
        charset=decoded.charset,
        charset_from=decoded.charset_from,
        extractor="repository",
        license=license,
        license_from="repository" if license else None,
        programming_language=language,
    )
