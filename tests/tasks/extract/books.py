"""Small PDFs, EPUBs and zips of our own making, honest and not."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from tests.tasks.extract.crawls import SENTENCE

CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""


def pdf(
    pages: Sequence[Sequence[str]],
    info: str = "/Title (The Mill) /Author (A. Miller) /CreationDate (D:20240506070809Z)",
    trailer: str = "",
    count: int | None = None,
) -> bytes:
    """A PDF with these lines on its pages. `count`: how many pages it says it has, if that is a lie."""
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages) if count is None else count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< {info} >>",
    ]
    for number, lines in enumerate(pages):
        shown = " ".join(f"({line}) Tj 0 -14 Td" for line in lines)
        content = f"BT /F1 10 Tf 50 750 Td {shown} ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {6 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    file = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(file))
        file += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer << /Size {size} /Root 1 0 R /Info 4 0 R {trailer} >>\n"
    return bytes(file) + f"{end}startxref\n{len(file)}\n%%EOF\n".encode("latin-1")


def encrypted_pdf() -> bytes:
    """A PDF whose empty password is refused."""
    key = "41" * 32
    encrypt = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >> /ID [<{key[:32]}> <{key[:32]}>]"
    return pdf([[SENTENCE]], trailer=encrypt)


def zip_of(entries: Mapping[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these entries, in this order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in entries.items():
            # an EPUB's media type is stored, so that it stands in clear at the file's start
            file.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else method)
    return buffer.getvalue()


def chapter(body: str) -> str:
    """A chapter of an EPUB."""
    head = "<head><title>Not text</title><style>p {}</style></head>"
    return f'<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">{head}<body>{body}</body></html>'


def epub(chapters: Mapping[str, str], spine: Sequence[str] = (), more: Mapping[str, bytes | str] = {}) -> bytes:
    """An EPUB of these chapters (name below OEBPS, body), in the order of the spine."""
    kind = 'media-type="application/xhtml+xml"'
    items = "".join(f'<item id="i{number}" href="{name}" {kind}/>' for number, name in enumerate(chapters))
    order = [list(chapters).index(name) for name in spine or chapters]
    references = "".join(f'<itemref idref="i{number}"/>' for number in order)
    package = f"""<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">
    <metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The  Mill</dc:title>
    <dc:creator>A. Miller</dc:creator>
    <dc:creator>B. Baker</dc:creator><dc:date>2024-05-06T07:08:09Z</dc:date><dc:language>en</dc:language>
    <dc:rights>CC0-1.0</dc:rights></metadata>
    <manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>{items}</manifest>
    <spine><itemref idref="nav"/>{references}</spine></package>"""
    entries: dict[str, bytes | str] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package,
        "OEBPS/nav.xhtml": chapter("<nav>Contents</nav>"),
    }
    entries |= {f"OEBPS/{name}": chapter(body) for name, body in chapters.items()}
    return zip_of(entries | dict(more))
