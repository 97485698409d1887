"""Texts of real pages for contests: those of the crawl debdocs, extracted once."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

SHORTEST, LONGEST = 200, 20_000
"""Characters: pages of no more than the first are left out, those of more than the second are cut."""


def pages() -> list[str]:
    """The texts of all pages, extracted by resiliparse and kept in the folder for temporary files."""
    path = Path(os.environ["GRISTMILL_TEST_DATA"]) / "crawl" / "debdocs.warc.gz"
    key = hashlib.sha256(f"{path} {path.stat().st_size} {SHORTEST} {LONGEST}".encode()).hexdigest()[:16]
    kept = Path(tempfile.gettempdir()) / f"gristmill-debdocs-{key}.json"
    if not kept.exists():
        from fastwarc.warc import ArchiveIterator, WarcRecordType
        from resiliparse.extract.html2text import extract_plain_text

        found: list[str] = []
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response):
                page = record.reader.read().decode("utf-8", errors="replace")
                text = extract_plain_text(page, main_content=True, alt_texts=False)
                if len(text) > SHORTEST:
                    found.append(text[:LONGEST])
        kept.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))
