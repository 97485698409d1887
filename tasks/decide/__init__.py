"""Decide: which documents stay, by thresholds over all scores, and by clusters among what passes.

`thresholds` holds the published limits, `rules` the configuration and how it becomes named SQL predicates, `predicates`
checks those that a person wrote, `failures` evaluates them all, `clusters` finds duplicates among what passes by the
edges of `duplicates`, `signatures` reads what those are found by, and `decisions` puts it together: one row for every
document. Nothing here reads text or changes a score, so that a threshold is turned in seconds.
"""
