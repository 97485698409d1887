"""The record layer of an archive: decoded bytes as WARC or ARC records, each with its place in the file and in the
decoded stream.

What lies about its length is put right where the end of the record is certain: at the end of its compressed member, or
at an empty line before the next record's first line. What can't be put right becomes a `Lost`: no byte goes without a
word.
"""

from enum import Enum, auto

from tasks.extract.reasons import LossReason
from tasks.extract.warc.dialect import WARC, dialect_of
from tasks.extract.warc.items import (
    MAX_HEADER_BYTES,
    MAX_RECORD_BYTES,
    NEWLINES,
    Found,
    Lost,
    Parsed,
)
from tasks.extract.warc.members import Broken, Data, End, Event, Start


class _State(Enum):
    READY = auto()
    """Between two items."""
    HEADER = auto()
    BODY = auto()
    AFTER = auto()
    """The body is complete; what follows tells whether its length was right."""
    OPEN_BODY = auto()
    """The body has no right length: it ends before the next record or with its member."""
    OVERSIZE = auto()
    """The body is larger than is held: counted, not kept."""
    JUNK = auto()
    """Bytes that belong to no record, up to the next version line at the start of a line."""
    FLOOD = auto()
    """The rest of a member with more records than places."""


class Scanner:
    """A state machine: events go in by `take` (and one `finish_file`), items come out in `found`, which the caller
    empties.

    `compressed`: whether the file's members are; if not, a place in the file is one in the stream. `size`: bytes of the
    file. `begun_at`: where the first member that is told of starts, if clean members lie before it (see
    `tasks.extract.warc.clean`); places in the stream then mean nothing.

    At most one record is held at a time. Indices are into the buffer; `_base` is the stream's byte at its start.
    """

    def __init__(self, compressed: bool, size: int, begun_at: int = 0) -> None:
        self.found: list[Found] = []
        self._compressed = compressed
        self._size = size
        self._dialect = WARC
        self._buffer = bytearray()
        self._head = 0
        self._base = 0
        self._state = _State.READY
        # The open member.
        self._member = 0 if begun_at else -1
        self._member_start = 0
        self._member_open = False
        self._member_items = 0
        self._member_bytes = 0
        self._fed = 0
        self._before = (-1, 0, 0)
        """The member before it: which, where it starts, how many items begin in it."""
        # The current item.
        self._items = 1 if begun_at else 0
        self._last_file = begun_at - 1
        self._spans = False
        self._item_member = 0
        self._place = (0, 0, 0, False)
        self._headers: dict[str, str] | None = None
        self._header_end = 0
        self._body = 0
        self._declared: int | None = None
        self._searched = 0
        self._left = 0
        self._lost: Lost = Lost(LossReason.NOT_A_RECORD, "")
        self._steps = {
            _State.READY: self._ready,
            _State.HEADER: self._header,
            _State.BODY: self._in_body,
            _State.AFTER: self._after,
            _State.OPEN_BODY: self._open_body,
            _State.OVERSIZE: self._oversize,
            _State.JUNK: self._junk,
            _State.FLOOD: self._flood,
        }

    @property
    def idle(self) -> bool:
        """Whether no item is open, and all that was told of belongs to one that ended."""
        return self._state is _State.READY

    @property
    def size_of_stream(self) -> int:
        """Bytes of the stream so far."""
        return self._base + len(self._buffer)

    def take(self, event: Event) -> None:
        """One event of the compression layer."""
        if isinstance(event, Data):
            if self._member_bytes == 0 and self._state is not _State.READY:
                self._continue_in_member(event.data)
            elif not self._items and not self._buffer:
                self._dialect = dialect_of(event.data)
            self._member_bytes += len(event.data)
            self._fed = event.position
            if self._head:
                del self._buffer[: self._head]
                self._base += self._head
                self._shift(self._head)
            self._buffer += event.data
            self._run(final=False)
        elif isinstance(event, Start):
            self._before = (self._member, self._member_start, self._member_items)
            self._member += 1
            self._member_start = event.position
            self._member_open = True
            self._member_items = self._member_bytes = 0
            self._fed = event.position + 1
        elif isinstance(event, End):
            self._fed = event.position
            self._end_member()
        else:
            self._broken(event)

    def finish_file(self) -> None:
        """What is still open when the file ends."""
        if self._state is not _State.READY:
            self._close()

    # Members.

    def _end_member(self) -> None:
        self._run(final=True)
        if self._state is _State.READY and not self._member_items and (not self._member_bytes or not self._items):
            self._begin()
            self._lose(LossReason.EMPTY_MEMBER, "a compressed member without a record")
        self._member_open = False

    def _continue_in_member(self, data: bytes) -> None:
        """A new member's first bytes, while an item is open: they begin a record, or the open one goes on in them."""
        if self._dialect.start.match(data) is not None:
            here = (self._member, self._member_start, self._member_items)
            self._member, self._member_start, self._member_items = (
                self._before
            )  # records may come to light inside the open one
            self._close()
            self._member, self._member_start, self._member_items = here
        else:
            self._spans = True

    def _close(self) -> None:
        """Ends the open item where the buffer ends: its member, or the file, has no more of it."""
        while self._state is not _State.READY:
            if self._state is _State.HEADER:
                self._skip_to(len(self._buffer))
                self._lose(LossReason.TRUNCATED, "the record's header has no end")
            elif self._state in (_State.OVERSIZE, _State.FLOOD, _State.JUNK):
                self._finish_lost()
            else:
                inner = self._dialect.next_record.search(self._buffer, self._header_end)
                if inner is not None:
                    self._finish_record(max(self._body, inner.start()), inner.end())
                    self._run(final=True)
                elif self._state is _State.OPEN_BODY:
                    self._finish_record(self._end_without_padding(), len(self._buffer))
                elif self._compressed and not self._spans and self._place[2] == 0:
                    # The member is whole, by its checksum: it is the length that is wrong.
                    self._finish_record(self._end_without_padding(), len(self._buffer))
                else:
                    detail = f"{len(self._buffer) - self._body} of {self._declared} bytes are there"
                    self._skip_to(len(self._buffer))
                    self._lose(LossReason.TRUNCATED, detail)

    def _broken(self, event: Broken) -> None:
        if event.reason is LossReason.SKIPPABLE_FRAME and self._state is not _State.READY:
            self._base += event.stop - event.start
            return
        if self._state is _State.AFTER and self._place[2] > 0:
            # In a member of many records, one that is complete was decoded before the damage.
            self._finish_record(self._body + (self._declared or 0), len(self._buffer))
        if self._state is _State.READY:
            self._skip_to(len(self._buffer))
            if not self._member_open:
                self._member += 1
                self._member_items = 0
            # A member that broke before anything of it could be read is lost from its first byte.
            self._begin(at=event.start if self._member_items or not self._member_open else self._member_start)
        self._base += len(self._buffer) + event.stop - event.start
        self._buffer.clear()
        self._head = 0
        self._lose(event.reason, event.detail)
        self._member_open = False

    # Items.

    def _begin(self, at: int | None = None) -> None:
        """An item starts at the head; `at` is its place in the file where it is known otherwise."""
        stream = self._base + self._head if self._items else 0
        index = self._member_items
        shares = self._member == 0 and self._items == 1 and index == 1
        file = max(self._member_start + index if at is None else at, self._last_file + 1)
        self._place = (file if self._compressed else stream, stream, index, shares)
        self._last_file = file
        self._item_member = self._member
        self._items += 1
        self._member_items += 1
        self._spans = False
        self._headers = None
        self._declared = None

    def _emit(self, content: Parsed | Lost) -> None:
        file, stream, index, shares = self._place
        shares = shares or (self._items == 1 and self._spans)
        self.found.append(Found(file, stream, index, shares, content))
        self._state = _State.READY

    def _lose(self, reason: LossReason, detail: str) -> None:
        self._emit(Lost(reason, detail, self._headers))

    def _finish_lost(self) -> None:
        self._skip_to(len(self._buffer))
        self._emit(self._lost)

    def _finish_record(self, end: int, head: int) -> None:
        if end - self._body > MAX_RECORD_BYTES:
            self._lose(LossReason.TOO_LARGE, f"{end - self._body} bytes")
        else:
            self._emit(Parsed(self._headers or {}, bytes(memoryview(self._buffer)[self._body : end]), self._declared))
        self._head = head

    def _skip_to(self, index: int) -> None:
        self._head = index

    def _shift(self, by: int) -> None:
        self._header_end -= by
        self._body -= by
        self._searched -= by
        self._head = 0

    def _end_without_padding(self) -> int:
        tail = bytes(memoryview(self._buffer)[max(len(self._buffer) - 4, self._body) :])
        padding = self._dialect.padding.search(tail)
        return len(self._buffer) - (len(padding.group()) if padding else 0)

    # Steps: each returns whether it got further; False asks for more bytes.

    def _run(self, final: bool) -> None:
        while self._steps[self._state](final):
            pass

    def _ready(self, final: bool) -> bool:
        match = NEWLINES.match(self._buffer, self._head)
        assert match is not None  # it matches nothing, too
        here = match.end()
        if here == len(self._buffer) or (len(self._buffer) - here < self._dialect.look and not final):
            if self._items:
                self._head = here
            return False
        self._head = here
        many = self._compressed and self._member > 0 and self._member_start + self._member_items >= self._fed - 1
        self._begin()
        if many:
            self._state = _State.FLOOD
            self._lost = Lost(
                LossReason.TOO_MANY_IN_MEMBER, f"more than {self._member_items - 1} records in one member"
            )
        elif self._dialect.line.match(self._buffer, here) is not None:
            self._state = _State.HEADER
        else:
            self._state = _State.JUNK
            self._lost = Lost(LossReason.NOT_A_RECORD, self._describe(here))
        return True

    def _header(self, final: bool) -> bool:
        end = self._dialect.header_end.search(self._buffer, self._head)
        if end is None:
            if len(self._buffer) - self._head <= MAX_HEADER_BYTES:
                return False
            self._lost = Lost(LossReason.NOT_A_RECORD, f"a record header of more than {MAX_HEADER_BYTES} bytes")
            self._head += self._dialect.look
            self._state = _State.JUNK
            return True
        self._headers = self._dialect.fields(bytes(memoryview(self._buffer)[self._head : end.end()]))
        self._header_end, self._body = end.start(), end.end()
        length = self._headers.get("content-length", "")
        self._declared = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
        beyond = (
            not self._compressed
            and self._declared is not None
            and self._declared > self._size - self._base - self._body
        )
        if self._declared is None or (beyond and self._declared > MAX_RECORD_BYTES):
            self._searched = self._header_end
            self._state = _State.OPEN_BODY
        elif self._declared > MAX_RECORD_BYTES:
            self._left = self._declared
            self._lost = Lost(LossReason.TOO_LARGE, f"{self._declared} bytes", self._headers)
            self._head = self._body
            self._state = _State.OVERSIZE
        else:
            self._state = _State.BODY
        return True

    def _in_body(self, final: bool) -> bool:
        if len(self._buffer) - self._body < (self._declared or 0):
            return False
        self._state = _State.AFTER
        return True

    def _after(self, final: bool) -> bool:
        end = self._body + (self._declared or 0)
        match = NEWLINES.match(self._buffer, end)
        assert match is not None
        here = match.end()
        if not final and len(self._buffer) - here < self._dialect.look:
            return False
        if (
            here == len(self._buffer)
            or 0 < self._dialect.gap <= match.group().count(b"\n")
            or self._dialect.line.match(self._buffer, here) is not None
        ):
            self._finish_record(end, here)
            return True
        # The length is wrong: too long if another record begins inside, else too short.
        inner = self._dialect.next_record.search(self._buffer, self._header_end)
        if inner is not None and inner.start() < end:
            self._finish_record(max(self._body, inner.start()), inner.end())
        else:
            self._searched = self._header_end
            self._state = _State.OPEN_BODY
        return True

    def _open_body(self, final: bool) -> bool:
        searched = max(self._searched - 2 * self._dialect.look, self._header_end)
        inner = self._dialect.next_record.search(self._buffer, searched)
        if inner is not None:
            self._finish_record(max(self._body, inner.start()), inner.end())
        elif len(self._buffer) - self._body > MAX_RECORD_BYTES:
            self._lost = Lost(
                LossReason.TOO_LARGE,
                f"more than {MAX_RECORD_BYTES} bytes, of a record without a right length",
                self._headers,
            )
            self._head = len(self._buffer) - 2 * self._dialect.look
            self._state = _State.JUNK
        else:
            self._searched = len(self._buffer)
            return False
        return True

    def _oversize(self, final: bool) -> bool:
        passed = min(self._left, len(self._buffer) - self._head)
        self._head += passed
        self._left -= passed
        if self._left:
            return False
        self._emit(self._lost)
        return True

    def _junk(self, final: bool) -> bool:
        line = self._dialect.next_line.search(self._buffer, self._head)
        if line is not None:
            self._head = line.end()
            self._emit(self._lost)
        elif final:
            self._finish_lost()
        else:
            self._head = max(self._head, len(self._buffer) - 2 * self._dialect.look)
            return False
        return True

    def _flood(self, final: bool) -> bool:
        self._head = len(self._buffer)
        if final:
            self._emit(self._lost)
        return final

    def _describe(self, here: int) -> str:
        """What bytes that begin no record look like; never the bytes themselves."""
        head = bytes(self._buffer[here : here + 64])
        if head[:2] == b"PK":
            return "looks like a ZIP archive (a WACZ?); unpack it first"
        if not head.strip(b"\0"):
            return "zero bytes"
        return f"bytes that begin no {self._dialect.name} record"
