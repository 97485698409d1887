"""PDF: the text of its pages, as far as it has one (a scanned page has none), through pdfium.

Pages follow each other with an empty line between them. Title, author and date are those of the document's information
dictionary. A page that can't be read is left out, and `truncated` says so.
"""

import re
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

from tasks.extract.config import ExtractConfig
from tasks.extract.files.whole import Whole, day, short
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason

_HYPHEN = re.compile("[\\x02\\ufffe]\\r?\\n?")
"""What pdfium puts where a hyphen ends a line: the word goes on."""


def read_pdf(body: bytes, path: Path, config: ExtractConfig) -> Whole:
    """The text of a PDF. Raises: Refused: encrypted, not parsed, too many pages, too large, no text."""
    if b"%PDF-" not in body[:1024]:
        raise Refused(LossReason.NOT_PARSED, "no PDF header in the first 1,024 bytes")
    try:
        document = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise Refused(LossReason.ENCRYPTED, "it opens with a password") from error
        raise Refused(LossReason.NOT_PARSED, "pdfium cannot open it") from error
    try:
        count = len(document)
        if count > config.max_pages:
            raise Refused(LossReason.TOO_MANY_PAGES, f"{count} pages")
        pages: list[str] = []
        size = unread = 0
        for number in range(count):
            try:
                pages.append(_page(document, number))
            except pypdfium2.PdfiumError:
                unread += 1
                continue
            size += len(pages[-1])
            if size > config.max_bytes:
                raise Refused(LossReason.TOO_LARGE, f"more than {config.max_bytes} characters of text")
        if unread == count:
            raise Refused(LossReason.NOT_PARSED, f"none of {count} pages can be read")
        about = document.get_metadata_dict()
    finally:
        document.close()
    return Whole(
        "\n\n".join(page for page in pages if page),
        "application/pdf",
        short(about.get("Title")),
        short(about.get("Author")),
        day(about.get("CreationDate", "").removeprefix("D:")),
        extractor="pdf",
        truncated="pages" if unread else None,
    )


def _page(document: pypdfium2.PdfDocument, number: int) -> str:
    page = document[number]
    try:
        text = page.get_textpage()
        try:
            found = text.get_text_bounded()
        finally:
            text.close()
    finally:
        page.close()
    return _HYPHEN.sub("", found).replace("\r\n", "\n").replace("\r", "\n").strip()
