"""Spans: stretches of a document's extracted text, told by place and never by their text."""

import pyarrow as pa

SPAN = pa.struct(
    [pa.field("start", pa.int32(), False), pa.field("end", pa.int32(), False), pa.field("kind", pa.string())]
)
"""`start` and `end` are characters (Unicode code points) of the extracted text, `end` not included: Python finds it as
`text[start:end]`, DuckDB as `text[start + 1 : end]`. `kind`: by which rule, or what it is."""
SPANS = pa.list_(pa.field("item", SPAN, False))
"""Spans of one document, sorted by start; those of one column do not overlap unless the column says so."""
