"""All counts of a batch of texts: each decoded once, measured, and measured again without what line rules take out."""

from typing import Any

import numpy as np
from numba import types

from models.utf8_kernels import decode as decode_one
from tasks.quality.kernels import (
    AFTER_C4,
    AFTER_FINEWEB,
    CITATION,
    CODES,
    COUNTS,
    DUPLICATE_LINES,
    DUPLICATE_PARAGRAPHS,
    FLAGS,
    LENGTHS,
    REALS,
    REMOVED_WORDS,
    ROW,
    SPANS,
    TABLE,
    TOKENS,
    WHOLE,
    WORDS,
)
from tasks.quality.kernels.lines import count_starts_and_ends, scan_lines, scan_paragraphs
from tasks.quality.kernels.refinedweb import refine_lines
from tasks.quality.kernels.removal import find_marks, remove_lines
from tasks.quality.kernels.repeats import CELLS, count_ngrams, count_repeats
from tasks.quality.kernels.tokens import count_characters, scan_tokens
from tasks.sign_kernels import BYTES, HASHES, OFFSETS, compiled
from tasks.word_kernels import CLASSES, GAP

SPAN_COLUMNS = 3  # C4, FineWeb, RefinedWeb
BOUNDS = types.Array(types.int64, 2, "C")


@compiled(types.int64(BYTES, types.int64, types.int64, CLASSES, CODES, CLASSES))
def decode(text: Any, position: Any, stop: Any, classes: Any, codes: Any, about: Any) -> Any:
    """Code points of the valid UTF-8 from `position` to `stop`, and what each is. Returns: how many."""
    count = np.int64(0)
    place, end = np.uint64(position), np.uint64(stop)
    while place < end:
        width, code = decode_one(text, place)
        codes[count] = code
        about[count] = classes[code] if code < len(classes) else np.uint16(GAP)
        place += width
        count += 1
    return count


@compiled(types.float64(CODES, types.int64, LENGTHS, LENGTHS))
def entropy(codes: Any, count: Any, times: Any, different: Any) -> Any:
    """Shannon entropy of a text's code points in bits. `times` is zero for each code point, and is left so."""
    n_different = 0
    for index in range(count):
        code = codes[index]
        if times[code] == 0:
            different[n_different] = code
            n_different += 1
        times[code] += 1
    total = 0.0
    for index in range(n_different):
        share = times[different[index]] / count
        total -= share * np.log2(share)
        times[different[index]] = 0
    return total


@compiled(types.UniTuple(types.int64, 2)(LENGTHS, FLAGS, types.int64, LENGTHS, LENGTHS, types.int64, types.int64))
def tokens_within(places: Any, is_word: Any, count: Any, starts: Any, ends: Any, first: Any, last: Any) -> Any:
    """How many of `count` tokens, and how many words of them, begin in the spans `first` to `last`."""
    found, words, token = np.int64(0), np.int64(0), np.int64(0)
    for span in range(first, last):
        while token < count and places[token] < starts[span]:
            token += 1
        while token < count and places[token] < ends[span]:
            found += 1
            words += is_word[token]
            token += 1
    return found, words


@compiled(
    types.void(
        BYTES,
        OFFSETS,
        CLASSES,
        HASHES,
        LENGTHS,
        LENGTHS,
        LENGTHS,
        ROW,
        COUNTS,
        REALS,
        TABLE,
        SPANS,
        SPANS,
        SPANS,
        BOUNDS,
    )
)
def count_texts(
    text: Any,
    offsets: Any,
    classes: Any,
    stop_keys: Any,
    stop_numbers: Any,
    stop_bounds: Any,
    stop_members: Any,
    limits: Any,
    counts: Any,
    entropies: Any,
    stop_counts: Any,
    starts: Any,
    ends: Any,
    kinds: Any,
    span_bounds: Any,
) -> None:
    """Fill what is counted of n texts, all zero before.

    Args: `text` valid UTF-8; `offsets` (n + 1) where each text starts; `classes` what each code point is; `stop_keys`,
    `stop_numbers` a hash table of all stop words, and list i of them has the numbers
    stop_members[stop_bounds[i]:stop_bounds[i + 1]]; `limits`: characters of a short line, words that C4 asks of a line,
    characters that it allows in a word.
    Fills: `counts` (n, N_TEXTS, N_COUNTS); `entropies` (n); `stop_counts` (n, lists); spans of C4, FineWeb, RefinedWeb
    in three rows of `starts`, `ends`, `kinds`, where those of text i lie from span_bounds[row, i] to the next.
    """
    longest = 1
    for index in range(len(offsets) - 1):
        longest = max(longest, offsets[index + 1] - offsets[index])
    size = 2
    while size < 2 * (longest + 1):  # a text of one line feed has two lines
        size *= 2
    codes, about = np.empty(longest + 1, np.uint32), np.empty(longest + 1, np.uint16)
    kept_codes, kept_about = np.empty(longest + 1, np.uint32), np.empty(longest + 1, np.uint16)
    hashes, powers = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    lengths, weights = np.empty(longest + 1, np.int32), np.empty(longest + 1, np.int32)
    places = np.empty(longest + 1, np.int32)
    spaced, joined = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    mixed, sums = np.empty(longest + 1, np.uint64), np.empty(longest + 2, np.int64)
    seats, cells = np.zeros(size, np.int64), np.empty(CELLS * (longest + 1), np.uint8)
    chosen = np.empty(longest + 1, np.int32)
    is_word, sentences = np.empty(longest + 1, np.uint8), np.zeros(longest + 1, np.int32)
    times = np.zeros(0x110000, np.int32)
    seen = np.zeros(len(stop_keys) + 1, np.uint8)
    short_line, min_words, max_word_length = limits[0], limits[1], limits[2]
    base = np.int64(0)
    at = np.zeros(SPAN_COLUMNS, np.int64)
    for index in range(len(offsets) - 1):
        row = counts[index, WHOLE]
        count = decode(text, offsets[index], offsets[index + 1], classes, codes, about)
        entropies[index] = entropy(codes, count, times, weights)
        count_characters(codes, about, count, row)
        marks = find_marks(codes, count, row)
        count_starts_and_ends(codes, about, count, row)
        found = scan_lines(codes, about, count, short_line, True, hashes, lengths, weights, sentences, row)
        base = count_repeats(hashes, lengths, weights, found, seats, base, row, DUPLICATE_LINES)
        found = scan_paragraphs(codes, about, count, hashes, lengths, row)
        base = count_repeats(hashes, lengths, lengths, found, seats, base, row, DUPLICATE_PARAGRAPHS)
        tokens = scan_tokens(
            codes, about, count, stop_keys, stop_numbers, seen, hashes, powers, lengths, places, is_word, row
        )
        for number in range(len(stop_bounds) - 1):
            for member in range(stop_bounds[number], stop_bounds[number + 1]):
                stop_counts[index, number] += seen[stop_members[member] + 1]
        seen[:] = 0
        base = count_ngrams(
            hashes, powers, lengths, tokens, spaced, joined, mixed, sums, seats, weights, chosen, cells, base, row
        )

        after_c4, after_fineweb = counts[index, AFTER_C4], counts[index, AFTER_FINEWEB]
        for which in range(SPAN_COLUMNS):
            span_bounds[which, index] = at[which]
        at[2] = refine_lines(codes, about, count, starts[2], ends[2], kinds[2], at[2])
        left = remove_lines(
            codes,
            about,
            count,
            marks,
            sentences,
            min_words,
            max_word_length,
            kept_codes,
            kept_about,
            starts,
            ends,
            kinds,
            at,
            after_c4,
            after_fineweb,
        )
        has_citations = False
        for span in range(span_bounds[1, index], at[1]):
            has_citations = has_citations or kinds[1, span] == CITATION
        for which in range(SPAN_COLUMNS):
            first, last = span_bounds[which, index], at[which]
            gone, words = tokens_within(places, is_word, tokens, starts[which], ends[which], first, last)
            if which == 2:
                row[REMOVED_WORDS] = words
            else:
                counts[index, AFTER_C4 + which, WORDS] = row[WORDS] - words
                counts[index, AFTER_C4 + which, TOKENS] = row[TOKENS] - gone
            span_bounds[which, index + 1] = last
        found = scan_lines(
            kept_codes, kept_about, left, short_line, False, hashes, lengths, weights, sentences, after_fineweb
        )
        base = count_repeats(hashes, lengths, weights, found, seats, base, after_fineweb, DUPLICATE_LINES)
        if has_citations:  # what stood on both sides of one is now one word
            scan_tokens(
                kept_codes,
                kept_about,
                left,
                stop_keys,
                stop_numbers,
                seen,
                hashes,
                powers,
                lengths,
                places,
                is_word,
                after_fineweb,
            )
            seen[:] = 0


@compiled(types.void(HASHES, HASHES, LENGTHS, OFFSETS, COUNTS))
def count_given_words(words: Any, powers: Any, lengths: Any, offsets: Any, counts: Any) -> None:
    """Fill the n-gram counts of documents whose words somebody else cut: those of document i from offsets[i] on."""
    longest = 1
    for index in range(len(offsets) - 1):
        longest = max(longest, offsets[index + 1] - offsets[index])
    size = 2
    while size < 2 * (longest + 1):  # a text of one line feed has two lines
        size *= 2
    spaced, joined = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    mixed, sums = np.empty(longest + 1, np.uint64), np.empty(longest + 2, np.int64)
    seats, times = np.zeros(size, np.int64), np.empty(longest + 1, np.int32)
    chosen, cells = np.empty(longest + 1, np.int32), np.empty(CELLS * (longest + 1), np.uint8)
    base = np.int64(0)
    for index in range(len(offsets) - 1):
        start, stop = offsets[index], offsets[index + 1]
        base = count_ngrams(
            words[start:stop],
            powers[start:stop],
            lengths[start:stop],
            stop - start,
            spaced,
            joined,
            mixed,
            sums,
            seats,
            times,
            chosen,
            cells,
            base,
            counts[index, WHOLE],
        )
