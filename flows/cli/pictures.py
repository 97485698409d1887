"""Charts that commands draw into files."""

import sys
from pathlib import Path

from storage.statements import Refused

KINDS = (".svg", ".html")


def write_picture(path: Path, svg: str, title: str) -> None:
    """Write a chart to an .svg file, or into a page of its own (.html). Raises: Refused where it can't be written."""
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><body>{svg}</body></html>\n'
    try:
        path.write_text(svg if path.suffix == ".svg" else page, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} can't be written: {error.strerror or error}.") from error
    print(f"Drawn: {path}", file=sys.stderr)
