"""Near duplicates among ten million documents: `python -m benchmarks.scale_duplicates --documents 10000000`.

Writes bucket keys of generated documents as Parquet, as the stage `sign` would have them: a fifth of the documents
stands in planted clusters of 2 to 20, each a chain whose neighbours share one bucket of one band, so that a cluster is
only found by going through several; all other keys are different. Then finds the components, each way in a process of
its own: with the keys spilled to disk (`spilled`), and with the whole table in memory as `decide` has it (`memory`).
Prints seconds, CPU seconds and peak memory, and fails where the components are not the planted ones. Each of the ways
reads the Parquet files within its time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.hashing import splitmix64
from tasks.decide.signatures import SignatureFiles

BANDS = 14
PER_FILE, PER_GROUP = 1_000_000, 65_536
SHARE = 0.2
LARGEST = 20


def plant(documents: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clusters: for each document the one before it in its chain (-1: none), its place there, its smallest member."""
    draw = np.random.default_rng(seed)
    members = draw.permutation(documents)[: int(SHARE * documents)]
    sizes = draw.integers(2, LARGEST, len(members) // 2 + 1, endpoint=True)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    starts = starts[starts < len(members)]
    cluster = np.zeros(len(members), dtype=np.int64)
    cluster[starts[1:]] = 1
    cluster = np.cumsum(cluster)
    place = np.arange(len(members)) - starts[cluster]
    before, places, smallest = np.full(documents, -1), np.zeros(documents, np.int64), np.arange(documents)
    before[members[1:]] = np.where(place[1:] > 0, members[:-1], -1)
    places[members] = place
    smallest[members] = np.minimum.reduceat(members, starts)[cluster] if len(members) else members
    return before, places, smallest


def write(folder: Path, documents: int) -> None:
    """Write the bucket keys, PER_FILE documents a file, and `planted.npy` with each document's smallest fellow."""
    before, places, smallest = plant(documents)
    np.save(folder / "planted.npy", smallest)
    kind = pa.list_(pa.uint64(), BANDS)
    for first in range(0, documents, PER_FILE):
        last = min(first + PER_FILE, documents)
        with pq.ParquetWriter(
            folder / f"{first // PER_FILE:05d}.parquet", pa.schema([("buckets", kind)]), use_dictionary=False
        ) as writer:
            for start in range(first, last, PER_GROUP):
                rows = np.arange(start, min(start + PER_GROUP, last))
                keys = splitmix64((rows[:, None] * BANDS + np.arange(BANDS)).astype(np.uint64))
                linked = np.flatnonzero(before[rows] >= 0)
                # Neighbours of a chain share a bucket in another band than those before them: no key is taken twice.
                band = (places[rows[linked]] - 1) % BANDS
                keys[linked, band] = splitmix64((before[rows[linked]] * BANDS + band).astype(np.uint64))
                lists = pa.FixedSizeListArray.from_arrays(pa.array(keys.ravel()), BANDS)
                writer.write_table(pa.table({"buckets": lists.cast(kind)}))


def _files(folder: Path) -> SignatureFiles:
    return SignatureFiles([str(path) for path in sorted(folder.glob("*.parquet"))])


def spilled(folder: Path, output: Path) -> Callable[[], int]:
    """The keys through a file, one band in memory."""
    from tasks.decide.duplicates.spilled import spilled_components

    files = _files(folder)
    nothing = np.zeros((0, BANDS), np.uint64), np.zeros(0, bool)
    spilled_components([nothing], 0, BANDS)  # compiled before

    def work() -> int:
        n = int(files.starts[-1])
        np.save(output, spilled_components(files.bucket_batches(), n, BANDS, folder))
        return n

    return work


def memory(folder: Path, output: Path) -> Callable[[], int]:
    """The whole table of keys in memory, and the edges of all bands."""
    from tasks.decide.duplicates.near import components, near_edges

    files = _files(folder)

    def work() -> int:
        places = np.arange(files.starts[-1])
        keys, _ = files.buckets(places)
        label = components(len(places), *near_edges(keys, places, None))
        smallest = np.full(len(places), len(places))
        np.minimum.at(smallest, label, places)
        np.save(output, smallest[label])
        return len(places)

    return work


WAYS = (spilled, memory)


def run(folder: Path, documents: int, ways: Sequence[str]) -> None:
    """Write the inputs, find the components each way, compare, print."""
    write(folder, documents)
    planted = np.load(folder / "planted.npy")
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    clusters = int((np.bincount(planted, minlength=documents) > 1).sum())
    print(f"{documents:,} documents, {clusters:,} planted clusters, {size / 2**30:.2f} GiB of bucket keys in Parquet")
    for way in ways:
        output = folder / f"{way}.npy"
        command = [sys.executable, "-m", "benchmarks.child", "benchmarks.scale_duplicates", way, str(folder)]
        done = subprocess.run([*command, str(output)], check=True, stdout=subprocess.PIPE, text=True)
        took = json.loads(done.stdout)
        if not np.array_equal(np.load(output), planted):
            raise SystemExit(f"{way}: the components found are not the planted clusters.")
        print(
            f"{way:8} {took['wall_seconds']:6.1f} s  {took['cpu_seconds']:6.1f} CPU s  "
            f"{took['peak_bytes'] / 2**30:5.2f} GiB  the planted clusters, all of them",
            flush=True,
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--ways", nargs="*", choices=[way.__name__ for way in WAYS], default=["spilled", "memory"])
    parser.add_argument("--folder", type=Path, help="where the temporary folder of inputs and spill is made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gristmill-scale-", dir=given.folder) as folder:
        run(Path(folder), given.documents, given.ways)


if __name__ == "__main__":
    main()
