"""Tiny artifacts for tests of the catalog: some numbers each, made of whatever they are told."""

import time
from collections.abc import Sequence

import pyarrow as pa

from storage import runs
from storage.artifact import Artifact, Identity, Input
from storage.commit import stage_artifact
from storage.lake import Lake
from storage.table import column, table

NUMBERS = table(
    column("doc_id", pa.string(), "An id."),
    column("text", pa.string(), "A word."),
    column("n", pa.int64(), "A number."),
)
ROLES = {"annotation": "annotations"}
"""What an artifact of a kind is used as, where it is not called like the kind."""


def make(
    lake: Lake, stage: str, inputs: Sequence[Artifact] = (), kind: str | None = None, rows: int = 10, **config: object
) -> Artifact:
    """An artifact of one part; the one that is there if it is."""
    roles = [ROLES.get(one.manifest.kind, one.manifest.kind) for one in inputs]
    listed = tuple(
        Input(role=role, stage=one.stage, fingerprint=one.fingerprint) for role, one in zip(roles, inputs, strict=True)
    )
    wanted = Identity(stage=stage, version=1, config=config, inputs=listed)
    if found := lake.find(wanted):
        return found
    with stage_artifact(lake, wanted, kind or stage, lambda said: None) as staging:
        if isinstance(staging, Artifact):
            return staging
        output = staging.output(0, "key", {"part": NUMBERS})
        written = [{"doc_id": f"{number:032x}", "text": "grist", "n": number} for number in range(rows)]
        output.write(pa.RecordBatch.from_pylist(written, schema=NUMBERS.schema))
        return staging.commit([output.finish()], {})


def spine(lake: Lake, version: int) -> dict[str, Artifact]:
    """One snapshot (always the same), its documents, scores, decisions of this version and their corpus."""
    snapshot = make(lake, "ingest", kind="snapshot", source="pages", holds="documents", license=None)
    documents = make(lake, "extract", [snapshot], "documents")
    scores = make(lake, "language", [documents], "annotation")
    decisions = make(lake, "decide", [documents, scores], "decisions", limit=version)
    corpus = make(lake, "compose", [decisions, documents], "corpus")
    return {"snapshot": snapshot, "documents": documents, "scores": scores, "decisions": decisions, "corpus": corpus}


def ran(lake: Lake, run: str, artifacts: Sequence[Artifact]) -> None:
    """A run that is over, which used these artifacts."""
    runs.start(lake, run, "test", {}, "unknown")
    runs.end(lake, run, "completed", None, list(artifacts), {})
    time.sleep(0.002)
