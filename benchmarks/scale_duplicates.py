"""Ten million documents through `decide`: `python -m benchmarks.scale_duplicates --documents 10000000`.

Writes generated documents as Parquet, with the columns that the stages before `decide` would have given them: ids,
dates, content hashes, signatures (14 bands of 8 values) with their bucket keys, shingles where they are asked for, and
a score. A fifth of the documents stand in planted clusters of 2 to 20, each a chain whose neighbours share one bucket
of one band, so that a cluster is only found by going through several. Then `decide_documents` decides on them, each way
in a process of its own:

- `spilled`: what duplicates are found by lies in files, whatever its size (GRISTMILL_DECIDE_MEMORY=0);
- `memory`: all of it in memory;
- `usual`: as a run does it, in memory or in files by its size;
- `verified`: spilled, and with `min_exact_jaccard` (`--shingles` writes what that compares).

Prints seconds, CPU seconds and peak memory; fails where a decision is not as planted, or one way's decisions are not,
byte for byte, the other's. Reading the inputs and writing the decisions is within the time. Ten million documents take
about 12 GB of disk.
"""

import argparse
import hashlib
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
import pyarrow.parquet as pq

from benchmarks.redecide import hexadecimal
from storage.hashing import splitmix64
from tasks.decide.duplicates.spilled import VARIABLE

BANDS, ROWS = 14, 8
PER_FILE, PER_GROUP = 1_000_000, 16_384
SHARE = 0.2
LARGEST = 20
SHINGLES = 16
"""Shingles of a document, of which all of a cluster share all but one."""
DAYS = 1000


def plant(documents: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clusters: for each document the one before it in its chain (-1: none), its place there, its cluster's number."""
    draw = np.random.default_rng(seed)
    members = draw.permutation(documents)[: int(SHARE * documents)]
    sizes = draw.integers(2, LARGEST, len(members) // 2 + 1, endpoint=True)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    starts = starts[starts < len(members)]
    cluster = np.zeros(len(members), dtype=np.int64)
    cluster[starts[1:]] = 1
    cluster = np.cumsum(cluster)
    place = np.arange(len(members)) - starts[cluster]
    before, places, number = np.full(documents, -1), np.zeros(documents, np.int64), np.arange(documents)
    before[members[1:]] = np.where(place[1:] > 0, members[:-1], -1)
    places[members] = place
    number[members] = documents + cluster
    return before, places, number


def write(folder: Path, documents: int, shingles: bool) -> None:
    """Write the inputs, PER_FILE documents a file; `planted.npy` has each document's cluster."""
    before, places, number = plant(documents)
    np.save(folder / "planted.npy", number)
    for name in ("documents", "quality", "sign"):
        (folder / name).mkdir(parents=True)
    for first in range(0, documents, PER_FILE):
        last = min(first + PER_FILE, documents)
        name = f"{first // PER_FILE:05d}.parquet"
        writers: dict[str, pq.ParquetWriter] = {}
        for start in range(first, last, PER_GROUP):
            rows = np.arange(start, min(start + PER_GROUP, last))
            cluster = number[rows] if shingles else None
            for stage, table in _tables(rows, before[rows], places[rows], cluster).items():
                if stage not in writers:
                    writers[stage] = pq.ParquetWriter(folder / stage / name, table.schema, use_dictionary=False)
                writers[stage].write_table(table)
        for writer in writers.values():
            writer.close()


def doc_ids(rows: np.ndarray) -> np.ndarray:
    """The 128 bits of each document's id, (n, 2) uint64: in another order than the files'."""
    return np.stack([splitmix64(rows.astype(np.uint64)), rows.astype(np.uint64)], axis=1)


def _tables(
    rows: np.ndarray, before: np.ndarray, places: np.ndarray, clusters: np.ndarray | None
) -> dict[str, pa.Table]:
    ids = hexadecimal(doc_ids(rows))
    values = _values(rows, BANDS * ROWS)
    linked = np.flatnonzero(before >= 0)
    # Neighbours of a chain share a bucket in another band than those before them: no bucket is of two clusters.
    band = (places[linked] - 1) % BANDS
    for column in range(ROWS):
        at = band * ROWS + column
        values[linked, at] = splitmix64((before[linked] * BANDS * ROWS + at).astype(np.uint64))
    from tasks.sign import SignConfig, hash_bands

    signed = {
        "doc_id": ids,
        "content_hash": hexadecimal(doc_ids(rows)[:, ::-1]),
        "signature": _fixed(values),
        "buckets": _fixed(hash_bands(values, SignConfig(bands=BANDS, rows=ROWS))),
    }
    if clusters is not None:
        own = _values(clusters + (1 << 40), SHINGLES)
        own[:, -1] = _values(rows + (1 << 41), 1)[:, 0]
        own.sort(axis=1)
        offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * SHINGLES)
        signed["shingles"] = pa.ListArray.from_arrays(offsets, pa.array(own.ravel()))
    day = (splitmix64(rows.astype(np.uint64) ^ np.uint64(77)) % np.uint64(DAYS)).astype(np.int64)
    known = {
        "doc_id": ids,
        "source": pa.array(["web"]).take(pa.array(np.zeros(len(rows), np.int8))),
        "capture_date": pa.array(day * 86_400_000_000, pa.timestamp("us", "UTC")),
    }
    quality = {"doc_id": ids, "n_words": pa.array((rows % 1000 + 50).astype(np.int32))}
    return {name: pa.table(columns) for name, columns in (("documents", known), ("quality", quality), ("sign", signed))}


def _values(rows: np.ndarray, width: int) -> np.ndarray:
    return splitmix64((rows[:, None] * width + np.arange(width)).astype(np.uint64))


def _fixed(matrix: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def _deciding(folder: Path, output: Path, limit: str | None, **duplicates: Any) -> Callable[[], int]:
    from storage.shards import TableWriter
    from tasks.decide.decisions import DECISIONS, decide_documents
    from tasks.decide.duplicates import kernels
    from tasks.decide.duplicates.spilled import Memory, memory_limit
    from tasks.decide.rules import DecideConfig

    assert kernels.find_roots is not None  # compiled before
    inputs = {one: [str(path) for path in sorted((folder / one).iterdir())] for one in ("documents", "quality", "sign")}
    rules = {"gopher": None, "repetition": None, "rules": {"short": "n_words < 50"}, "duplicates": duplicates}
    config = DecideConfig.model_validate(rules)
    if limit is not None:
        os.environ[VARIABLE] = limit
    memory = Memory(memory_limit(), folder)

    def work() -> int:
        annotations = {name: inputs[name] for name in ("quality", "sign")}
        made = decide_documents(inputs["documents"], annotations, config, memory=memory)
        with TableWriter(output, DECISIONS) as writer:
            for batch in made.to_batches():
                writer.write(batch)
        return made.num_rows

    return work


def spilled(folder: Path, output: Path) -> Callable[[], int]:
    """All evidence in files."""
    return _deciding(folder, output, "0")


def memory(folder: Path, output: Path) -> Callable[[], int]:
    """All evidence in memory."""
    return _deciding(folder, output, "1000GB")


def usual(folder: Path, output: Path) -> Callable[[], int]:
    """Evidence where the environment, or the default, has it."""
    return _deciding(folder, output, None)


def verified(folder: Path, output: Path) -> Callable[[], int]:
    """All evidence in files, and pairs compared by their shingles."""
    return _deciding(folder, output, "0", min_exact_jaccard=0.5)


WAYS = (usual, spilled, memory, verified)


def check(folder: Path, output: Path) -> int:
    """Compare decisions with what was planted; gives how many documents stay.

    Raises: SystemExit where a document is in another cluster, or another member of one stays than its first seen.
    """
    number = np.load(folder / "planted.npy")
    table = pq.read_table(output, columns=["doc_id", "kept", "cluster", "cluster_size"])
    rows = np.array([int(one, 16) & (1 << 64) - 1 for one in table.column("doc_id").to_pylist()])
    named = np.array([int(one, 16) & (1 << 64) - 1 for one in table.column("cluster").to_pylist()])
    kept, size = table.column("kept").to_numpy(), table.column("cluster_size").to_numpy()
    of = number[rows]
    _, first, cluster, counts = np.unique(of, return_index=True, return_inverse=True, return_counts=True)
    # Rows are in the order of doc_id: the first of a cluster names it; who stays was captured first, then is first.
    day = splitmix64(rows.astype(np.uint64) ^ np.uint64(77)) % np.uint64(DAYS)
    order = np.lexsort((np.arange(len(rows)), day, cluster))
    stays = np.zeros(len(rows), bool)
    stays[order[np.concatenate([[0], np.cumsum(counts)[:-1]])]] = True
    if not ((named == rows[first][cluster]).all() and (size == counts[cluster]).all() and (kept == stays).all()):
        raise SystemExit(f"{output.stem}: the decisions are not those that were planted.")
    return int(kept.sum())


def run(folder: Path, documents: int, ways: Sequence[str], shingles: bool) -> None:
    """Write the inputs, decide each way, compare, print."""
    write(folder, documents, shingles)
    size = sum(path.stat().st_size for path in folder.glob("*/*.parquet"))
    print(f"{documents:,} documents, {size / 2**30:.2f} GiB of ids, hashes, signatures and keys in Parquet", flush=True)
    digests = set()
    for way in ways:
        output = folder / f"{way}.parquet"
        command = [sys.executable, "-m", "benchmarks.child", "benchmarks.scale_duplicates", way, str(folder)]
        done = subprocess.run([*command, str(output)], check=True, stdout=subprocess.PIPE, text=True)
        took = json.loads(done.stdout)
        kept = check(folder, output)
        if way != "verified":  # which says the exact Jaccard of each copy
            digests.add(hashlib.sha256(output.read_bytes()).hexdigest())
        print(
            f"{way:8} {took['wall_seconds']:6.1f} s  {took['cpu_seconds']:6.1f} CPU s  "
            f"{took['peak_bytes'] / 2**30:5.2f} GiB  {kept:,} stay, as planted",
            flush=True,
        )
    if len(digests) > 1:
        raise SystemExit("The ways decide otherwise.")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--ways", nargs="*", choices=[way.__name__ for way in WAYS], default=["spilled", "memory"])
    parser.add_argument("--shingles", action="store_true", help="write shingles too, for `verified`")
    parser.add_argument("--folder", type=Path, help="where the temporary folder of inputs and spill is made")
    given = parser.parse_args()
    if "verified" in given.ways and not given.shingles:
        parser.error("verified compares shingles: give --shingles")
    with tempfile.TemporaryDirectory(prefix="gristmill-scale-", dir=given.folder) as folder:
        run(Path(folder), given.documents, given.ways, given.shingles)


if __name__ == "__main__":
    main()
