"""Writers and collectors of one lake, killed at random: `python -m tests.acceptance.killed LAKE KILLS SEED`.

Each round forks a writer (commits of a small spine, a name moved on) and a collector, lets them work a moment, kills
both and looks at what they left; prints one line of JSON a round. They are forked, so that no round waits for imports.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable

from storage import gc, names
from storage.catalog.holds import Hold
from storage.catalog.verify import verify
from storage.lake import Lake
from tests.storage.small import spine

LONGEST = 0.1
"""Seconds until a kill, at most, after the writer has made so many versions as were drawn."""


def write(root: str, version: int, acknowledge: Callable[[int], None]) -> None:
    """Make version after version of a corpus, as runs do, and tell of each whose name has moved."""
    while True:
        lake = Lake(root)
        lake.hold = Hold(lake.root)
        names.assign(lake, "news/corpus", spine(lake, version)["corpus"])
        acknowledge(version)
        lake.hold.release()
        version += 1


def collect(root: str) -> None:
    """Collect again and again."""
    while True:
        gc.collect(Lake(root), gc.Keeping(runs=0, staging_days=0))


def in_child(work: Callable[[], object]) -> int:
    """Do this in a forked process until it is killed; gives its id. An error ends it with its traceback."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def end(child: int) -> int:
    """Kill a child; gives the signal that ended it, 0 if it had ended by itself."""
    os.kill(child, signal.SIGKILL)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main(root: str, kills: int, seed: int) -> None:
    """Kill so many processes, two a round."""
    draw, lake, version = random.Random(seed), Lake(root), 0
    for _ in range(kills // 2):
        reader, writer = os.pipe()

        def acknowledge(done: int, writer: int = writer) -> None:
            os.write(writer, f"{done}\n".encode())

        children = [
            in_child(lambda first=version, say=acknowledge: write(root, first, say)),
            in_child(lambda: collect(root)),
        ]
        os.close(writer)
        with open(reader) as said:
            # by versions first, so that a busy machine is met at work too
            acknowledged = [int(said.readline()) for _ in range(draw.randint(0, 2))]
            time.sleep(draw.uniform(0, LONGEST))
            signals = [end(child) for child in draw.sample(children, 2)]
            acknowledged += [int(line) for line in said]
        found = verify(lake)
        history = [number for number, _, _ in names.history(lake, "news/corpus")]
        about = {"signals": signals, "acknowledged": acknowledged, "history": history, "trash": found.in_trash}
        staging = any(True for _ in lake.root.glob("*/.staging/*.work"))
        unregistered = found.artifacts - len(lake.artifacts())
        about |= {"damages": [str(one) for one in found.damages], "staging": staging, "unregistered": unregistered}
        print(json.dumps(about), flush=True)
        version = acknowledged[-1] + 1 if acknowledged else version


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
