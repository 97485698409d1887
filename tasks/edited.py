"""The edits that composition applies: those of the annotation, and where `decide` took out repeats, its own instead."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.schemas.edits import EDITS


def replace_edits(edits: pa.Table | None, edited: Sequence[str], doc_ids: pa.ChunkedArray, sizes: pa.Array) -> pa.Table:
    """Rows of `edits` beside these documents, with those of `edited` (files of the table EDITED) in their place.

    Args: `edits` columns of the annotation, or None where there is none: texts are then as they were, of `sizes` bytes.
    A document that is in `edited` is never emptied: it would have been dropped.
    """
    before = _none(doc_ids, sizes) if edits is None else edits
    columns = [name for name in before.column_names if name != "emptied"]
    tables = [pq.read_table(path, columns=["doc_id", *columns]) for path in edited]
    new = pa.concat_tables(tables)
    mine = new.filter(pc.is_in(new.column("doc_id"), value_set=doc_ids.combine_chunks()))  # type: ignore[attr-defined]
    place = pc.index_in(doc_ids, value_set=mine.column("doc_id")).combine_chunks()  # type: ignore[attr-defined]
    replaced = place.is_valid().to_numpy(zero_copy_only=False)
    if not replaced.any():
        return before
    rows = np.arange(before.num_rows)
    rows[replaced] = before.num_rows + place.drop_null().to_numpy()
    if "emptied" in before.column_names:
        mine = mine.append_column("emptied", pa.array(np.zeros(mine.num_rows, bool)))
    both = [before, mine.select(before.column_names).cast(before.schema)]
    return pa.concat_tables(both).take(pa.array(rows))


def _none(doc_ids: pa.ChunkedArray, sizes: pa.Array) -> pa.Table:
    """Edits that change nothing."""
    n = len(doc_ids)
    kinds = {field.name: field.type for field in EDITS.schema}
    columns = {
        "edits": pa.array([[]], kinds["edits"]).take(pa.array(np.zeros(n, np.int8))),
        "composed_bytes": sizes,
        "removed_characters": pa.array(np.zeros(n, np.int32)),
        "redactions": pa.array(np.zeros(n, np.int32)),
        "emptied": pa.array(np.zeros(n, bool)),
    }
    return pa.table(columns, schema=EDITS.schema)
