"""What was read: the files of a snapshot, the documents in them, and every record that could not become one."""

import pyarrow as pa

from storage.table import column, table

FORGOTTEN = "forgotten"
"""The `extractor` of a document whose text was forgotten: a tombstone names it."""

FILES = table(
    column("path", pa.string(), "Path below the source's root, with forward slashes.", nullable=False),
    column("sha256", pa.string(), "SHA-256 of the file's bytes, 64 hexadecimal characters.", nullable=False),
    column("bytes", pa.int64(), "Size of the file.", nullable=False),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("license", pa.string(), "Licence the recipe states for the source; a record's own licence goes before it."),
)

DOCUMENTS = table(
    column(
        "doc_id",
        pa.string(),
        "128-bit hash of (source, SHA-256 of the file, space, offset), 32 hexadecimal characters.",
        nullable=False,
    ),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("file", pa.string(), "The file the record stands in, below the source's root.", nullable=False),
    column("file_sha256", pa.string(), "SHA-256 of that file.", nullable=False),
    column(
        "space",
        pa.string(),
        "What offset and length count: bytes of the `file`, bytes of the decompressed `stream`, or a `row`; of an "
        "archive in a WACZ `file:NAME` or `stream:NAME`.",
        nullable=False,
    ),
    column("offset", pa.int64(), "Where the record starts.", nullable=False),
    column("length", pa.int64(), "How long the record is, padding after it counted in.", nullable=False),
    column("record_id", pa.string(), "WARC-Record-ID, or the row's own id."),
    column("url", pa.string(), "Where the page was captured, as the record says."),
    column("capture_date", pa.timestamp("us", "UTC"), "When it was captured, as the record says."),
    column("http_status", pa.int16(), "Status of the HTTP response."),
    column("content_type", pa.string(), "Media type of the payload, lower case, without parameters."),
    column("charset", pa.string(), "Encoding the payload was decoded with (WHATWG name)."),
    column("charset_from", pa.string(), "What named the encoding: header, meta, bom or detected."),
    column("license", pa.string(), "Licence of the record, or of its source."),
    column(
        "origin",
        pa.string(),
        "How the page came to be, where the record says: as shipped, by its program's templates, or rendered.",
    ),
    column("carrier", pa.string(), "The package (name==version) that carried the record, where it says so."),
    column("title", pa.string(), "Title of the page."),
    column("author", pa.string(), "Who wrote it, as the page, file or row says."),
    column("published", pa.date32(), "Day that the page, file or row states for its content; null if it states none."),
    column("extractor", pa.string(), "What gave the text: an extractor of pages, pdf, epub, wikitext, …; null: as is."),
    column("truncated", pa.string(), "WARC-Truncated of the record (length, time …), `pages` of a PDF; null: whole."),
    column(
        "license_from",
        pa.string(),
        "Who names the licence: record, page, repository, source; link: an address in it, maybe about a part.",
    ),
    column(
        "robots",
        pa.list_(pa.string()),
        "Directives of robots meta elements and X-Robots-Tag headers, lower case, sorted (noindex, noai, …).",
    ),
    column(
        "tdm_reservation",
        pa.bool_(),
        "Whether rights to text and data mining are reserved (TDMRep header or meta element); null: not said.",
    ),
    column("tdm_policy", pa.string(), "Where the policy of that reservation stands (TDMRep)."),
    column("programming_language", pa.string(), "Language of a file of source code, by its name or first line."),
    column("tags", pa.list_(pa.string()), "What its source files it under (tags of a question)."),
    column("votes", pa.int32(), "Votes for it, where its source counts them."),
    column("text_bytes", pa.int64(), "UTF-8 bytes of the text."),
    column("text", pa.large_string(), "The text as extracted; null where there is none."),
    group_rows=1024,
)

LOSSES = table(
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("file", pa.string(), "The file, below the source's root.", nullable=False),
    column("file_sha256", pa.string(), "SHA-256 of that file.", nullable=False),
    column("space", pa.string(), "What offset and length count; see the documents.", nullable=False),
    column("offset", pa.int64(), "Where the record, or the unreadable stretch, starts.", nullable=False),
    column("length", pa.int64(), "How long it is.", nullable=False),
    column("record_type", pa.string(), "WARC-Type, where there was a record."),
    column("url", pa.string(), "Where it was captured."),
    column("reason", pa.string(), "Why it did not become a document: one of a closed set.", nullable=False),
    column("detail", pa.string(), "What exactly: a status, a media type, an error; never text of the page."),
)
