"""The compiled loops of the quality stage, and the names of what they count.

A text is decoded once into code points and their classes (`texts`); then come its words and signs (`tokens`), its lines
and paragraphs (`lines`), what C4's and RefinedWeb's line rules would take out (`removal`, `refinedweb`), and repeats of
lines, paragraphs and n-grams (`repeats`). What is left after C4's rules is measured by the same loops.

All hashes are on unsigned 64-bit integers, so counts are the same on every CPU. One explicit signature each, cached on
disk, as in `tasks.sign_kernels`. numba looks for changes in a function's own file alone: after a change of a
constant here, delete the files `*.nbi` and `*.nbc`.
"""

import numpy as np
from numba import types

CODES = types.Array(types.uint32, 1, "C")
PHRASE = types.Array(types.uint32, 1, "C", readonly=True)
LENGTHS = types.Array(types.int32, 1, "C")
FLAGS = types.Array(types.uint8, 1, "C")
ROW = types.Array(types.int64, 1, "C")
COUNTS = types.Array(types.int64, 3, "C")
TABLE = types.Array(types.int32, 2, "C")
SPANS = types.Array(types.int32, 2, "C")
"""Starts, ends or kinds of spans: a row for C4, for FineWeb, for RefinedWeb."""
REALS = types.Array(types.float64, 1, "C")

# The multiplier of the polynomial hash of a text's code points, modulo 2^64: odd. Hashes of two pieces give the hash of
# both joined, which is how n-grams are compared.
BASE = np.uint64(0x9E3779B97F4A7C15)

# Which text a row of counts is of: the text as it is, after C4's line rules, after them without terminal punctuation.
WHOLE, AFTER_C4, AFTER_FINEWEB, N_TEXTS = 0, 1, 2, 3

# Columns of the counts of a text.
CHARACTERS, NEWLINES, WORDS, TOKENS, WORD_CHARACTERS, ALPHABETIC_WORDS, SPACED_WORDS = 0, 1, 2, 3, 4, 5, 6
NUMBER_SIGNS, ELLIPSES, ALPHABETIC_TOKENS, LETTERED_TOKENS, LETTERED_CHARACTERS = 7, 8, 9, 10, 11
ALL_LINES, TEXT_LINES, BULLET_LINES, ELLIPSIS_LINES = 12, 13, 14, 15
LINES, QUOTED_LINES, ENDED_LINES, SHORT_LINES, PIECES, PARAGRAPHS = 16, 17, 18, 19, 20, 21
DUPLICATE_LINES, DUPLICATE_LINE_CHARACTERS, DUPLICATE_TEXT_LINE_CHARACTERS = 22, 23, 24
DUPLICATE_PARAGRAPHS, DUPLICATE_PARAGRAPH_CHARACTERS = 25, 26  # 27 is free: paragraphs are never blank
SENTENCES, ENDED_SENTENCES, CURLY_BRACKETS, LOREM_IPSUMS = 28, 29, 30, 31
SYMBOL_CHARACTERS, DIGIT_CHARACTERS, UPPERCASE_CHARACTERS = 32, 33, 34
REMOVED_WORDS = 35
TOP_NGRAM, DUPLICATE_NGRAM, N_COUNTS = 36, 39, 45
TOP_FIRST, TOP_LAST, DUPLICATE_FIRST, DUPLICATE_LAST = 2, 4, 5, 10

NEWLINE, RETURN, PERIOD, NUMBER_SIGN, HYPHEN, BULLET, ELLIPSIS = 10, 13, 46, 35, 45, 0x2022, 0x2026
BRACKET, CLOSING_BRACKET, CURLY_BRACKET = 91, 93, 123

# Why a line or a piece of it is taken out: numbers of the names in SPAN_KINDS.
SPAN_KINDS = (
    "long_word",
    "no_terminal_punctuation",
    "few_words",
    "javascript",
    "policy",
    "citation",
    "uppercase",
    "numeric",
    "counter",
    "one_word",
    "items_in_cart",
    "read_more",
    "sign_in",
)
(
    LONG_WORD,
    NO_TERMINAL,
    FEW_WORDS,
    JAVASCRIPT,
    POLICY,
    CITATION,
    ALL_UPPERCASE,
    NUMERIC,
    COUNTER,
    ONE_WORD,
    ITEMS_IN_CART,
    READ_MORE,
    SIGN_IN,
) = range(13)

# Phrases that the line rules look for, in lower case, one after another; those of C4's policy rule come last.
PHRASES = (
    "lorem ipsum",
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
PHRASE_CODES = np.array([ord(character) for phrase in PHRASES for character in phrase], np.uint32)
PHRASE_BOUNDS = np.cumsum([0, *map(len, PHRASES)])
HAS_LOREM_IPSUM, HAS_JAVASCRIPT, HAS_POLICY, ALL_PHRASES = 1, 2, 0b11111100, 0b11111111
HAS_BRACKET, HAS_CURLY = 256, 512

COUNTERS = (
    "likes",
    "shares",
    "comments",
    "retweets",
    "reposts",
    "quotes",
    "bookmarks",
    "upvotes",
    "downvotes",
    "downloads",
    "views",
    "followers",
)
COUNTER_CODES = np.array([ord(character) for word in COUNTERS for character in word], np.uint32)
COUNTER_BOUNDS = np.cumsum([0, *map(len, COUNTERS)])
EDITS = ("items in cart", "read more...", "read more\u2026", "sign-in")
EDIT_CODES = np.array([ord(character) for phrase in EDITS for character in phrase], np.uint32)
EDIT_BOUNDS = np.cumsum([0, *map(len, EDITS)])
