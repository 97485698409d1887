"""Forgetting and collecting, killed at random: `python -m tests.acceptance.killed_forget LAKE KILLS SEED URL…`

Each round forks one process that forgets the next URL and one that collects again and again, lets them work a moment,
kills both and looks at what they left; prints one line of JSON a round. The next URL's turn comes when
the forgetting of one had ended. Ends after so many kills, or when all URLs are forgotten.
"""

import contextlib
import json
import os
import random
import sys
import time
from collections.abc import Callable

from flows.forget import forget
from storage import gc, names
from storage.artifact import Artifact
from storage.catalog.superseded import all_superseded
from storage.catalog.verify import verify
from storage.forget.tombstones import all_tombstones, parse
from storage.lake import Lake
from tests.acceptance.killed import end, in_child


def forgets(root: str, url: str, acknowledge: Callable[[], None]) -> None:
    """Forget one page, tell of it, and wait to be killed."""
    forget(Lake(root), [parse(url)], workers=0)
    acknowledge()
    time.sleep(60)


def collect(root: str) -> None:
    """Collect again and again, but while forgetting goes on."""
    while True:
        with contextlib.suppress(gc.InUse):
            gc.collect(Lake(root), gc.Keeping(runs=0, staging_days=0))
        time.sleep(0.02)


def main(root: str, kills: int, seed: int, urls: list[str]) -> None:
    """Kill so many processes, two a round."""
    draw, lake, waiting, longest = random.Random(seed), Lake(root), list(urls), 0.5
    for _ in range(kills // 2):
        if not waiting:
            break
        reader, writer = os.pipe()
        began = time.monotonic()
        children = [
            in_child(lambda url=waiting[0], end=writer: forgets(root, url, lambda: os.write(end, b"done"))),
            in_child(lambda: collect(root)),
        ]
        os.close(writer)
        os.set_blocking(reader, False)
        until, said = began + draw.uniform(0, longest), b""
        while time.monotonic() < until and not said:
            time.sleep(0.005)
            said = _read(reader)
        signals = [end(child) for child in draw.sample(children, 2)]
        said = said or _read(reader)
        os.close(reader)
        # what is drawn reaches from nothing to a little more than the work takes on this machine now
        longest = max(0.5, (time.monotonic() - began) * 1.2) if said else longest * 1.3
        found, corpus = verify(lake), names.latest(lake, "mill/corpus")
        assert corpus is not None
        about = {"signals": signals, "url": waiting[0], "acknowledged": bool(said), "trash": found.in_trash}
        about |= {"damages": [str(one) for one in found.damages], "corpus": corpus.fingerprint}
        decisions = corpus.input("decisions")
        read = [_standing(lake, one) for one in decisions.inputs("documents")]
        about |= {"documents": sum(one.rows() for one in read), "decided": decisions.rows()}
        about |= {"staging": any(True for _ in lake.root.glob("*/.staging/*.work"))}
        about |= {"buried": parse(waiting[0]) in all_tombstones(lake)}
        print(json.dumps(about), flush=True)
        if said:
            del waiting[0]


def _standing(lake: Lake, read: Artifact) -> Artifact:
    """What a corpus was decided on; or, where `gc` came between two forgettings, what stands for that now."""
    superseded = all_superseded(lake)
    while not read.exists:
        successor = superseded[read].successor
        assert successor is not None
        read = successor
    return read


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 16)
    except BlockingIOError:
        return b""


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
