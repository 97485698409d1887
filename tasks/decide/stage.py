"""The decide stage: thresholds over all columns, clusters among what passes, who stays and why not."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.failpoints import reached
from storage.schemas.repeats import BOILERPLATE, EDITED, REMOVALS
from storage.table import Table
from tasks.decide.decisions import decide_documents, decisions_table
from tasks.decide.duplicates.spilled import Memory
from tasks.decide.repeats.find import find_repeats
from tasks.decide.rules import DecideConfig
from tasks.executor import Watch, available_cores
from tasks.stage import Inputs, Shard, Stage, StageFailed


def _plan(inputs: Inputs, config: DecideConfig) -> list[Shard]:
    documents, annotations = inputs["documents"], inputs["annotations"]
    _check_substrings(annotations, config)
    content = {"inputs": [f"{one.stage}/{one.fingerprint}" for one in (*documents, *annotations)]}
    return [Shard(0, content, sum(one.rows() for one in documents), files_of(documents, annotations))]


def files_of(documents: Sequence[Artifact], annotations: Sequence[Artifact]) -> dict[str, Any]:
    """The files that are decided on, as `decided` takes them."""
    by_stage: dict[str, list[str]] = {}
    lost: dict[str, list[str]] = {}
    for annotation in annotations:
        by_stage.setdefault(annotation.stage, []).extend(map(str, annotation.paths()))
        if annotation.rows("losses"):
            lost.setdefault(annotation.stage, []).extend(
                annotation.read(["doc_id"], "losses").column("doc_id").to_pylist()
            )
    return {
        "documents": [str(path) for one in documents for path in one.paths()],
        "annotations": by_stage,
        "lost": lost,
    }


def _work(shard: Shard, config: DecideConfig, output: ShardOutput, watch: Watch) -> None:
    """Apply the recipe's thresholds to all columns, name every failed rule, cluster what passes, and say who stays.

    Where the recipe asks for it, also what of those that stay stands in others of them.
    """
    for name, table in decided(shard.where, config, memory=Memory(folder=output.scratch)).items():
        for batch in table.to_batches():
            output.write(batch, name)
    watch.progress(shard.size)


def decided(
    files: Mapping[str, Any], config: DecideConfig, tombstones: Sequence[str] = (), memory: Memory | None = None
) -> dict[str, pa.Table]:
    """The tables of the stage's artifact, by name: the decisions, and, where parts are looked for, those beside them.

    Args: `tombstones` doc_ids that are taken as forgotten, whose text may still be there.
    """
    documents, annotations, threads = files["documents"], files["annotations"], available_cores()
    decisions = decide_documents(
        documents, annotations, config, tombstones=tombstones, lost=files["lost"], threads=threads, memory=memory
    )
    reached("decide.decided")
    if not config.repeats:
        return {MAIN_TABLE: decisions}
    repeats = find_repeats(decisions, documents, annotations, config)
    return {
        MAIN_TABLE: repeats.decisions,
        "removals": repeats.removals,
        "boilerplate": repeats.boilerplate,
        "edited": repeats.edited,
    }


def _check_substrings(annotations: Sequence[Artifact], config: DecideConfig) -> None:
    """Raises: StageFailed where shorter runs of words are asked for than the documents' anchors find for certain."""
    noted = [one.manifest.identity.config.get("substrings") for one in annotations if one.stage == "parts"]
    asked = config.repeated_substrings.min_tokens if config.repeated_substrings else None
    for least in noted:
        if asked is not None and least is not None and least > asked:
            raise StageFailed(
                f"decide failed: decide.repeated_substrings.min_tokens is {asked}, and parts.substrings, {least}, "
                f"finds no shorter runs of words for certain: set parts.substrings to {asked}."
            )


def tables(config: DecideConfig) -> dict[str, Table]:
    """What is written: the decisions, and, where parts of documents go, which, and what they leave."""
    repeats = {"removals": REMOVALS, "boilerplate": BOILERPLATE, "edited": EDITED}
    return {MAIN_TABLE: decisions_table(config), **(repeats if config.repeats else {})}


def reasons(artifact: Artifact) -> list[dict[str, Any]]:
    """Documents kept and dropped, by the rule: rows of (source, dropped_by, documents), most first."""
    paths: Sequence[str] = [str(path) for path in artifact.paths(MAIN_TABLE)]
    with duckdb.connect() as connection:
        rows = connection.execute(
            """select source, coalesce(dropped_by, 'kept') as what, count(*) as documents from read_parquet($paths)
            group by all order by source, documents desc, what""",
            {"paths": list(paths)},
        ).fetchall()
    return [{"source": source, "dropped_by": what, "documents": count} for source, what, count in rows]


decide = Stage(
    "decide",
    2,
    "decisions",
    DecideConfig,
    tables,
    _plan,
    _work,
    here=True,
    unit="documents",
    summary=reasons,
)
