"""What a lake of many artifacts costs: `python -m benchmarks.catalog --artifacts 10000`.

A lake is generated: snapshots of one row, read and scored by five stages, a corpus now and then. Timed are the command
`gristmill artifacts` as a process, as a person waits for it, and what a run does for each stage.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from storage import gc, names
from storage.artifact import Artifact, Identity, Input, Manifest, Part
from storage.files import write_json
from storage.lake import Lake

ANNOTATIONS = ("language", "quality", "sign", "urls")


def generate(root: Path, artifacts: int) -> Lake:
    """A lake with so many manifests, whose parts are empty files, and a registry made from them."""
    lake, made, after = Lake(root), 0, 0.0

    def put(stage: str, kind: str, inputs: dict[str, Artifact], **config: object) -> Artifact:
        nonlocal made, after
        listed = tuple(Input(role=role, stage=one.stage, fingerprint=one.fingerprint) for role, one in inputs.items())
        identity = Identity(stage=stage, version=1, config={"limit": 1, "model": "lid", **config}, inputs=listed)
        artifact = Artifact(lake=str(lake.root), stage=stage, fingerprint=identity.fingerprint)
        part = Part(name="part-00000.parquet", table="part", shard=0, rows=1, bytes=0, sha256="e3b0c442")
        manifest = Manifest(fingerprint=identity.fingerprint, kind=kind, identity=identity, parts=(part,))
        artifact.folder.mkdir(parents=True)
        (artifact.folder / part.name).touch()
        (artifact.folder / "manifest.json").write_text(manifest.model_dump_json())
        (artifact.folder / "provenance.json").write_text(f'{{"ended": {after}}}')
        made, after = made + 1, after + 1
        return artifact

    number = 0
    while made < artifacts:
        snapshot = put("ingest", "snapshot", {}, source="pages", holds="documents", license=None, files=str(number))
        documents = put("extract", "documents", {"snapshot": snapshot})
        scored = [put(stage, "annotation", {"documents": documents}) for stage in ANNOTATIONS]
        if number % 10 == 0:
            decisions = put("decide", "decisions", {"documents": documents, "annotations": scored[-1]})
            names.assign(lake, "pages/corpus", put("compose", "corpus", {"decisions": decisions}))
        number += 1
    write_json(lake.root / "runs" / "run-1" / "started.json", _run())
    lake.registry.rebuild()
    return lake


def _run() -> dict[str, object]:
    about = {"run": "run-1", "flow": "refresh", "parameters": {}, "code": "", "started": 0.0}
    return about | {"host": "elsewhere", "process": 1}


def timed(times: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of so many calls."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return min(spent)


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--artifacts", type=int, default=10_000)
    wanted = parser.parse_args().artifacts
    with tempfile.TemporaryDirectory() as folder:
        lake = generate(Path(folder) / "lake", wanted)
        command = [sys.executable, "-m", "flows.cli"]

        def call(*words: str) -> None:
            around = os.environ | {"GRISTMILL_LAKE": str(lake.root)}
            subprocess.run([*command, *words], env=around, stdout=subprocess.DEVNULL, check=True)

        (newest,) = lake.artifacts("compose")[-1:]
        known = lake.artifacts("language")[0].manifest.identity
        unknown = known.model_copy(update={"config": {"limit": 2, "model": "lid"}})
        rows = [
            ("`gristmill --help`, the floor of any command", timed(5, lambda: call("--help"))),
            ("`gristmill artifacts`", timed(5, lambda: call("artifacts"))),
            ("`gristmill artifacts --format csv`", timed(5, lambda: call("artifacts", "--format", "csv"))),
            ("the listing alone: every row of the registry, every name", timed(5, lambda: _list(lake))),
            ("a stage finds its artifact (`lake.find`)", timed(20, lambda: lake.find(known))),
            ("a stage says what differs (`lake.differences`)", timed(5, lambda: lake.differences(unknown))),
            ("ingest looks for unregistered snapshots (`lake.adopt`)", timed(5, lambda: lake.adopt("ingest"))),
            ("is anything made from a snapshot (`registry.is_used`)", timed(20, lambda: _used(lake, newest))),
            ("`gc`: what would go", timed(3, lambda: gc.plan(lake))),
        ]
        print(f"A lake of {len(lake.registry.rows()):,} artifacts:\n")
        print("| what | seconds |\n|---|---:|")
        for what, seconds in rows:
            print(f"| {what} | {seconds:.4f} |")


def _list(lake: Lake) -> object:
    from storage.index import list_artifacts

    return list_artifacts(lake)


def _used(lake: Lake, artifact: Artifact) -> bool:
    return lake.registry.is_used(artifact.fingerprint)


if __name__ == "__main__":
    main()
