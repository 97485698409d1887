"""Decide: which documents stay, by thresholds over all scores, and by clusters among what passes.

`rules` holds the configuration and compiles it to named SQL predicates, `predicates` checks those that a person wrote,
`clusters` finds duplicates, `decisions` puts it together: one row for every document. Nothing here reads text or changes
a score, so that a threshold is turned in seconds.
"""
