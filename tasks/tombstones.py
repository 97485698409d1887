"""Tombstones as an artifact: what the lake knew to be forgotten when a text was read into it.

This is the one place that decides which text is made under which tombstones, and that takes out what they name. A stage
that reads text (`forgets`: documents, conversations, questions, examples) plans and works as if nothing were forgotten;
everything later is made from what it gives, and has the tombstones among its inputs through it.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from storage.artifact import TOMBSTONES, Artifact
from storage.commit import ShardOutput
from storage.forget.holders import read_tombstones, tombstones_of, uncovered
from storage.forget.rows import without_forgotten
from storage.forget.tombstones import Matcher, Tombstone, all_tombstones
from storage.schemas.forget import TOMBSTONES_TABLE
from storage.shards import read_batches
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.run import Run, current_run
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
    TOMBSTONES, 2, "tombstones", TombstonesConfig, {"part": TOMBSTONES_TABLE}, _plan, _work, here=True, explains=False
)


def under_tombstones(stage: Stage[Any], config: Any, inputs: Inputs, run: Run) -> Inputs:
    """The inputs of a stage that reads text, with the tombstones that hold for it.

    Of what the lake has of the same rows it chooses one that holds nothing forgotten: a tombstone that names none of
    them makes no successor. If there is none, one is to be made under all tombstones that the lake has now.
    """
    known = all_tombstones(run.lake)
    if not known or TOMBSTONES in inputs:
        return inputs
    clean = [one for one in _forms(stage, config, inputs, run) if not uncovered(one, known)]
    if clean:
        chosen = max(clean, key=lambda one: (len(tombstones_of(one)), one.fingerprint))
        return {**inputs, TOMBSTONES: chosen.inputs(TOMBSTONES)}
    return {**inputs, TOMBSTONES: [list_tombstones(as_config(known))]}


def _forms(stage: Stage[Any], config: Any, inputs: Inputs, run: Run) -> list[Artifact]:
    """What the lake has of the rows that a stage would read, under whichever tombstones."""
    asked = stage.identity(config, {role: given for role, given in inputs.items() if role != TOMBSTONES})
    forms = Artifact(lake=str(run.lake.root), stage=asked.stage, fingerprint=asked.fingerprint).forms()
    return [one for one in forms if run.lake.keep(one)]


def as_config(tombstones: tuple[Tombstone, ...]) -> TombstonesConfig:
    """The configuration of the artifact that lists these."""
    return TombstonesConfig(tombstones=tuple((one.kind, one.pattern) for one in tombstones))


def plan_under_tombstones(stage: Stage[Any], inputs: Inputs, config: Any) -> list[Shard]:
    """The shards of a stage that reads text: its own; or, where the lake has the same rows under fewer tombstones, one
    for each part of those, because all that is left to do is to forget.
    """
    named = [one for listed in inputs.get(TOMBSTONES, ()) for one in read_tombstones(listed)]
    if not named:
        return stage.plan(inputs, config)
    key = {TOMBSTONES: inputs[TOMBSTONES][0].fingerprint}
    forms = [one for one in _forms(stage, config, inputs, current_run()) if tombstones_of(one) <= set(named)]
    if forms:
        return _copied(max(forms, key=lambda one: len(tombstones_of(one))), named, key)
    return [
        dataclasses.replace(shard, content=shard.content | key, where=shard.where | {TOMBSTONES: named})
        for shard in stage.plan(inputs, config)
    ]


def _copied(form: Artifact, named: Sequence[Tombstone], key: dict[str, Any]) -> list[Shard]:
    """One shard for each part of that form; with it goes the part of every other table."""
    beside: dict[int, dict[str, str]] = {}
    for part in form.manifest.parts:
        if part.table is not None:
            beside.setdefault(part.shard, {})[part.table] = str(form.path(part))
    return [
        Shard(
            part.shard,
            {"copied": part.sha256} | key,
            part.rows,
            {TOMBSTONES: named, "copied": beside[part.shard]},
            f"{form}/{part.name}",
        )
        for part in form.parts()
    ]


def work_under_tombstones(stage: Stage[Any], shard: Shard, config: Any, output: ShardOutput, watch: Watch) -> None:
    """Do a shard of a stage that reads text, or copy it, and take out what is forgotten."""
    if named := shard.where.get(TOMBSTONES):
        output.rewrite = partial(without_forgotten, stage.kind, matcher=Matcher(named))
    if "copied" not in shard.where:
        stage.work(shard, config, output, watch)
        return
    for table, path in shard.where["copied"].items():
        done = 0
        for batch in read_batches(path):
            output.write(batch, table)
            done += batch.num_rows
            watch.progress(done)
