"""Writing WARC 1.1: one record as one gzip member (ISO 28500:2017)."""

import base64
import hashlib
import zlib
from collections.abc import Mapping


def record_member(headers: Mapping[str, str], block: bytes) -> bytes:
    """A record as one gzip member; its length is put behind the headers given. No value may hold a line end.

    Raises: ValueError for a value with a line end, which would make two headers of one.
    """
    bad = [name for name, value in headers.items() if "\r" in value or "\n" in value]
    if bad:
        raise ValueError(f"The header {bad[0]} has a line end in its value.")
    lines = ["WARC/1.1", *(f"{name}: {value}" for name, value in headers.items()), f"Content-Length: {len(block)}"]
    return gzip_member("\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n")


def digest(data: bytes) -> str:
    """`sha1:` and 32 characters, as archives write it."""
    return f"sha1:{base64.b32encode(hashlib.sha1(data).digest()).decode()}"


def gzip_member(data: bytes) -> bytes:
    """`data` as one gzip member (RFC 1952) without time, name or system in its header."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(data) + squeeze.flush()
    tail = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + body + tail
