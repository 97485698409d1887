"""Repeats among the documents that stay: what goes, which lines are boilerplate, and who has nothing left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.schemas.repeats import ANCHORS, BOILERPLATE, LINES, PARAGRAPHS, REMOVALS
from tasks.decide.failures import DecideError
from tasks.decide.repeats.documents import Documents, Rows, find_documents
from tasks.decide.repeats.edited import edit
from tasks.decide.repeats.lines import Repeated, Spans, find_repeated, find_sharing, find_spans
from tasks.decide.repeats.substrings import find_substrings
from tasks.decide.rules import DecideConfig

EMPTIED = "repeats.emptied"
KINDS = ("repeated_lines", "repeated_paragraphs", "repeated_substrings")


@dataclass(frozen=True)
class Repeats:
    """The decisions, in which a document that nothing is left of is dropped, and the three tables beside them."""

    decisions: pa.Table
    removals: pa.Table
    boilerplate: pa.Table
    edited: pa.Table


def find_repeats(
    decisions: pa.Table,
    documents: Sequence[str],
    annotations: Mapping[str, Sequence[str]],
    config: DecideConfig,
) -> Repeats:
    """What of the documents that stay stands in others of them, too.

    Args: `decisions` a row for every document, as `decide_documents` gives it; the others as there. Each kind is found
    in the whole texts, none in what another kind leaves. Documents are not decided on anew after some are emptied:
    what they hold is counted.
    Raises: DecideError where no annotation has the column that a rule needs.
    """
    kept = decisions.filter(decisions.column("kept")).column("doc_id").combine_chunks()
    staying = find_documents(kept, documents, annotations)
    spans: dict[str, Spans] = {}
    named: dict[str, Repeated] = {}
    for kind, column, rules in (
        (KINDS[0], LINES.name, config.repeated_lines),
        (KINDS[1], PARAGRAPHS.name, config.repeated_paragraphs),
    ):
        if rules is not None:
            parts = _parts(kind, column, staying, annotations)
            named[kind] = find_repeated(parts, column, staying.domain, rules)
            spans[kind] = find_spans(parts, column, named[kind], rules)
    if config.repeated_substrings is not None:
        parts = _parts(KINDS[2], ANCHORS.name, staying, annotations)
        candidates = find_sharing(parts, ANCHORS.name, len(kept))
        spans[KINDS[2]] = find_substrings(staying.texts, candidates, config.repeated_substrings)
    removals = _removals(staying, spans)
    edited, emptied = edit(staying, annotations.get("edits", ()), _together(spans))
    gone = staying.doc_id.filter(pa.array(emptied))
    return Repeats(_drop(decisions, gone), removals, _boilerplate(staying, named), edited)


def _parts(kind: str, column: str, staying: Documents, annotations: Mapping[str, Sequence[str]]) -> list[Rows]:
    for paths in annotations.values():
        if paths and column in pq.read_schema(paths[0]).names:
            return staying.rows(paths)
    asked = "substrings: 50" if column == ANCHORS.name else f"{column}: true"
    raise DecideError(f"decide.{kind} needs the column {column}, which no stage of this recipe writes: parts.{asked}.")


def _together(spans: Mapping[str, Spans]) -> Spans:
    """The spans of all kinds, sorted by rank."""
    rank, start, end = (
        np.concatenate([getattr(one, name) for one in spans.values()]) for name in ("rank", "start", "end")
    )
    order = np.argsort(rank, kind="stable")
    return Spans(rank[order], start[order], end[order])


def _removals(staying: Documents, spans: Mapping[str, Spans]) -> pa.Table:
    """Rows of REMOVALS, sorted by all columns."""
    tables = [
        pa.table(
            [
                staying.doc_id.take(pa.array(found.rank)),
                pa.array([kind], pa.string()).take(pa.array(np.zeros(len(found.rank), np.int8))),
                pa.array(found.start),
                pa.array(found.end),
            ],
            schema=REMOVALS.schema,
        )
        for kind, found in spans.items()
    ]
    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in ("doc_id", "start", "end", "kind")])


def _boilerplate(staying: Documents, named: Mapping[str, Repeated]) -> pa.Table:
    """Rows of BOILERPLATE, by kind, those in most documents first."""
    tables = [BOILERPLATE.schema.empty_table()]
    for kind, found in named.items():
        order = np.lexsort((found.hash, -found.documents))
        columns = [
            pa.array([kind], pa.string()).take(pa.array(np.zeros(len(order), np.int8))),
            *(pa.array(values[order]) for values in (found.hash, found.documents, found.domains, found.occurrences)),
            staying.doc_id.take(pa.array(found.first[order])),
            *(pa.array(values[order]) for values in (found.start, found.end)),
        ]
        tables.append(pa.table(columns, schema=BOILERPLATE.schema))
    return pa.concat_tables(tables)


def _drop(decisions: pa.Table, gone: pa.Array) -> pa.Table:
    """The decisions with these documents dropped."""
    if not len(gone):
        return decisions
    here = pc.is_in(decisions.column("doc_id"), value_set=gone).combine_chunks()  # type: ignore[attr-defined]
    n = decisions.num_rows
    reason = pa.array([[EMPTIED]], pa.list_(pa.string())).take(pa.array(np.zeros(n, np.int8)))
    changes = {
        "kept": pc.and_not(decisions.column("kept"), here),  # type: ignore[attr-defined]
        "dropped_by": pc.if_else(here, EMPTIED, decisions.column("dropped_by")),  # type: ignore[attr-defined]
        "failed": pc.if_else(here, reason, decisions.column("failed")),  # type: ignore[attr-defined]
    }
    columns = [changes.get(name, decisions.column(name)) for name in decisions.column_names]
    return pa.table(columns, schema=decisions.schema)
