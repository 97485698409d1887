"""Redact: where a text names a person's address, number or key. Spans with a kind, never the text itself.

`kernels` finds candidates in one compiled pass over the bytes; `addresses`, `numbers` and `secrets` decide on each of
them; `find` puts them in order, and `stage` writes them. Nothing is changed here: composition does it (`tasks.spans`).
"""
