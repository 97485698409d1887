"""Pictures that commands draw into files."""

import sys
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from storage.statements import Refused

KINDS = (".svg", ".html")

Picture = Annotated[Path | None, typer.Option("--picture", help="Draw it into this file (.svg or .html).")]


def check_picture(path: Path | None) -> None:
    """Raises: Refused, before any work, where no picture can be written."""
    if path is None:
        return
    if path.suffix not in KINDS:
        raise Refused(f"--picture {path}: give a file that ends in .svg or .html, as --picture FILE.svg.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise Refused(f"{path} can't be written: it is a folder, or the folder it lies in does not exist.")


def write_picture(path: Path, svg: str, title: str) -> None:
    """Write a picture to an .svg file, or into a page of its own (.html). Raises: Refused where it can't be written."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    try:
        path.write_text(svg if path.suffix == ".svg" else f"{head}<body>{svg}</body></html>\n", encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} can't be written: {error.strerror or error}.") from error
    print(f"Drawn: {path}", file=sys.stderr)
