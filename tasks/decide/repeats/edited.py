"""What is left of each text from which parts go: its edits in the end, and the exact size of what is composed."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storage.schemas.repeats import EDITED
from tasks.decide.repeats.documents import Documents
from tasks.decide.repeats.lines import Spans
from tasks.spans import Edit, apply, describe, resolve


def edit(documents: Documents, edits: Sequence[str], removals: Spans) -> tuple[pa.Table, np.ndarray]:
    """Rows of EDITED, sorted by doc_id, and which documents (bool, by rank) nothing but white space is left of.

    Args: `edits` the files of the annotation of that name, none where the recipe asks for none; `removals` sorted by
    rank.
    """
    changed = np.zeros(len(documents.doc_id), bool)
    changed[removals.rank] = True
    before = _edits_before(documents, edits, changed)
    emptied = np.zeros(len(documents.doc_id), bool)
    ids = documents.doc_id
    batches = []
    for rows in documents.texts:
        for batch, ranks in rows.groups(["text"], changed):
            made = []
            for text, rank in zip(batch.column("text").to_pylist(), ranks.tolist(), strict=True):
                some = slice(*np.searchsorted(removals.rank, [rank, rank + 1]))
                spans = zip(removals.start[some].tolist(), removals.end[some].tolist(), strict=True)
                together = _together(len(text), list(spans), before.get(rank, ()))
                composed = apply(text, together)
                if text.strip() and not composed.strip():
                    emptied[rank] = True
                else:
                    made.append({"doc_id": ids[rank].as_py()} | describe(together, composed))
            batches.append(pa.RecordBatch.from_pylist(made, schema=EDITED.schema))
    return pa.Table.from_batches(batches, EDITED.schema).sort_by("doc_id"), emptied


def _edits_before(documents: Documents, edits: Sequence[str], changed: np.ndarray) -> dict[int, list[dict]]:
    """The edits of the annotation, of the documents that change, by rank."""
    found: dict[int, list[dict]] = {}
    for rows in documents.rows(edits):
        for batch, ranks in rows.groups(["edits"], changed):
            pairs = zip(ranks.tolist(), batch.column("edits").to_pylist(), strict=True)
            found |= {rank: spans for rank, spans in pairs if spans}
    return found


def _together(length: int, removed: Sequence[tuple[int, int]], before: Sequence[dict]) -> list[Edit]:
    """The edits of a text with these removals among them. As in `edits`, removal wins over redaction.

    Of a stretch to be redacted that another removal cut in two, the mark stands in the first piece: it goes with it.
    """
    marks = {one["kind"]: one["kind"] for one in before if one["kind"] is not None}
    gone = [{"start": start, "end": end, "kind": None} for start, end in removed]
    known = [one for one in before if one["kind"] is None]
    marked = [one for one in before if one["kind"] is not None]
    return resolve(length, {"edits": known, "repeats": gone}, {"edits": marked}, marks)
