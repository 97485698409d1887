"""Why a record did not become a document: the closed set of reasons in the loss ledger."""

from enum import StrEnum

SKIPPED = "skipped"
"""The `extractor` of a document that no extractor saw, for a block list holds its URL and the recipe skips those."""


class LossReason(StrEnum):
    """One word or two to count by.

    What exactly happened (a status, a media type, an error) stands in the row's `detail`.
    """

    # The file could not be read here: no record, or only a part of one.
    EMPTY_FILE = "empty file"
    EMPTY_MEMBER = "empty member"
    """A compressed member or frame that holds no byte."""
    SKIPPABLE_FRAME = "skippable frame"
    """A zstd frame that holds no data of the archive: a dictionary, or padding."""
    NOT_COMPRESSED = "not a member"
    """Bytes between or after the members of a compressed file that begin no member."""
    DAMAGED = "damaged"
    """A compressed member that cannot be decoded to its end, or whose checksum is wrong."""
    TRUNCATED = "truncated"
    """The file, or the record's member, ends before the record does."""
    NOT_A_RECORD = "not a record"
    """Bytes that begin no WARC or ARC record."""
    TOO_MANY_IN_MEMBER = "too many records in a member"
    """More records in one compressed member than it has bytes: their places can't be told apart."""
    UNKNOWN_FORMAT = "unknown format"
    """A file that no reader here understands."""
    CONTAINER = "container"
    """Bytes of a WACZ that hold others: an archive in it, whose records stand in a space of its own (the detail names
    it), or the zip's directory."""
    NO_ARCHIVE = "not an archive"
    """An entry of a WACZ that is none of its archives: an index, a list of pages, a log."""
    ENCRYPTED = "encrypted"
    """A PDF, an EPUB or an entry of a zip that opens with a password alone."""

    # Records that are no pages.
    WARCINFO = "warcinfo"
    REQUEST = "request"
    METADATA = "metadata"
    REVISIT = "revisit"
    CONTINUATION = "continuation"
    UNKNOWN_TYPE = "unknown record type"
    NOT_HTTP = "not http"
    """A response whose payload does not start with an HTTP status line."""
    REDIRECT = "redirect"
    HTTP_ERROR = "http error"
    """Any other status than 200 to 299: the detail says which."""
    NO_CONTENT = "no content"
    """A status of 204, 205 or 206: nothing, or only a part, of the page."""
    MEDIA_TYPE = "media type"
    """A picture, a style sheet, a script …: the detail is the media type."""

    # Pages that gave no text.
    EMPTY_BODY = "empty body"
    BAD_ENCODING = "bad encoding"
    """A body that its Content-Encoding or charset does not decode."""
    TOO_LARGE = "too large"
    TOO_DEEP = "too deep"
    TOO_MANY_NODES = "too many nodes"
    TOO_MANY_PAGES = "too many pages"
    """A PDF with more pages than are read."""
    NO_TEXT = "no text"
    NOT_PARSED = "not parsed"
    """The HTML parser or the extractor gave up."""

    # Rows of JSONL, CSV and Parquet.
    HEADER = "header"
    """The first record of a CSV file: the names of its columns."""
    BAD_HEADER = "bad header"
    """The header of a CSV file can't be read, and so none of its rows."""
    BAD_JSON = "bad json"
    BAD_ROW = "bad row"
    """A row that is no object, or whose text is no string."""

    # Dumps.
    NAMESPACE = "namespace"
    """A page of a wiki that is no article: a talk, a template, a user's page. The detail is the namespace's number."""
    JOINED = "joined"
    """An answer that stands in its question's document."""
    OTHER_RECORD = "other record"
    """A record of a dump that holds no text of its own: a vote, a tag's description, a file beside the texts."""
    GENERATED = "generated"
    """A file that a program wrote: minified, a lock file, marked as generated."""
    VENDORED = "vendored"
    """A copy of somebody else's files in a repository."""

    # What ended the process that read it (`tasks.isolation.Death`).
    TIMEOUT = "timeout"
    """It used more CPU time than a record may."""
    CRASH = "crash"
    MEMORY = "memory"
