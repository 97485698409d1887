"""Two refreshes of one lake at the same time, with no server that would let one wait: both end, with one corpus."""

import multiprocessing
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

from storage import names
from storage.lake import Lake
from tests.acceptance.way import contents
from tests.flows.growing import add, grow, grow_in, write_files


def refresh_twice(folder: Path, lake: Path, files: list[Path], barrier: Barrier) -> None:
    """What one of the processes does, in step with the other: a refresh, and another when more files have come."""
    for path in files:
        barrier.wait(120)
        add([path], folder / "pages")  # the other one puts the same bytes there
        barrier.wait(120)
        grow(folder, lake)
    sys.exit(0)


def test_two_refreshes_at_once_end_with_one_corpus_and_one_history(tmp_path: Path):
    files = write_files(tmp_path / "files", 2)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    given = tmp_path / "both", tmp_path / "both" / "lake", files, barrier
    both = [context.Process(target=refresh_twice, args=given) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(280)
    assert [process.exitcode for process in both] == [0, 0]
    lake = Lake(tmp_path / "both" / "lake")
    history = names.history(lake, "growing/corpus")
    assert [number for number, _, _ in history] == [1, 2]
    assert [one for _, one, _ in history] == lake.artifacts("compose")
    assert [one.rows() for one in lake.artifacts("ingest")] == [1, 1]
    assert not list(lake.root.glob("*/.staging/*.work"))
    # the same artifacts as one refresh after the other leaves, byte for byte
    grow_in(tmp_path / "alone", [[path] for path in files])
    assert contents(lake.root) == contents(tmp_path / "alone" / "lake")
