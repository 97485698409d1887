"""Contamination: which documents hold text of evaluation sets, which item, and where.

`items` makes an index of the sets, `stage` looks for it. Which documents go is in the recipe's `decide` section; the
stretches alone can be cut out by `mixture.remove`.
"""
