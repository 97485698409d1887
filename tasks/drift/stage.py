"""The drift stage: is a new snapshot like the earlier ones of its source? What is not is a row, with how it was told.

Both sides are seen through the decisions of now, so a threshold that was turned since moves both. The stage only says;
whether a refresh goes on is the flow's (`drift.on_warning` in a recipe).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.drift import CHECKED, WARNINGS
from tasks.drift.config import DriftConfig
from tasks.drift.said import say
from tasks.drift.shares import Files, Share, compare, judge
from tasks.executor import Watch, available_cores
from tasks.run import source_of
from tasks.stage import Inputs, Shard, Stage

Row = dict[str, Any]
WIDEST_FIRST = ("source", "language", "domain")
"""The order of warnings by scope: whoever reads the first few learns most."""


def _plan(inputs: Inputs, config: DriftConfig) -> list[Shard]:
    """One shard. Inputs: `new`, `known` documents; `decisions`, `languages` on both; `phrases` of both, or none."""
    roles = ("new", "known", "decisions", "languages", "phrases")
    given = {role: list(inputs.get(role, ())) for role in roles}
    content = {role: [str(one.fingerprint) for one in artifacts] for role, artifacts in given.items()}
    return [Shard(0, content, sum(one.rows() for one in (*given["new"], *given["known"])), {"given": given})]


def _work(shard: Shard, config: DriftConfig, output: ShardOutput, watch: Watch) -> None:
    """Compare the shares of each new snapshot with the earlier ones of its source, and look for phrases that burst."""
    given: Mapping[str, Sequence[Artifact]] = shard.where["given"]
    done = 0
    for new in given["new"]:
        source, snapshot = source_of(new), snapshot_of(new).fingerprint
        known = [one for one in given["known"] if source_of(one) == source]
        about = {"source": source, "snapshot": snapshot}
        shares, warnings = _shares(new, known, given, config) if known else ([], [])
        found = [*warnings, *(_bursts(new, known, given, config) if known and config.burst else [])]
        found.sort(key=lambda row: (WIDEST_FIRST.index(row["scope"]), row["p"]))
        checked = {
            "documents": new.rows(),
            "known_documents": sum(one.rows() for one in known),
            "comparisons": len(shares),
            "warnings": len(found),
        }
        output.write(pa.RecordBatch.from_pylist([about | row for row in found], schema=WARNINGS.schema))
        output.write(pa.RecordBatch.from_pylist([about | checked], schema=CHECKED.schema), "checked")
        done += new.rows()
        watch.progress(done)


def snapshot_of(documents: Artifact) -> Artifact:
    """The snapshot that documents were read from, through whatever was made of them since."""
    while documents.stage != "ingest":
        documents = documents.inputs()[0]
    return documents


def _paths(artifacts: Sequence[Artifact], table: str = MAIN_TABLE) -> list[str]:
    return [str(path) for one in artifacts for path in one.paths(table)]


def _shares(
    new: Artifact, known: Sequence[Artifact], given: Mapping[str, Sequence[Artifact]], config: DriftConfig
) -> tuple[list[Share], list[Row]]:
    """Every share that was compared, and rows of WARNINGS."""
    now, before = (Files(_paths(side), _paths(side, "losses")) for side in ([new], known))
    shares = compare(now, before, _paths(given["decisions"]), _paths(given["languages"]), config, available_cores())
    return shares, [
        {
            "metric": share.metric,
            "scope": share.scope,
            "name": share.name,
            "what": share.what,
            "value": share.value,
            "expected": share.expected,
            "limit": limit,
            "count": share.count,
            "of": share.of,
            "known_count": share.known_count,
            "known_of": share.known_of,
            "p": p,
        }
        for share, limit, p in judge(shares, config)
    ]


def _bursts(
    new: Artifact, known: Sequence[Artifact], given: Mapping[str, Sequence[Artifact]], config: DriftConfig
) -> list[Row]:
    """Rows of WARNINGS, one for each phrase that bursts."""
    from tasks.drift.bursts import find_bursts, find_candidates, locate  # with compiled loops, and half of scipy

    counted = {one.input("documents"): one for one in given["phrases"]}
    of_known = [counted[one] for one in known if one in counted]
    limits = config.burst
    assert limits is not None
    known_of = _with_text(known)
    if new not in counted or len(of_known) < len(known) or known_of < config.min_documents:
        return []
    candidates = find_candidates(
        _paths([counted[new]]), _paths(of_known), _with_text([new]), known_of, limits, available_cores()
    )
    if not len(candidates.hashes):
        return []
    (decisions,) = given["decisions"]
    decided = decisions.read(["doc_id", "kept"])
    kept = decided.column("doc_id").filter(decided.column("kept")).combine_chunks()
    hits = locate(new.paths(), kept, candidates, counted[new].manifest.identity.config["ngrams"])
    of, level = len(hits.doc_ids), config.significance / candidates.compared
    return [
        {
            "metric": "burst",
            "scope": "source",
            "name": source_of(new),
            "value": burst.documents / of,
            "expected": burst.known / known_of,
            "limit": max(limits.min_documents / of, limits.min_ratio * burst.known / known_of),
            "count": burst.documents,
            "of": of,
            "known_count": burst.known,
            "known_of": known_of,
            "domains": burst.domains,
            "p": burst.p,
            "places": list(burst.places),
        }
        for burst in find_bursts(hits, candidates, of, known_of, limits, level)
    ]


def _with_text(documents: Sequence[Artifact]) -> int:
    """Documents that have a text."""
    columns = [one.read(["text_bytes"]).column("text_bytes") for one in documents]
    return sum(len(column) - column.null_count for column in columns)


def summary(artifact: Artifact) -> list[Row]:
    """The warnings, each with its sentence; without any, what was compared."""
    rows = artifact.read().to_pylist()
    shown = ("metric", "scope", "name", "what", "value", "expected", "limit", "count")
    return [{"warning": say(row), **{key: row[key] for key in shown}} for row in rows] or checked(artifact)


def checked(artifact: Artifact) -> list[Row]:
    """What was compared: rows of CHECKED."""
    return artifact.read(table="checked").to_pylist()


find_drift = Stage(
    "drift",
    2,
    "drift",
    DriftConfig,
    {MAIN_TABLE: WARNINGS, "checked": CHECKED},
    _plan,
    _work,
    here=True,
    unit="documents",
    explains=False,
    summary=summary,
)
