"""Artifacts made straight from rows: what tests give a stage in place of what those before it would have made."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from storage.artifact import Artifact, Identity, Input
from storage.commit import stage_artifact
from storage.lake import Lake
from storage.table import Table


def fill(rows: Sequence[dict], declared: Table) -> pa.RecordBatch:
    """The rows as a batch of this table, null where they have no value."""
    names = declared.schema.names
    return pa.RecordBatch.from_pylist([{name: row.get(name) for name in names} for row in rows], schema=declared.schema)


def as_input(role: str, artifact: Artifact) -> Input:
    """An artifact as an input of another."""
    return Input(role=role, stage=artifact.stage, fingerprint=artifact.fingerprint)


def commit(
    lake: Path,
    stage: str,
    kind: str,
    config: dict,
    inputs: Sequence[Input],
    declared: Table,
    batches: Sequence[pa.RecordBatch],
    **others: tuple[Table, Sequence[pa.RecordBatch]],
) -> Artifact:
    """An artifact of these batches, a part each; the one that the lake has if it is there.

    `others`: further tables by name, as many batches of each.
    """
    identity = Identity(stage=stage, version=1, config=config, inputs=tuple(inputs))
    with stage_artifact(Lake(lake), identity, kind, print) as staging:
        if isinstance(staging, Artifact):
            return staging
        tables = {"part": (declared, batches), **others}
        records = []
        for number in range(len(batches)):
            output = staging.output(number, str(number), {name: table for name, (table, _) in tables.items()})
            for name, (_, parts) in tables.items():
                output.write(parts[number], name)
            records.append(output.finish())
        return staging.commit(records, {})
