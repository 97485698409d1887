"""One run of one contestant in a process of its own: set-up, then the work that is timed. Standard library alone.

`python -m benchmarks.child MODULE FUNCTION FOLDER OUTPUT`: the function gets the folder of the inputs and the path for
its output, does what does not count (imports, models, reading inputs into memory), and gives a function that does the
work and returns how many units it did. Prints a line of JSON: units, CPU seconds of the work (this process and its
children), wall seconds, peak memory in bytes.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path


def _cpu_seconds() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def _peak_bytes() -> int:
    """Peak memory of this program, as Linux counts it: `ru_maxrss` begins with that of the process it came from."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(module: str, function: str, folder: str, output: str) -> None:
    """Run it and print what it took."""
    work = getattr(importlib.import_module(module), function)(Path(folder), Path(output))
    cpu, wall = _cpu_seconds(), time.perf_counter()
    units = work()
    took = {"cpu_seconds": _cpu_seconds() - cpu, "wall_seconds": time.perf_counter() - wall}
    print(json.dumps({"units": units, **took, "peak_bytes": _peak_bytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
