"""Named points at which a test can kill the process for real, to prove that a commit is one atomic step.

`GRISTMILL_KILL_AT=shard.renamed:3` sends SIGKILL to the process the third time `reached("shard.renamed")` is called in
it. Without the variable a point costs one dictionary look-up.
"""

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def reached(point: str, stage: str = "") -> None:
    """Kill this process if `GRISTMILL_KILL_AT` names this point, bare or as `<stage>.<point>`."""
    wanted = os.environ.get("GRISTMILL_KILL_AT")
    if not wanted:
        return
    name, _, count = wanted.partition(":")
    if name not in (point, f"{stage}.{point}"):
        return
    _passed[name] += 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
