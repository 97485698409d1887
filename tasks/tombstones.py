"""Tombstones as an artifact: what the lake knew to be forgotten when a text was read into it.

This is the one place that decides which text is made under which tombstones. A stage that reads text (`forgets`) asks
`under_tombstones`; everything later is made from what it gives, and has the tombstones among its inputs through it.
"""

from typing import Any

import pyarrow as pa

from storage.artifact import TOMBSTONES, Artifact
from storage.commit import ShardOutput
from storage.forget.holders import tombstones_of, uncovered
from storage.forget.tombstones import Tombstone, all_tombstones
from storage.schemas.forget import TOMBSTONES_TABLE
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.run import Run
from tasks.stage import Inputs, Shard, Stage


class TombstonesConfig(StageConfig):
    """What is forgotten: (kind, pattern), sorted. When it was said plays no part."""

    tombstones: tuple[tuple[str, str], ...] = ()


def _plan(inputs: Inputs, config: TombstonesConfig) -> list[Shard]:
    return [Shard(0, {"tombstones": [list(one) for one in config.tombstones]}, len(config.tombstones))]


def _work(shard: Shard, config: TombstonesConfig, output: ShardOutput, watch: Watch) -> None:
    """List what the lake knows to be forgotten."""
    rows = [{"kind": kind, "pattern": pattern} for kind, pattern in config.tombstones]
    output.write(pa.RecordBatch.from_pylist(rows, schema=TOMBSTONES_TABLE.schema))


list_tombstones = Stage(
    TOMBSTONES, 1, "tombstones", TombstonesConfig, {"part": TOMBSTONES_TABLE}, _plan, _work, here=True, explains=False
)


def under_tombstones(stage: Stage[Any], config: Any, inputs: Inputs, run: Run) -> Inputs:
    """The inputs of a stage that reads text, with the tombstones that hold for it.

    Of what the lake has of the same documents it chooses one that holds nothing forgotten: a tombstone that names none
    of them makes no successor. If there is none, one is to be made under all tombstones that the lake has now.
    """
    known = all_tombstones(run.lake)
    if not known or TOMBSTONES in inputs:
        return inputs
    first = Artifact(lake=str(run.lake.root), stage=stage.name, fingerprint=stage.identity(config, inputs).fingerprint)
    clean = [one for one in first.forms() if not uncovered(one, known)]
    if clean:
        chosen = max(clean, key=lambda one: (len(tombstones_of(one)), one.fingerprint))
        return {**inputs, TOMBSTONES: chosen.inputs(TOMBSTONES)}
    return {**inputs, TOMBSTONES: [list_tombstones(as_config(known))]}


def as_config(tombstones: tuple[Tombstone, ...]) -> TombstonesConfig:
    """The configuration of the artifact that lists these."""
    return TombstonesConfig(tombstones=tuple((one.kind, one.pattern) for one in tombstones))
