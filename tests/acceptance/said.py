"""Everything that the files of a lake say, however they say it: what a search for forgotten words looks through."""

import gzip
import html
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer


def strings(value: Any) -> Iterator[str]:
    """Every string and byte string within a value of Python, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", errors="replace")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)


def said_by(path: Path, tokenizers: list[Tokenizer]) -> Iterator[str]:
    """What one file says: its bytes as they are, and decoded by what it is."""
    raw = path.read_bytes()
    yield raw.decode("utf-8", errors="replace")
    if raw[:4] == b"PAR1":
        for row in pq.ParquetFile(path).read().to_pylist():
            yield from strings(row)
    elif raw[:6] == b"ARROW1":
        with pa.ipc.open_file(str(path)) as reader:
            table = reader.read_all()
        for column in table.columns:
            if pa.types.is_integer(column.type):
                ids = column.to_numpy().astype(np.int64).tolist()
                for tokenizer in tokenizers:
                    yield tokenizer.decode(ids, skip_special_tokens=False)
            else:
                yield from strings(column.to_pylist())
    elif raw[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
            for (table,) in tables:
                for row in connection.execute(f'select * from "{table}"'):
                    yield from strings(row)
    elif raw[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as connection:
            yield from strings(connection.execute("select sql from duckdb_views()").fetchall())
            yield from strings(connection.execute("select * from duckdb_tables()").fetchall())
    elif raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw).decode("utf-8", errors="replace")
    elif path.suffix == ".html":
        yield html.unescape(raw.decode())
    elif path.suffix == ".json":
        yield from strings(json.loads(raw))


def pieces(sentence: str) -> list[str]:
    """What betrays a sentence: itself, its halves, and every two words of it that stand together."""
    words = re.findall(r"\w+", sentence)
    half = len(words) // 2
    found = [" ".join(words), " ".join(words[:half]), " ".join(words[half:])]
    return found + [" ".join(words[start : start + 2]) for start in range(len(words) - 1)]


def find(lake: Path, *sentences: str) -> dict[str, set[str]]:
    """The files of a lake that say some piece of these sentences, whatever its case, by the folder they stand in."""
    paths = [path for path in sorted(lake.rglob("*")) if path.is_file() and not path.is_symlink()]
    tokenizers = [Tokenizer.from_file(str(path)) for path in paths if path.name == "tokenizer.json"]
    betraying = [piece.lower() for sentence in sentences for piece in pieces(sentence)]
    wanted = re.compile("|".join(re.escape(piece).replace(r"\ ", r"\W+") for piece in betraying))
    found: dict[str, set[str]] = {}
    for path in paths:
        if any(wanted.search(text.lower()) for text in said_by(path, tokenizers)):
            place = path.relative_to(lake)
            found.setdefault(place.parts[0], set()).add(place.as_posix())
    return found
