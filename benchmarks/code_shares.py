"""Shares of code in texts that are known to be code or prose: the figures of docs/language.md.

GRISTMILL_TEST_DATA=… python -m benchmarks.code_shares
"""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.textforms import code_shares

SETS = {"code": ("cpython-lib",), "laws and books": ("gesetze", "standardebooks")}
QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)


def shares(name: str) -> np.ndarray:
    """The share of code in each text of a set."""
    content = gzip.decompress((Path(os.environ["GRISTMILL_TEST_DATA"]) / "text" / f"{name}.jsonl.gz").read_bytes())
    return code_shares(pa.array([json.loads(line)["text"] for line in content.decode().split("\n") if line]))


def main() -> None:
    """Print quantiles of the shares by set."""
    print("| set | texts |", " | ".join(f"{share:.0%} below" for share in QUANTILES), "|")
    print("|---|---|" + "---|" * len(QUANTILES))
    for what, names in SETS.items():
        found = np.concatenate([shares(name) for name in names])
        cells = " | ".join(f"{value:.2f}" for value in np.quantile(found, QUANTILES))
        print(f"| {what} | {len(found)} | {cells} |")


if __name__ == "__main__":
    main()
