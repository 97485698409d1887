"""`python -m benchmarks.mojibake`: what of real pages was decoded wrongly, as far as it shows.

Needs GRISTMILL_TEST_DATA.

For each set: pages, those with U+FFFD (and how many of them there are), those with patterns of UTF-8 that was read as
another encoding (by us, or already by whoever made the page), and those that were decoded by no label of theirs.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.labelled import read_pages
from tasks.extract.archive import Record, read_archive
from tasks.extract.charset import decode_text
from tasks.extract.payload import decode_body, parse_response

# UTF-8 read as Latin-1 or windows-1252 (Western, Cyrillic and Greek letters, quotation marks), or as windows-1251.
PATTERNS = re.compile(
    r"[ÃÂ][\x80-\xbf]|â€[\x80-\xbf™œž¦“”]|(?:[ÐÑ][\x80-\xbf\u0160-\u017e\u2013-\u203a]){2}|(?:Р[°-їА-Я]|С[Ѓ-џ]){3}"
)


def _pages(data: Path) -> Iterator[tuple[str, bytes, str | None]]:
    for page in read_pages(data, ("snippets", "news", "readability")):
        yield page.kind, page.body, None
    for item in read_archive(data / "crawl" / "debdocs.warc.gz"):
        if isinstance(item, Record) and item.record_type == "response" and (found := parse_response(item.payload)):
            yield "debdocs", decode_body(found, 16 << 20), found.headers.get("content-type")


def main() -> None:
    """Decode all pages and print a line for each set."""
    if not (named := os.environ.get("GRISTMILL_TEST_DATA")):
        sys.exit("GRISTMILL_TEST_DATA names no folder: the pages stand there.")
    counts: dict[str, list[int]] = {}
    for kind, body, content_type in _pages(Path(named)):
        decoded = decode_text(body, content_type)
        count = counts.setdefault(kind, [0] * 5)
        count[0] += 1
        count[1] += decoded.replaced > 0
        count[2] += decoded.replaced
        count[3] += PATTERNS.search(decoded.text) is not None
        count[4] += decoded.charset_from == "detected"
    print(f"{'set':<12} {'pages':>6} {'with U+FFFD':>12} {'U+FFFD':>8} {'patterns':>9} {'detected':>9}")
    for kind, (pages, with_replaced, replaced, patterns, detected) in counts.items():
        print(f"{kind:<12} {pages:>6} {with_replaced:>12} {replaced:>8} {patterns:>9} {detected:>9}")


if __name__ == "__main__":
    main()
