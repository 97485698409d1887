"""Which block lists hold a document's URL, and which entry of them; the domain it is registered under.

`lists` names lists and finds their files, `index` holds millions of entries in memory and looks URLs up, `kernels`
hashes entries, `stage` is the annotation. Extraction uses the same index where `skip_blocked` spares it the parsing.
"""
