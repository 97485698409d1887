"""What has no peer to stand beside: commands of this folder whose output goes into benchmarks/README.md as it is.

Each generates its own input from a seed, so that it needs neither real data nor peers.
"""

import subprocess
import sys
from dataclasses import dataclass

from benchmarks.harness import REPOSITORY


@dataclass(frozen=True)
class Figure:
    """A section of the results: what is asked for, and the commands whose output shows what is."""

    title: str
    notes: str
    commands: tuple[str, ...]
    table: bool = False
    """Whether they print Markdown."""

    def section(self) -> str:
        """Run the commands; gives the section in Markdown. Raises: CalledProcessError where one fails."""
        return "\n\n".join([f"## {self.title}", self.notes, *map(self._shown, self.commands)])

    def _shown(self, command: str) -> str:
        words = [sys.executable, "-m", *command.split()]
        said = subprocess.run(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        return f"`python -m {command}`\n\n{said if self.table else f'```{chr(10)}{said}{chr(10)}```'}"


FIGURES = {
    "catalog": Figure(
        "A lake of ten thousand artifacts",
        "A list in under a second is asked for. The fastest of a few calls, a command as a process of its own.",
        ("benchmarks.catalog --artifacts 10000",),
        table=True,
    ),
    "redecide": Figure(
        "Deciding again",
        "On a million documents with every column of every annotation, a fifth of them in planted clusters, with 5,000 "
        "new ones beside them too: under 10 s each are asked for, in under 4 GB. The columns are wall seconds, CPU "
        "seconds and peak memory; reading and writing counted.",
        ("benchmarks.redecide --documents 1000000 --new 5000",),
    ),
    "scale_duplicates": Figure(
        "Duplicates of a million and of ten million",
        "Clusters are compared with those that were planted; where both are run, what spills to the disk is compared "
        "with what does not, byte for byte. Under 4 GB are asked for at a million.",
        (
            "benchmarks.scale_duplicates --documents 1000000 --ways usual spilled memory",
            "benchmarks.scale_duplicates --documents 10000000 --ways usual",
        ),
    ),
    "whatif": Figure(
        "What-if on a million documents",
        "By rules under 3 s, with clusters under 10 s are asked for. Each question is a process of its own, imports "
        "counted. The columns are wall seconds, CPU seconds and peak memory.",
        ("benchmarks.whatif --documents 1000000",),
    ),
}
