"""What composition does to a document's text: columns of the `edits` annotation. Nothing of the text stands here."""

import pyarrow as pa

from storage.schemas.spans import SPANS
from storage.table import column, table

EDITS = table(
    column(
        "edits",
        SPANS,
        "Stretches that the composed text does not have, sorted, none overlapping; `kind` is the mark that stands in "
        "the place, null where nothing does.",
    ),
    column("composed_bytes", pa.int64(), "UTF-8 bytes of the text as it is composed; 0 if only white space is left."),
    column("removed_characters", pa.int32(), "Characters that nothing stands for."),
    column("redactions", pa.int32(), "Marks in the composed text."),
    column("emptied", pa.bool_(), "Whether the edits leave nothing but white space of a text that had more."),
)
