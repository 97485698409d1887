"""What a what-if takes at scale: `python -m benchmarks.whatif --documents 1000000`.

A lake of so many documents with every column of every annotation, generated as by `benchmarks.redecide`, is decided on
by the defaults. Then the command `gristmill whatif` asks it, each question in a process of its own, as a person would:
imports and reading counted. Prints for each: wall seconds, CPU seconds, peak memory. Nothing is asserted.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.redecide import write_inputs
from storage.artifact import MAIN_TABLE, Artifact, Identity, Input, Part
from storage.commit import ShardRecord, stage_artifact
from storage.files import sha256_file
from storage.lake import Lake
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.run import running

LOWER, HIGHER = "decide.gopher.min_words=47", "decide.gopher.min_words=53"
QUESTIONS = {
    "one dial lower, by rules": ["--set", LOWER, "--no-clusters", "--samples", "0"],
    "the same, with samples": ["--set", LOWER, "--no-clusters"],
    "a predicate, by rules": [
        "--where",
        "n_words > 60 and language_probability > 0.8",
        "--no-clusters",
        "--samples",
        "0",
    ],
    "a curve of 20 points": ["--curve", "decide.gopher.min_words=46:65:1"],
    "20 points, with clusters": ["--curve", "decide.gopher.min_words=46:65:1", "--clusters"],
    "one dial lower, with clusters": ["--set", LOWER, "--samples", "0"],
    "one dial higher, with clusters": ["--set", HIGHER, "--samples", "0"],
    "three dials, with clusters": [
        *("--set", LOWER),
        *("--set", "decide.language.min_probability=0.72"),
        *("--set", "decide.repetition.max_top_2gram_character_share=0.04"),
        *("--samples", "0"),
    ],
}


def make_lake(folder: Path, documents: int) -> Artifact:
    """A lake with decisions on generated documents; the one that an earlier call made, if it is there."""
    lake = Lake(folder / "lake")
    made = lake.artifacts(kind="decisions")
    if made:
        return made[0]
    write_inputs(folder / "known", documents, 1)
    extracted = _adopt(lake, folder / "known" / "documents", "extract", "documents", [])
    given = [Input(role="documents", stage="extract", fingerprint=extracted.fingerprint)]
    annotations = [
        _adopt(lake, path, path.name, "annotation", given)
        for path in sorted((folder / "known").iterdir())
        if path.name != "documents"
    ]
    with running(lake, "benchmark", workers=0, quiet=True):
        return decide(DecideConfig(), documents=extracted, annotations=annotations)


def _adopt(lake: Lake, folder: Path, stage: str, kind: str, inputs: list[Input]) -> Artifact:
    """An artifact of the generated files of a stage."""
    import pyarrow.parquet as pq

    identity = Identity(stage=stage, version=1, config={"generated": True}, inputs=tuple(inputs))
    with stage_artifact(lake, identity, kind, print) as staging:
        assert not isinstance(staging, Artifact)
        records = []
        for number, path in enumerate(sorted(folder.iterdir())):
            target = path.rename(staging.folder / path.name)
            rows = pq.read_metadata(target).num_rows
            digest = sha256_file(target)
            size = target.stat().st_size
            part = Part(name=path.name, table=MAIN_TABLE, shard=number, rows=rows, bytes=size, sha256=digest)
            records.append(ShardRecord(shard=number, key=str(number), parts=[part]))
        return staging.commit(records, {})


def measure(decisions: Artifact, arguments: list[str]) -> str:
    """Ask one question in a process of its own; a line on what it took."""
    command = [sys.executable, "-m", "flows.cli", "whatif", decisions.fingerprint, "--lake", decisions.lake, *arguments]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"GRISTMILL_PREPARED": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return _line(time.monotonic() - started, usage)


def _line(seconds: float, usage: resource.struct_rusage) -> str:
    cpu = usage.ru_utime + usage.ru_stime
    return f"{seconds:6.1f} s  {cpu:6.1f} CPU s  {usage.ru_maxrss / 2**20:5.2f} GiB"


def run(folder: Path, documents: int, only: str) -> None:
    """Make the lake, ask, print."""
    decisions = make_lake(folder, documents)
    print(f"{documents:,} documents in {decisions}")
    for name, arguments in QUESTIONS.items():
        if only in name:
            print(f"{name:32} {measure(decisions, arguments)}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the lake is kept; it is made where there is none")
    parser.add_argument("--only", default="", help="only questions whose name holds this")
    given = parser.parse_args()
    if given.folder:
        run(given.folder, given.documents, given.only)
        return
    with tempfile.TemporaryDirectory(prefix="gristmill-whatif-") as folder:
        run(Path(folder), given.documents, given.only)


if __name__ == "__main__":
    main()
