"""What is to be forgotten, and what holds it.

`tombstones` are the append-only files that name it and how they match, `marks` what is said of artifacts since then,
`holders` finds every artifact that holds forgotten text or learned from it, `leftovers` what else may quote it.
"""
