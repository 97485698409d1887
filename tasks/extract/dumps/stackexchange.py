"""Stack Exchange's dumps: a question with its answers is a document. `Posts.xml` is read as it comes out of the .7z.

- Place: bytes of the `file` from a question's `<row` to the next `<row`. An answer's row is a loss, `joined`: its text
  stands in its question's document. What else is a post (a tag's description, a wiki page) is a loss as well, and so
  are the other files of a dump, whole. The question's column `length` is that of its own row.
- Two passes: the first notes where each answer stands (20 bytes an answer), the second reads the questions, and for
  each its answers. That needs a file that can be read at any place, so packed files (.7z, .gz, .bz2) are not read.
- Text: the title, the question, and each answer under a line `Answer:`, the accepted one first, then by votes. Code
  keeps its lines.
- `votes` are the question's, `tags` its tags. `published` is the day of the newest post in the document. `license` is
  what `ContentLicense` says of the posts. `url` is known where the file lies in a folder named after the site
  (`cooking.stackexchange.com/Posts.xml`).
"""

import re
from array import array
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from resiliparse.extract.html2text import extract_plain_text

from tasks.extract.config import ExtractConfig
from tasks.extract.documents import parse_date
from tasks.extract.dumps.streams import (
    Element,
    Gap,
    Guard,
    Place,
    Row,
    document,
    elements,
    guarded,
    loss,
    parse_element,
)
from tasks.extract.licenses import of_words
from tasks.extract.page import clean_text
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Kind, kind_of

BEGIN, END = b"<row ", b"/>"
QUESTION, ANSWER = "1", "2"
MAX_ANSWERS = 10_000
_SITE = re.compile(
    r"(?:[a-z0-9-]+\.)*(?:stackexchange|stackoverflow|serverfault|superuser|askubuntu|mathoverflow|stackapps)\.(?:com|net)\Z"
)
_KIND = re.compile(rb'\sPostTypeId="(\d+)"')
_PARENT = re.compile(rb'\sParentId="(\d{1,18})"')
_BULLET = re.compile(r"^ *• ", re.MULTILINE)
_TAG = re.compile(r"[<|]([^<>|]+)")


class _Answers(NamedTuple):
    """Where the answers stand: sorted by the question's number; offset and length of each row."""

    parents: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    questions: np.ndarray

    def of(self, question: int) -> list[tuple[int, int]]:
        """(offset, length) of the answers to a question, in the order of the file."""
        first, last = np.searchsorted(self.parents, [question, question + 1])
        return list(zip(self.offsets[first:last].tolist(), self.lengths[first:last].tolist(), strict=True))


def read_stackexchange(
    path: Path, name: str, config: ExtractConfig, guard: Guard, beside: Path | None = None
) -> Iterator[Row]:
    """The posts of a dump. Raises: OSError if it can't be opened."""
    size = path.stat().st_size
    whole = Place("file", 0, size)
    if not size:
        yield loss(whole, LossReason.EMPTY_FILE, "the file has no bytes")
        return
    if PurePosixPath(name).name.lower() != "posts.xml":
        packed = path.suffix.lower() in (".7z", ".gz", ".bz2", ".zst")
        detail = "packed: take Posts.xml out of it" if packed else "only Posts.xml holds texts"
        yield loss(whole, LossReason.UNKNOWN_FORMAT if packed else LossReason.OTHER_RECORD, detail)
        return
    if kind_of(path) is not Kind.PLAIN:
        yield loss(whole, LossReason.UNKNOWN_FORMAT, "packed: take Posts.xml out of it")
        return
    limit = 8 * config.max_bytes
    answers = _find_answers(path, limit)
    folder = PurePosixPath(name).parent.name.lower()
    site = folder if _SITE.match(folder) else None
    for one in elements(path, BEGIN, END, limit):
        place = Place("file", one.offset, one.length)
        if isinstance(one, Gap):
            yield loss(place, one.reason, one.detail)
        else:
            yield guarded(guard, place, _read_post, path, one, place, site, answers, config)


def _find_answers(path: Path, limit: int) -> _Answers:
    parents, offsets, lengths, questions = array("q"), array("q"), array("i"), array("q")
    for one in elements(path, BEGIN, END, limit):
        if isinstance(one, Gap) or one.data is None or not one.closed:
            continue
        kind = _KIND.search(one.data)
        if kind is None:
            continue
        if kind.group(1) == b"2" and (parent := _PARENT.search(one.data)):
            parents.append(int(parent.group(1)))
            offsets.append(one.offset)
            lengths.append(len(one.data))
        elif kind.group(1) == b"1" and (number := re.search(rb'\sId="(\d{1,18})"', one.data)):
            questions.append(int(number.group(1)))
    order = np.argsort(np.frombuffer(parents, np.int64), kind="stable") if parents else np.empty(0, np.int64)
    of_parent, of_offset, of_length = (np.array(column)[order] for column in (parents, offsets, lengths))
    return _Answers(of_parent, of_offset, of_length, np.sort(np.array(questions, np.int64)))


def _read_post(
    path: Path, one: Element, place: Place, site: str | None, answers: _Answers, config: ExtractConfig
) -> Row:
    if one.data is None:
        return loss(place, LossReason.TOO_LARGE, f"{one.length} bytes")
    if not one.closed:
        return loss(place, LossReason.TRUNCATED, "the row has no end")
    try:
        post = dict(parse_element(one.data).attrib)
    except Refused as refused:
        return loss(place, refused.reason, refused.detail)
    kind = str(post.get("PostTypeId", ""))
    if kind == ANSWER:
        parent = post.get("ParentId", "")
        at = np.searchsorted(answers.questions, int(parent)) if str(parent).isdecimal() and len(parent) < 19 else -1
        if 0 <= at < len(answers.questions) and answers.questions[at] == int(parent):
            return loss(place, LossReason.JOINED, f"question {parent}")
        return loss(place, LossReason.BAD_ROW, "an answer to a question that is not here")
    if kind != QUESTION:
        return loss(place, LossReason.OTHER_RECORD, f"post of type {kind[:10]}")
    number = str(post.get("Id", ""))
    url = f"https://{site}/questions/{number}" if site and number.isdecimal() else None
    found = _read_answers(path, answers.of(int(number))) if number.isdecimal() and len(number) < 19 else []
    title = clean_text(str(post.get("Title", ""))).strip()
    texts = [title, _plain(str(post.get("Body", "")))]
    for answer in sorted(found, key=lambda other: _rank(other, post)):
        if text := _plain(answer.get("Body", "")):
            texts.append(f"Answer:\n\n{text}")
    text = "\n\n".join(piece for piece in texts if piece)
    if not text.strip():
        return loss(place, LossReason.NO_TEXT, "", url)
    if len(text) > config.max_bytes:
        return loss(place, LossReason.TOO_LARGE, f"{len(text)} characters", url)
    posts = [post, *found]
    license = _license(posts)
    return document(
        place,
        text,
        record_id=number or None,
        url=url,
        content_type="text/html",
        title=title or None,
        author=str(post.get("OwnerDisplayName", "")) or None,
        published=max((day for one in posts if (day := _day(one))), default=None),
        extractor="stackexchange",
        license=license,
        license_from="record" if license else None,
        tags=_TAG.findall(str(post.get("Tags", ""))) or None,
        votes=_number(post.get("Score")),
    )


def _read_answers(path: Path, places: list[tuple[int, int]]) -> list[dict[str, str]]:
    found = []
    with path.open("rb") as file:
        for offset, length in places[:MAX_ANSWERS]:
            file.seek(offset)
            try:
                found.append({str(key): str(value) for key, value in parse_element(file.read(length)).attrib.items()})
            except Refused:  # its own row says so
                continue
    return found


def _rank(answer: Mapping[str, str], question: Mapping[str, str]) -> tuple[bool, int, int]:
    accepted = answer.get("Id") == question.get("AcceptedAnswerId")
    return not accepted, -(_number(answer.get("Score")) or 0), _number(answer.get("Id")) or 0


def _plain(body: str) -> str:
    """The text of a post's HTML, code and lists with their lines."""
    if not body.strip():
        return ""
    html = f"<html><body>{clean_text(body)}</body></html>"
    text = extract_plain_text(html, main_content=False, preserve_formatting=True, list_bullets=True, links=False)
    return _BULLET.sub("- ", text).strip()


def _license(posts: list[Mapping[str, str]]) -> str | None:
    """The licences of all posts, joined as SPDX does; None if one of them states none."""
    names = {of_words(str(post.get("ContentLicense", ""))) for post in posts}
    return None if None in names else " AND ".join(sorted(str(name) for name in names))


def _day(post: Mapping[str, str]) -> date | None:
    moment = parse_date(str(post.get("CreationDate", "")))
    return moment.date() if moment else None


def _number(value: object) -> int | None:
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if abs(number) < 2**31 else None
