"""Edits: what composition removes from each text and what it puts a mark on, from spans of earlier annotations.

The columns say the exact size of the composed text, so that budgets are counted on it, and which documents nothing is
left of, so that `decide` drops them by `edits.emptied`. The text is changed by `compose`, which reads `edits` alone.
"""

import pyarrow as pa
from pydantic import Field

from storage.schemas.edits import EDITS
from tasks.spans import apply, describe, resolve
from tasks.stage import StageConfig, stage


class EditsConfig(StageConfig):
    """Which spans are applied. A recipe says it under `mixture`: `remove` and `redact`."""

    remove: tuple[str, ...] = ()
    redact: dict[str, str] = Field(default={})
    redacted_columns: tuple[str, ...] = ("pii_spans",)

    @property
    def enabled(self) -> bool:
        """Only where something is applied: a corpus without edits keeps its texts as they were extracted."""
        return bool(self.remove or self.redact)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of spans that are looked at, each once."""
        return tuple(dict.fromkeys((*self.remove, *(self.redacted_columns if self.redact else ()))))


@stage("edits", version=1, reads=lambda config: ("text", *config.columns), writes=EDITS)
def resolve_edits(documents: pa.RecordBatch, config: EditsConfig) -> pa.RecordBatch:
    """One row per document: its edits, and what its composed text comes to.

    A text of which only white space is left is removed whole. Raises: SpanError for a span not within its text.
    """
    texts = documents.column("text").to_pylist()
    spans = {name: documents.column(name).to_pylist() for name in config.columns}
    rows = []
    for place, text in enumerate(texts):
        found = {name: spans[name][place] or () for name in config.columns}
        removed = {name: found[name] for name in config.remove}
        redacted = {name: found[name] for name in config.columns if name not in removed}
        edits = resolve(len(text), removed, redacted, config.redact) if any(found.values()) else []
        composed = apply(text, edits) if edits else text
        emptied = bool(edits) and not composed.strip() and bool(text.strip())
        if emptied:
            edits, composed = [(0, len(text), None)], ""
        rows.append(describe(edits, composed) | {"emptied": emptied})
    return pa.RecordBatch.from_pylist(rows, schema=EDITS.schema)
