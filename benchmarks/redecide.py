"""What it takes to decide again on documents that are signed: `python -m benchmarks.redecide --documents 1000000`.

Writes, into a folder of its own (`--folder` keeps it for the next time), what a default recipe's stages would have
written of so many documents: every column of every annotation, generated and not measured; a fifth of the documents
stand in planted clusters, a tenth is dropped by a rule. Then decides on them all and writes the decisions, each time in
a process of its own: with the recipe's defaults, with `min_jaccard`, with duplicates by URL too, and with a snapshot of
new documents (`--new`) beside the known ones. Then finds all pairs of that many simhashes, and of some embeddings, with
nothing read. Prints for each: wall seconds, CPU seconds, peak memory, documents kept.
Two cores are enough for what it times; nothing is asserted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.annotations import enabled
from flows.recipe import Recipe
from storage.hashing import splitmix64
from storage.schemas.documents import DOCUMENTS
from storage.shards import TableWriter
from storage.table import Table
from tasks.annotation import with_doc_id
from tasks.decide.decisions import decide_documents
from tasks.decide.duplicates.semantic import semantic_edges
from tasks.decide.duplicates.simhash import simhash_edges
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.sign import SignConfig, hash_bands

PART_ROWS = 50_000
CLUSTERED = 0.2
"""Share of the documents that stand in planted clusters of 2 to 8."""
COPIED = 0.25
"""Share of a cluster's later members that are exact copies of its first."""
SAME_URL = 0.2
"""Share of a cluster's later members that have the URL of its first."""
CHANGED = 0.15
"""Share of the values of a near copy's signature that differ from the first of its cluster, on average."""
EMBEDDED = 20_000
"""Documents whose embeddings are compared, all with all."""
PLACES: dict[str, tuple[float, float]] = {
    "n_words": (45, 95),
    "mean_word_length": (4, 6),
    "alphabetic_word_share": (0.85, 1),
    "n_stop_words": (3, 30),
    "line_punctuation_share": (0.5, 1),
    "language_probability": (0.7, 1),
}
"""Where the values of these columns lie; others are shares between 0 and 0.05, or counts between 0 and 100."""


def write_inputs(folder: Path, n: int, seed: int) -> None:
    """Documents and annotations of n documents as Parquet below `folder`: <stage>/part-00000.parquet …"""
    rng = np.random.default_rng(seed)
    recipe = Recipe.model_validate({"name": "redecide", "sources": [{"name": "web", "path": str(folder)}]})
    tables = {stage.name: stage.tables_of(config)["part"] for stage, config in enabled(recipe)}
    tables["documents"] = DOCUMENTS
    for name in tables:
        (folder / name).mkdir(parents=True, exist_ok=True)
    first = _plant(n, rng)
    content = rng.integers(0, 2**63, (n, 2), dtype=np.uint64)
    same = np.arange(n)
    later = np.flatnonzero(first != np.arange(n))
    copies = later[rng.random(len(later)) < COPIED]
    same[copies] = first[copies]
    address = np.arange(n)
    twins = later[rng.random(len(later)) < SAME_URL]
    address[twins] = first[twins]
    for part, start in enumerate(range(0, n, PART_ROWS)):
        rows = np.arange(start, min(n, start + PART_ROWS))
        names = np.random.default_rng([seed, 1, part])
        given = {
            "doc_id": hexadecimal(names.integers(0, 2**63, (len(rows), 2), np.uint64)),
            "content_hash": hexadecimal(content[same[rows]]),
            "url": pa.array([f"https://host{n % 997}.example.org/pages/{seed}/{n}.html" for n in address[rows]]),
            "signature": _signatures(first[rows], same[rows], rows, seed),
            "source": pa.array(["web"] * len(rows)),
            "text": pa.array([None] * len(rows), pa.large_string()),
        }
        keys = hash_bands(given["signature"].reshape(-1, SignConfig().n_values), SignConfig())
        given["signature"] = _fixed(given["signature"])
        given["buckets"] = _fixed(keys)
        for name, declared in tables.items():
            _write(folder / name / f"part-{part:05}.parquet", name, declared, given, len(rows), rng)


def _plant(n: int, rng: np.random.Generator) -> np.ndarray:
    """The first of each document's cluster, (n,) int64; itself where it is in none, or is the first."""
    first = np.arange(n)
    members = rng.permutation(n)[: int(n * CLUSTERED)]
    cuts = np.cumsum(rng.integers(2, 9, len(members)))
    for cluster in np.split(members, cuts[cuts < len(members)]):
        first[cluster] = cluster.min()
    return first


def _signatures(first: np.ndarray, same: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """Signatures (n, values) uint64: a near copy's differ from the first's in about CHANGED of the values."""
    values = SignConfig().n_values
    columns = np.arange(values, dtype=np.uint64)
    own = splitmix64(rows.astype(np.uint64)[:, None] * np.uint64(values) + columns + np.uint64(seed << 40))
    shared = splitmix64(first.astype(np.uint64)[:, None] * np.uint64(values) + columns + np.uint64(seed << 40))
    different = (own % np.uint64(1000) < np.uint64(int(1000 * CHANGED))) & (same == rows)[:, None]
    different &= (first != rows)[:, None]
    return np.where(different, own, shared)


def hexadecimal(pairs: np.ndarray) -> pa.Array:
    """Numbers of 128 bits, (n, 2) uint64, as 32 hexadecimal characters each."""
    text = pairs.astype(">u8").tobytes().hex()
    return pa.array([text[place : place + 32] for place in range(0, len(text), 32)])


def _fixed(matrix: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def _write(path: Path, name: str, declared: Table, given: dict[str, Any], n: int, rng: np.random.Generator) -> None:
    """One part with the columns that are given, and generated ones for the rest."""
    if name != "documents":
        declared = with_doc_id(Table(_without_doc_id(declared.schema), declared.format, declared.group_rows))
    columns = [given.get(field.name) for field in declared.schema]
    made = [
        _values(field, n, rng) if column is None else column
        for field, column in zip(declared.schema, columns, strict=True)
    ]
    cast = [pc.cast(one, field.type) for one, field in zip(made, declared.schema, strict=True)]
    batch = pa.RecordBatch.from_arrays(cast, schema=declared.schema)
    with TableWriter(path, declared) as writer:
        writer.write(batch)


def _without_doc_id(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if field.name != "doc_id"])


def _values(field: pa.Field, n: int, rng: np.random.Generator) -> pa.Array:
    """Generated values of a column, by its type and name."""
    kind = field.type
    if pa.types.is_floating(kind):
        low, high = PLACES.get(field.name, (0, 0.05))
        return pa.array(rng.uniform(low, high, n).astype(np.float32))
    if pa.types.is_integer(kind):
        low, high = PLACES.get(field.name, (0, 100))
        return pa.array(rng.integers(int(low), int(high), n)).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array(rng.random(n) < 0.01)
    if pa.types.is_timestamp(kind):
        return pa.array(1_700_000_000_000_000 + rng.integers(0, 10**13, n), pa.int64()).cast(kind)
    if pa.types.is_map(kind) or pa.types.is_list(kind):
        return pa.array([[]] * n, kind)
    if pa.types.is_string(kind):
        return pa.array([field.name, "a", "b", "c"]).take(pa.array(rng.integers(0, 4, n)))
    return pa.nulls(n, kind)


def _deciding(folders: Sequence[Path], output: Path, duplicates: dict[str, Any]) -> Callable[[], int]:
    names = [path.name for path in sorted(folders[0].iterdir())]
    paths = {name: [str(path) for folder in folders for path in sorted((folder / name).iterdir())] for name in names}
    documents = paths.pop("documents")
    config = DecideConfig.model_validate({"duplicates": duplicates})

    def work() -> int:
        made = decide_documents(documents, paths, config, threads=2)
        with TableWriter(output, decide.tables_of(config)["part"]) as writer:
            for batch in made.to_batches():
                writer.write(batch)
        return made.num_rows

    return work


def defaults(folder: Path, output: Path) -> Callable[[], int]:
    """The recipe's defaults: exact and near."""
    return _deciding([folder / "known"], output, {})


def least_jaccard(folder: Path, output: Path) -> Callable[[], int]:
    """Pairs of a bucket only from an estimated Jaccard of 0.7 on."""
    return _deciding([folder / "known"], output, {"min_jaccard": 0.7})


def by_url(folder: Path, output: Path) -> Callable[[], int]:
    """Duplicates by canonical URL too, the longest stays."""
    return _deciding([folder / "known"], output, {"url": True, "keep": "longest"})


def one_more(folder: Path, output: Path) -> Callable[[], int]:
    """Known documents and a snapshot of new ones."""
    return _deciding([folder / "known", folder / "new"], output, {})


def simhashes(folder: Path, output: Path) -> Callable[[], int]:
    """All pairs within 3 bits among as many random simhashes as there are known documents."""
    n = sum(pq.read_metadata(path).num_rows for path in (folder / "known" / "sign").iterdir())
    values = np.random.default_rng(1).integers(0, 2**63, n, dtype=np.uint64)
    simhash_edges(values[:2], np.arange(2), 3)  # compiled before

    def work() -> int:
        simhash_edges(values, np.arange(n), 3)
        return n

    return work


def embeddings(folder: Path, output: Path) -> Callable[[], int]:
    """All pairs with a cosine of 0.9 among EMBEDDED random embeddings of 384 numbers."""
    values = np.random.default_rng(1).normal(size=(EMBEDDED, 384)).astype(np.float16)

    def work() -> int:
        semantic_edges(values, np.arange(EMBEDDED), 0.9)
        return EMBEDDED

    return work


WAYS = (defaults, least_jaccard, by_url, one_more, simhashes, embeddings)


def measure(folder: Path, way: str) -> dict[str, Any]:
    """One of WAYS in a process of its own: what `benchmarks.child` prints, and how many stay if it decides."""
    output = folder / f"decisions-{way}.parquet"
    command = [sys.executable, "-m", "benchmarks.child", "benchmarks.redecide", way, str(folder), str(output)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    if not output.exists():
        return json.loads(done.stdout)
    kept = int(pq.read_table(output, columns=["kept"]).column("kept").to_numpy().sum())
    return {**json.loads(done.stdout), "kept": kept}


def run(folder: Path, n: int, new: int, ways: Sequence[str]) -> None:
    """Write what is missing of the inputs, measure, print."""
    for name, rows, seed in (("known", n, 1), ("new", new, 2)):
        if not (folder / name).exists():
            write_inputs(folder / name, rows, seed)
    print(f"{n:,} known documents, {new:,} new ones")
    for way in ways:
        took = measure(folder, way)
        print(
            f"{way:14} {took['wall_seconds']:6.1f} s  {took['cpu_seconds']:6.1f} CPU s  "
            f"{took['peak_bytes'] / 2**30:5.2f} GiB  {took['units']:,} documents"
            + (f", {took['kept']:,} stay" if "kept" in took else "")
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000, help="known documents")
    parser.add_argument("--new", type=int, default=5_000, help="documents of the snapshot that comes to them")
    parser.add_argument("--folder", type=Path, help="where inputs are kept; they are written where there are none")
    parser.add_argument("--ways", nargs="*", default=[way.__name__ for way in WAYS], help="what is measured")
    given = parser.parse_args()
    if given.folder:
        run(given.folder, given.documents, given.new, given.ways)
        return
    with tempfile.TemporaryDirectory(prefix="gristmill-redecide-") as folder:
        run(Path(folder), given.documents, given.new, given.ways)


if __name__ == "__main__":
    main()
