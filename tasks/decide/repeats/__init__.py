"""Repeats: lines, paragraphs and runs of words that stand in many of the documents that stay, and what goes of them.

`rules` holds the thresholds, `documents` says where the documents that stay lie, `lines` finds repeated lines and
paragraphs by their hashes, `substrings` runs of words, `edited` what is left of each text, and `find` puts it together.
Everything is a function of the set of documents that stay: the order in which they were first seen (capture date, then
doc_id) says who keeps a text, and neither files nor memory limits play a part.
"""
