"""Runs of the command line, as a person would start them, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "flows.cli"]
ROOT = Path(__file__).resolve().parents[2]


def gristmill(
    *words: str, lake: Path, timeout: float = 280, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `gristmill WORDS` with this lake, from the repository's root; the output is text."""
    around = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    around |= {"GRISTMILL_LAKE": str(lake), "COLUMNS": "200"} | (environment or {})
    return subprocess.run(
        [*COMMAND, *words],
        cwd=ROOT,
        env=around,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
