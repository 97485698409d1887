"""The HTTP response in a record's block, and its body as the server meant it, whatever its headers claim.

Crawlers differ in what they keep: bodies as they came over the wire, or decoded with the headers left as they were. So
no header is believed that the bytes contradict.
"""

import re
import zlib
from dataclasses import dataclass

import brotli
import zstandard

from tasks.extract.reasons import LossReason
from tasks.extract.warc.items import HEADER_END, MAX_HEADER_BYTES, parse_headers

MAX_CODINGS = 4
"""Layers of compression that are taken off one body."""

_STATUS = re.compile(r"(?:HTTP/\d+(?:\.\d+)?[ \t]+)*(\d{3})(?!\d)", re.IGNORECASE)
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r?\n")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1b\x08"))


class Refused(Exception):
    """A record that becomes no document: why, as one of the reasons of the loss ledger, and what exactly."""

    def __init__(self, reason: LossReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response as it stands in a record. `headers`: lower-case names, the first of each.

    `body`: not yet decoded.
    """

    status: int
    headers: dict[str, str]
    body: bytes


def parse_response(block: bytes) -> Response | None:
    """The response in a block, or None if it does not begin with a status line.

    A status line may be doubled ("HTTP/1.1 HTTP/1.1 200 OK"), lack the version ("200 OK") or the words. One without an
    end of its headers has no body.
    """
    if _STATUS.match(block[:64].decode("latin-1")) is None:
        return None
    end = HEADER_END.search(block, 0, MAX_HEADER_BYTES)
    first = block.find(b"\n") + 1
    if first and block[first : first + 2].strip(b"\r").startswith(b"\n"):
        # no header field at all: the empty line follows the status line
        head, body = block[:first], block[block.find(b"\n", first) + 1 :]
    else:
        head, body = (block, b"") if end is None else (block[: end.end()], block[end.end() :])
    status_line, headers = parse_headers(head if end is not None else head + b"\r\n\r\n")
    match = _STATUS.match(status_line)
    return None if match is None else Response(int(match.group(1)), headers, body)


def decode_body(response: Response, max_bytes: int) -> bytes:
    """The body without its transfer and content codings.

    What is not chunked or compressed is left as it is, whatever the headers say; what is gzip or zstd is unpacked even
    if they don't. A compressed body that is cut off gives what is there.

    Raises: Refused: too large, above `max_bytes` after any layer; bad encoding, for bytes that are neither text nor the
    coding named.
    """
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body = join_chunks(body)
    codings = re.split(r"[,\s]+", response.headers.get("content-encoding", "").lower())
    codings = [coding for coding in codings if coding not in ("", "identity", "none", "utf-8", "chunked")]
    for _ in range(MAX_CODINGS):
        named = codings.pop() if codings else ""
        decoded = _decode_layer(body, named, max_bytes)
        if decoded is None and not codings:
            if named and looks_binary(body):
                raise Refused(LossReason.BAD_ENCODING, f"not {_short(named)}, and no text")
            break
        body = body if decoded is None else decoded
    if len(body) > max_bytes:
        raise Refused(LossReason.TOO_LARGE, f"a body of more than {max_bytes} bytes")
    return body


def join_chunks(body: bytes) -> bytes:
    """A chunked body's content.

    A body that does not begin with a chunk is given back; after one that is broken the rest is kept as it is.
    """
    chunks: list[bytes] = []
    position = 0
    while match := _CHUNK.match(body, position):
        size = int(match.group(1), 16)
        end = match.end() + size
        if size == 0:
            # A body that merely begins with a line "0" is not chunked.
            return b"".join(chunks) if chunks or not body[match.end() :].strip() else body
        if end < len(body) and body[end : end + 1] not in (b"\r", b"\n"):
            break
        if end > len(body) and not chunks and not looks_binary(body) and size > 2 * len(body):
            break  # a text whose first line looks like a number
        chunks.append(body[match.end() : end])
        position = end
        for newline in (b"\r\n", b"\n"):
            if body.startswith(newline, position):
                position += len(newline)
                break
    return b"".join([*chunks, body[position:]]) if chunks else body


def looks_binary(data: bytes) -> bool:
    """Whether the first 4 KiB hold a NUL byte or more than 5 % control characters. UTF-16 is binary by this."""
    head = data[:4096]
    return b"\0" in head or len(head) - len(head.translate(None, _CONTROLS)) > 0.05 * len(head)


def _decode_layer(body: bytes, named: str, max_bytes: int) -> bytes | None:
    """The body without one coding: the one its first bytes show, else the one named. None if it has neither."""
    if body.startswith(b"\x1f\x8b\x08"):
        return _inflate(body, 31, max_bytes)
    if body.startswith(b"\x28\xb5\x2f\xfd"):
        return _unzstd(body, max_bytes)
    if named == "deflate":
        # The standard means zlib's format; some servers send the bare stream.
        return _inflate(body, 15, max_bytes) or _inflate(body, -15, max_bytes)
    if named == "br":
        return _unbrotli(body, max_bytes)
    return None


def _inflate(body: bytes, window: int, max_bytes: int) -> bytes | None:
    """Unpacks gzip (31), zlib (15) or bare deflate (-15); gzip members one after the other."""
    pieces: list[bytes] = []
    left = max_bytes + 1
    while body and left > 0:
        decoder = zlib.decompressobj(window)
        try:
            piece = decoder.decompress(body, left)
        except zlib.error as error:
            if pieces:
                break  # bytes after the last member
            if window == 31:
                return _inflate_damaged(body, left, error)
            return None
        if window == -15 and not decoder.eof and len(piece) < left:
            return None  # any text may begin like a bare stream
        pieces.append(piece)
        left -= len(piece)
        body = decoder.unused_data if window == 31 else b""
    data = b"".join(pieces)
    if len(data) > max_bytes:
        raise Refused(LossReason.TOO_LARGE, f"a body that unpacks to more than {max_bytes} bytes")
    return data


def _inflate_damaged(body: bytes, left: int, error: zlib.error) -> bytes:
    """Only a wrong checksum at the very end is passed over: servers cut the trailer, and the text is whole."""
    decoder = zlib.decompressobj(31)
    try:
        data = decoder.decompress(body[:-8], left)
    except zlib.error:
        data = b""
    if not data or "check" not in str(error):
        raise Refused(LossReason.BAD_ENCODING, f"gzip: {error}") from error
    return data


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=128 << 20).stream_reader(body, read_across_frames=True)
    try:
        data = reader.read(max_bytes + 1)
    except zstandard.ZstdError as error:
        raise Refused(LossReason.BAD_ENCODING, f"zstd: {error}") from error
    if len(data) > max_bytes:
        raise Refused(LossReason.TOO_LARGE, f"a body that unpacks to more than {max_bytes} bytes")
    return data


def _unbrotli(body: bytes, max_bytes: int) -> bytes | None:
    """Brotli has no magic number: what does not decode to its end, or for lack of an end to text, is not brotli."""
    decoder = brotli.Decompressor()
    try:
        data = decoder.process(body, output_buffer_limit=max_bytes + 1)
    except brotli.error:
        return None
    if len(data) > max_bytes:
        raise Refused(LossReason.TOO_LARGE, f"a body that unpacks to more than {max_bytes} bytes")
    cut_off = not decoder.is_finished()
    return None if cut_off and (not looks_binary(body) or looks_binary(data)) else data


def _short(name: str) -> str:
    """A header's word as it may stand in a row: printable, short."""
    return re.sub(r"[^\w/.+-]", "?", name, flags=re.ASCII)[:60]
