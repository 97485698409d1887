"""From a record to its row: a document, or a loss with the reason why it is none. Every record gives exactly one."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from tasks.extract.archive import Item, Record, Unreadable
from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig
from tasks.extract.page import clean_text, extract_page
from tasks.extract.payload import Refused, Response, decode_body, looks_binary, parse_response
from tasks.extract.reasons import SKIPPED, LossReason
from tasks.extract.rights import Rights, page_rights

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
PLAIN_TYPES = frozenset({"text/plain", "text/markdown", "text/x-markdown", "text/x-rst"})

_NO_PAGES = {
    "warcinfo": LossReason.WARCINFO,
    "request": LossReason.REQUEST,
    "metadata": LossReason.METADATA,
    "revisit": LossReason.REVISIT,
    "continuation": LossReason.CONTINUATION,
}
_LOOKS_LIKE_HTML = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:\s|<!--.{0,2000}?-->|<\?xml[^>]{0,200}>)*<(?:!doctype\s+html|html|head|body)\b",
    re.I | re.S,
)
_DATE = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]?(\d\d):?(\d\d):?(\d\d)(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?\s*", re.IGNORECASE
)


class DocumentRow(NamedTuple):
    """A document: the columns of the documents table that a record can tell.

    `offset`, `length`, `space`: its place in the file. `text` is None only where a block list spared the parsing.
    `license_from` is "link" for the licence of a link in the page, which counts where its source has none.
    """

    space: str
    offset: int
    length: int
    record_id: str | None
    url: str | None
    capture_date: datetime | None
    http_status: int | None
    content_type: str | None
    charset: str | None
    charset_from: str | None
    license: str | None
    origin: str | None
    carrier: str | None
    title: str | None
    text_bytes: int
    text: str | None
    author: str | None = None
    published: date | None = None
    extractor: str | None = None
    truncated: str | None = None
    license_from: str | None = None
    robots: list[str] | None = None
    tdm_reservation: bool | None = None
    tdm_policy: str | None = None
    programming_language: str | None = None
    tags: list[str] | None = None
    votes: int | None = None


class LossRow(NamedTuple):
    """A record or stretch that is no document: where, why (a `LossReason`), and what exactly."""

    space: str
    offset: int
    length: int
    record_type: str | None
    url: str | None
    reason: str
    detail: str


class _Text(NamedTuple):
    """What a body gave. `text` is None where it was not looked at."""

    text: str | None
    title: str | None
    content_type: str | None
    charset: str | None
    charset_from: str | None
    http_status: int | None = None
    author: str | None = None
    published: date | None = None
    extractor: str | None = None
    rights: Rights = Rights()


def extract_record(item: Item, config: ExtractConfig) -> DocumentRow | LossRow:
    """One item of an archive as its one row.

    A pure function of picklable arguments, for a worker that may be killed over it.
    """
    if isinstance(item, Unreadable):
        return LossRow(item.space, item.offset, item.length, item.record_type, item.url, item.reason.value, item.detail)
    try:
        text = _extract(item, config)
    except Refused as refused:
        return loss_row(item, refused.reason, refused.detail)
    own = item.headers.get("gristmill-license") or None
    return DocumentRow(
        space=item.space,
        offset=item.offset,
        length=item.length,
        record_id=item.record_id,
        url=item.url,
        capture_date=parse_date(item.date),
        http_status=text.http_status,
        content_type=text.content_type,
        charset=text.charset,
        charset_from=text.charset_from,
        license=own or text.rights.license or text.rights.linked,
        origin=item.headers.get("gristmill-origin") or None,
        carrier=item.headers.get("gristmill-carrier") or None,
        title=text.title,
        text_bytes=len((text.text or "").encode()),
        text=text.text,
        author=text.author,
        published=text.published,
        extractor=text.extractor,
        truncated=item.headers.get("warc-truncated") or None,
        license_from="record" if own else text.rights.license_from,
        robots=text.rights.robots,
        tdm_reservation=text.rights.tdm_reservation,
        tdm_policy=text.rights.tdm_policy,
    )


def finish_row(row: DocumentRow, source_license: str | None, config: ExtractConfig) -> dict[str, Any]:
    """The columns of a row: its licence, else its source's, else that of a link; no text where its URL is skipped."""
    if row.text is not None and is_skipped(row.url, config):
        row = row._replace(text=None, text_bytes=0, extractor=SKIPPED)
    columns = row._asdict()
    if source_license and (row.license is None or row.license_from == "link"):
        return columns | {"license": source_license, "license_from": "source"}
    if row.license:
        columns["license_from"] = row.license_from or "record"
    return columns


def is_skipped(url: str | None, config: ExtractConfig) -> bool:
    """Whether a block list holds the URL, and the recipe skips what they hold."""
    if not config.skip_blocked or not config.block_lists or url is None:
        return False
    from tasks.urls.index import load

    (match,) = load(config.block_lists).find([url])
    return match is not None and bool(match.lists)


def loss_row(record: Record, reason: LossReason | str, detail: str = "") -> LossRow:
    """The loss of a record, also for a reason that only the executor knows (a time-out, a crash)."""
    return LossRow(record.space, record.offset, record.length, record.record_type, record.url, str(reason), detail)


def _extract(record: Record, config: ExtractConfig) -> _Text:
    if record.record_type in _NO_PAGES:
        raise Refused(_NO_PAGES[record.record_type], record.headers.get("content-type", "")[:100])
    if record.record_type not in ("response", "resource", "conversion"):
        raise Refused(LossReason.UNKNOWN_TYPE, _media_type(record.record_type) or "")
    content_type = record.headers.get("content-type")
    media_type = _media_type(content_type)
    # Some responses are no HTTP (DNS, FTP); some have no type, or that of their body, and are.
    response = (
        parse_response(record.payload) if media_type == "application/http" or record.record_type == "response" else None
    )
    if response is None:
        if media_type == "application/http":
            raise Refused(LossReason.NOT_HTTP if record.payload.strip() else LossReason.EMPTY_BODY)
        body = decode_body(Response(0, {}, record.payload), config.max_bytes)
        return _read_body(body, content_type, record, config)
    if not 200 <= response.status < 300:
        reason = LossReason.REDIRECT if 300 <= response.status < 400 else LossReason.HTTP_ERROR
        raise Refused(reason, str(response.status))
    if response.status in (204, 205, 206):
        raise Refused(LossReason.NO_CONTENT, str(response.status))
    content_type = response.headers.get("content-type")
    media_type = _media_type(content_type)
    if media_type is not None and media_type not in HTML_TYPES | PLAIN_TYPES:
        raise Refused(LossReason.MEDIA_TYPE, media_type)  # before a picture is unpacked
    head = record.payload[: len(record.payload) - len(response.body)]
    if is_skipped(record.url, config):
        return _Text(
            None, None, media_type, None, None, response.status, extractor=SKIPPED, rights=page_rights(None, head)
        )
    body = decode_body(response, config.max_bytes)
    return _read_body(body, content_type, record, config, head)._replace(http_status=response.status)


def _read_body(
    body: bytes, content_type: str | None, record: Record, config: ExtractConfig, head: bytes = b""
) -> _Text:
    """A decoded body as text: a page's main text, or plain text as it is. `head`: the lines of the HTTP header."""
    media_type = _media_type(content_type)
    if media_type is None:
        html = _LOOKS_LIKE_HTML.match(body) is not None
        if not html and record.record_type != "conversion":
            raise Refused(
                LossReason.MEDIA_TYPE if body.strip() else LossReason.EMPTY_BODY, "none" if body.strip() else ""
            )
    else:
        html = media_type in HTML_TYPES
        if not html and media_type not in PLAIN_TYPES:
            raise Refused(LossReason.MEDIA_TYPE, media_type)
    if not body.strip():
        raise Refused(LossReason.EMPTY_BODY)
    if len(body) > config.max_bytes:
        raise Refused(LossReason.TOO_LARGE, f"{len(body)} bytes")
    decoded = decode_text(body, content_type, html)
    if looks_binary(body) and not decoded.charset.startswith("utf-16"):
        raise Refused(LossReason.BAD_ENCODING, "binary")
    if decoded.replaced > config.max_replaced_share * len(decoded.text):
        raise Refused(
            LossReason.BAD_ENCODING, f"{decoded.replaced} of {len(decoded.text)} characters are not {decoded.charset}"
        )
    if html:
        page = extract_page(decoded.text, record.url, config)
        return _Text(
            page.text,
            page.title,
            media_type,
            decoded.charset,
            decoded.charset_from,
            author=page.author,
            published=page.published,
            extractor=page.extractor,
            rights=page_rights(decoded.text, head),
        )
    text = clean_text(decoded.text)
    if not text.strip():
        raise Refused(LossReason.NO_TEXT)
    rights = page_rights(None, head)
    return _Text(text, None, media_type, decoded.charset, decoded.charset_from, rights=rights)


def parse_date(date: str | None) -> datetime | None:
    """A WARC-Date in UTC, microseconds kept; also 14 digits, a day alone, an offset.

    None if it is missing or no date.
    """
    match = _DATE.fullmatch(date.strip()) if date else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.group(1, 2, 3, 4, 5, 6))
    try:
        moment = datetime(
            year, month, day, hour, minute, second, int((match.group(7) or "0").ljust(6, "0")[:6]), tzinfo=UTC
        )
        if (zone := match.group(8)) and zone not in "zZ":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
            moment = moment - offset if zone[0] == "+" else moment + offset
    except (ValueError, OverflowError):
        return None
    return moment


def _media_type(content_type: str | None) -> str | None:
    """The media type alone, lower case; None if there is none. What can't stand in one becomes "?"."""
    media_type = (content_type or "").split(";")[0].strip().lower()
    return re.sub(r"[^\w.+/-]", "?", media_type, flags=re.ASCII)[:100] or None
