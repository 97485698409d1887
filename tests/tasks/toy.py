"""A documents stage for tests of the contract: each line of a text file is a record, and some records are vicious.

A line that starts with `!` is no document but a loss; `CRASH` kills its worker, `LOOP` never ends.
"""

import ctypes
import hashlib

import pyarrow as pa

from storage.artifact import Artifact
from storage.commit import ShardOutput
from storage.schemas.documents import DOCUMENTS, LOSSES
from storage.sources import locate
from tasks.executor import RecordDied, Watch
from tasks.run import current_run
from tasks.stage import Inputs, Shard, Stage, StageConfig


class LinesConfig(StageConfig):
    """Nothing to choose."""


def plan_lines(inputs: Inputs, config: LinesConfig) -> list[Shard]:
    """A shard for each file."""
    (snapshot,) = inputs["snapshot"]
    located = locate(current_run().lake, snapshot)
    return [
        Shard(number, row, row["bytes"], {"path": str(place.path)}, row["path"])
        for number, (row, place) in enumerate(located)
    ]


def parse(line: str) -> str:
    """The text of a line; vicious lines do what they say."""
    if line.startswith("CRASH"):
        ctypes.string_at(0)
    while line.startswith("LOOP"):
        pass
    return line


def read_lines(shard: Shard, config: LinesConfig, output: ShardOutput, watch: Watch) -> None:
    """One row for each line: a document, or a loss with its place."""
    offset = 0
    with open(shard.where["path"], "rb") as stream:
        for line in stream:
            place = {
                "source": shard.content["source"],
                "file": shard.content["path"],
                "file_sha256": shard.content["sha256"],
            }
            place |= {"space": "file", "offset": offset, "length": len(line)}
            text, reason = line.decode().strip(), None
            if text.startswith("!"):
                reason = "marked"
            else:
                try:
                    text = watch.guard(offset, parse, text)
                except RecordDied as died:
                    reason = died.death.reason
            offset += len(line)
            if reason:
                row = dict.fromkeys(LOSSES.schema.names) | place | {"reason": reason}
                output.write(pa.RecordBatch.from_pylist([row], schema=LOSSES.schema), "losses")
                continue
            doc_id = hashlib.sha256(
                f"{place['source']}\0{place['file_sha256']}\0{place['offset']}".encode()
            ).hexdigest()[:32]
            row = (
                dict.fromkeys(DOCUMENTS.schema.names)
                | place
                | {"doc_id": doc_id, "text": text, "text_bytes": len(text.encode())}
            )
            output.write(pa.RecordBatch.from_pylist([row], schema=DOCUMENTS.schema))
            watch.progress(offset)


lines = Stage(
    "lines", 1, "documents", LinesConfig, {"part": DOCUMENTS, "losses": LOSSES}, plan_lines, read_lines, unit="bytes"
)


def annotate(source_path: str) -> tuple[list[Artifact], list[Artifact]]:
    """Ingest a folder and run the per-document stages on each snapshot: (documents, annotations)."""
    from tasks.ingest import Source, ingest
    from tasks.language import LanguageConfig, identify_language
    from tasks.sign import SignConfig, sign

    documents = [lines(LinesConfig(), snapshot=snapshot) for snapshot in ingest(Source(name="toy", path=source_path))]
    signed = [sign(SignConfig(), documents=one) for one in documents]
    return documents, [*signed, *(identify_language(LanguageConfig(), documents=one) for one in documents)]
