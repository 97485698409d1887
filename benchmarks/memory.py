"""Peak memory of one worker over a WARC of any size: `python -m benchmarks.memory --gigabytes 10`.

Writes an archive of that decoded size into a temporary folder (gzip members of a few generated pages, over and over:
cheap to write, and small on the disk), then, in a process of its own each, reads it to its end and drops the records,
and extracts a part of it through the stage's readers, as a worker does. Prints for each: records, seconds, and the
process's peak memory.
"""

import argparse
import gzip
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tasks.extract.archive import Record, read_archive
from tasks.extract.config import ExtractConfig
from tasks.extract.dispatch import read_file

PAGES = 64
MEAN_BYTES = 256 << 10
"""Bytes of a page, on average: that of a large one, so that few records make a large archive."""
WORDS = ("mill", "river", "stone", "grain", "wheel", "water", "rye", "wheat", "flour", "sack", "miller", "weir")


def write_archive(path: Path, decoded_bytes: int) -> int:
    """A WARC of about so many bytes once decoded; the number of its records."""
    numbers = random.Random(1)
    members, sizes = [], []
    for number in range(PAGES):
        record = _record(number, _page(number, numbers))
        members.append(gzip.compress(record, 6, mtime=0))
        sizes.append(len(record))
    written = records = 0
    with path.open("wb") as file:
        while written < decoded_bytes:
            file.write(members[records % PAGES])
            written += sizes[records % PAGES]
            records += 1
    return records


def _page(number: int, numbers: random.Random) -> bytes:
    paragraphs = []
    left = int(MEAN_BYTES * numbers.uniform(0.1, 1.9))
    while left > 0:
        paragraph = f"<p>{' '.join(numbers.choices(WORDS, k=60)).capitalize()}.</p>\n"
        paragraphs.append(paragraph)
        left -= len(paragraph)
    title = f"<title>Page {number}</title>"
    return f"<html><head>{title}</head><body><article>{''.join(paragraphs)}</article></body></html>".encode()


def _record(number: int, body: bytes) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
    fields = (
        f"WARC-Type: response\r\nWARC-Target-URI: http://example.org/{number}\r\nWARC-Date: 2024-05-06T07:08:09Z\r\n"
    )
    fields += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n"
    return f"WARC/1.0\r\n{fields}\r\n".encode() + block + b"\r\n\r\n"


def measure(path: Path, what: str, most_records: int) -> dict[str, float]:
    """In this process: read (`what` is "read") or extract (at most so many) records. What it took."""
    started, records, decoded = time.perf_counter(), 0, 0
    if what == "read":
        for item in read_archive(path):
            records += 1
            decoded += len(item.payload) if isinstance(item, Record) else 0
    else:
        for row in read_file(path, ExtractConfig()):
            records += 1
            decoded += row.length
            if records >= most_records:
                break
    seconds = time.perf_counter() - started
    return {"records": records, "bytes": decoded, "seconds": seconds, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """The largest memory of this process. (`ru_maxrss` would do, but on Linux a child's begins at its parent's.)"""
    status = Path("/proc/self/status")
    if status.exists() and (line := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(line[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure_apart(path: Path, what: str, most_records: int) -> dict[str, float]:
    """The same in a process of its own, whose peak is its own."""
    command = [sys.executable, "-m", "benchmarks.memory", "--measure", what, str(path), str(most_records)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Read the command line, write the archive, measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=10.0, help="decoded size of the archive")
    parser.add_argument("--extract", type=int, default=1000, help="records that are extracted")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        path, what, most = Path(chosen.measure[1]), chosen.measure[0], int(chosen.measure[2])
        print(json.dumps(measure(path, what, most)))
        return
    with tempfile.TemporaryDirectory(prefix="gristmill-memory-") as folder:
        path = Path(folder) / "large.warc.gz"
        records = write_archive(path, int(chosen.gigabytes * 1e9))
        print(f"{chosen.gigabytes:g} GB decoded, {path.stat().st_size / 1e9:.2f} GB on the disk, {records:,} records")
        print("| what | records | seconds | peak memory |\n|---|---|---|---|")
        for what, name in (("read", "read and dropped"), ("extract", "extracted")):
            took = measure_apart(path, what, chosen.extract)
            print(f"| {name} | {took['records']:,} | {took['seconds']:,.0f} | {took['peak_bytes'] / 1e6:,.0f} MB |")


if __name__ == "__main__":
    main()
