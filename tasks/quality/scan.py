"""The pass over a text: every count that needs no memory of what was there before, and the hashes of what does.

Words, lines, paragraphs and sentences are defined in `words`. Compiled like `kernels`, which counts the repeats.
"""

from typing import Any

import numpy as np
from numba import types

from tasks.quality.kernels import (
    ALONE,
    ALPHABETIC,
    ALPHABETIC_WORDS,
    BULLET,
    BULLET_LINES,
    CHARACTERS,
    CLASSES,
    CLOSING,
    COUNTS,
    DUPLICATE_LINES,
    DUPLICATE_PARAGRAPHS,
    ELLIPSES,
    ELLIPSIS,
    ELLIPSIS_LINES,
    GAP,
    HYPHEN,
    KIND,
    LENGTHS,
    LETTER,
    LINE_ENDING,
    LINES,
    MARK,
    NEWLINE,
    NEWLINES,
    NUMBER_SIGN,
    NUMBER_SIGNS,
    PARAGRAPHS,
    PERIOD,
    PUNCTUATED_LINES,
    ROW,
    SENTENCES,
    SHORT_LINES,
    SPACED_WORDS,
    STOP_WORDS,
    SYMBOL,
    SYMBOLS,
    TERMINAL,
    WIDE,
    WORD_CHARACTERS,
    WORDS,
    count_ngrams,
    count_repeats,
)
from tasks.sign_kernels import BYTES, FNV_OFFSET, FNV_PRIME, HASHES, OFFSETS, compiled, mix

NO_TOKEN, WORD, LONE_LETTER, SIGNS = 0, 1, 2, 3


@compiled(
    types.UniTuple(types.int64, 3)(
        BYTES,
        types.int64,
        types.int64,
        CLASSES,
        HASHES,
        types.int64,
        HASHES,
        LENGTHS,
        HASHES,
        LENGTHS,
        HASHES,
        LENGTHS,
        ROW,
    )
)
def scan_text(
    text: Any,
    position: Any,
    stop: Any,
    classes: Any,
    stop_words: Any,
    short_line: Any,
    tokens: Any,
    token_lengths: Any,
    lines: Any,
    line_lengths: Any,
    paragraphs: Any,
    paragraph_lengths: Any,
    row: Any,
) -> Any:
    """Count one text, the bytes from `position` to `stop`, into `row`.

    Fills the hashes and lengths in characters of its words and signs, lines and paragraphs; each array is at least as
    long as the text has bytes. Returns: how many of each.
    """
    n_tokens, n_lines, n_paragraphs = np.int64(0), np.int64(0), np.int64(0)
    token, token_hash, token_length = NO_TOKEN, FNV_OFFSET, np.int32(0)
    sign, follows_word = np.uint32(0), False
    in_spaced_word, has_letter = False, False
    line_hash, line_length = FNV_OFFSET, np.int32(0)
    kept_hash, kept_length = FNV_OFFSET, np.int32(0)  # the line up to its last character that is no gap
    starts_with_bullet, ends_with, end_periods = False, np.uint32(0), np.int64(0)
    paragraph_hash, paragraph_length, paragraph_lines = FNV_OFFSET, np.int32(0), np.int64(0)
    periods = np.int64(0)
    sentence_has_word, sentence_ended = False, False
    seen_stop_words = np.uint64(0)
    done = False
    while not done:
        if position < stop:
            lead = text[position]
            if lead < 0x80:
                width, code = 1, np.uint32(lead)
            elif lead < 0xE0:
                width, code = 2, np.uint32(lead & 0x1F)
            elif lead < 0xF0:
                width, code = 3, np.uint32(lead & 0x0F)
            else:
                width, code = 4, np.uint32(lead & 0x07)
            for follow in range(1, width):
                code = np.uint32((code << np.uint32(6)) | np.uint32(text[position + follow] & 0x3F))
            position += width
            row[CHARACTERS] += 1
            if code == NEWLINE:
                row[NEWLINES] += 1
        else:
            done = True
            code = np.uint32(NEWLINE)  # the end of the text ends whatever is open
        about = classes[code] if code < len(classes) else np.uint8(GAP)
        kind = about & KIND
        if kind == MARK and token == NO_TOKEN:
            kind = GAP  # a mark on nothing
        is_letter = kind in (LETTER, ALONE)

        # The word or sign that was open ends, unless this character goes on with it.
        if token == SIGNS:
            if kind != MARK and (kind != SYMBOL or code != sign):
                # a lone sign between two word characters (it's, 3.14) belongs to neither and is not counted
                if not (token_length == 1 and follows_word and kind == LETTER):
                    tokens[n_tokens], token_lengths[n_tokens] = mix(token_hash), token_length
                    n_tokens += 1
                    row[SYMBOLS] += 1
                token = NO_TOKEN
                follows_word = False
        elif token != NO_TOKEN and kind != MARK and (kind != LETTER or token == LONE_LETTER):
            value = mix(token_hash)
            tokens[n_tokens], token_lengths[n_tokens] = value, token_length
            n_tokens += 1
            row[WORDS] += 1
            row[WORD_CHARACTERS] += token_length
            for index in range(len(stop_words)):
                if stop_words[index] == value:
                    seen_stop_words |= np.uint64(1) << np.uint64(index)
            follows_word = token == WORD
            token = NO_TOKEN
        if kind == GAP:
            follows_word = False
            row[SPACED_WORDS] += in_spaced_word
            row[ALPHABETIC_WORDS] += has_letter
            in_spaced_word, has_letter = False, False
        elif not (kind == MARK and token == SIGNS):  # a mark on a sign (an emoji's variant) is part of that sign
            if token == NO_TOKEN:
                token = WORD if kind == LETTER else LONE_LETTER if kind == ALONE else SIGNS
                token_hash, token_length, sign = FNV_OFFSET, np.int32(0), code
            token_hash = (token_hash ^ np.uint64(code)) * FNV_PRIME
            token_length += np.int32(1)

        if kind != GAP:
            in_spaced_word, has_letter = True, has_letter or (about & ALPHABETIC) != 0

        # Sentences: a terminal mark after a word, then a gap; marks and closing quotes may follow each other.
        if is_letter:
            sentence_has_word, sentence_ended = True, False
        elif kind == SYMBOL:
            if about & TERMINAL:
                sentence_ended = sentence_has_word
                if about & WIDE and sentence_has_word:
                    row[SENTENCES] += 1
                    sentence_has_word, sentence_ended = False, False
            elif not about & CLOSING:
                sentence_ended = False
        elif kind == GAP and sentence_ended:
            row[SENTENCES] += 1
            sentence_has_word, sentence_ended = False, False

        if code == NUMBER_SIGN:
            row[NUMBER_SIGNS] += 1
        elif code == ELLIPSIS:
            row[ELLIPSES] += 1
        if code == PERIOD:
            periods += 1
        else:
            row[ELLIPSES] += periods // 3
            periods = 0

        if code != NEWLINE:
            line_hash = (line_hash ^ np.uint64(code)) * FNV_PRIME
            line_length += np.int32(1)
            if about & KIND != GAP:
                if kept_length == 0:
                    starts_with_bullet = code in (BULLET, HYPHEN)
                kept_hash, kept_length = line_hash, line_length
                ends_with, end_periods = code, periods
            continue

        sentence_has_word, sentence_ended = False, False
        if kept_length > 0:
            lines[n_lines], line_lengths[n_lines] = mix(kept_hash), kept_length
            n_lines += 1
            row[BULLET_LINES] += starts_with_bullet
            row[ELLIPSIS_LINES] += end_periods >= 3 or ends_with == ELLIPSIS
            row[PUNCTUATED_LINES] += ends_with < len(classes) and classes[ends_with] & LINE_ENDING != 0
            row[SHORT_LINES] += kept_length <= short_line
            paragraph_hash = mix(paragraph_hash ^ kept_hash) * FNV_PRIME
            paragraph_length += kept_length + np.int32(paragraph_lines > 0)
            paragraph_lines += 1
        if paragraph_lines > 0 and (kept_length == 0 or done):
            paragraphs[n_paragraphs], paragraph_lengths[n_paragraphs] = mix(paragraph_hash), paragraph_length
            n_paragraphs += 1
            paragraph_hash, paragraph_length, paragraph_lines = FNV_OFFSET, np.int32(0), np.int64(0)
        line_hash, line_length, kept_length = FNV_OFFSET, np.int32(0), np.int32(0)
    row[LINES], row[PARAGRAPHS] = n_lines, n_paragraphs
    while seen_stop_words:
        row[STOP_WORDS] += 1
        seen_stop_words &= seen_stop_words - np.uint64(1)
    return n_tokens, n_lines, n_paragraphs


@compiled(types.void(BYTES, OFFSETS, CLASSES, HASHES, types.int64, COUNTS))
def count_texts(text: Any, offsets: Any, classes: Any, stop_words: Any, short_line: Any, counts: Any) -> None:
    """Fill `counts` (n, N_COUNTS), which is zero, for n texts.

    Args: `text` valid UTF-8; `offsets` (n + 1) where each text starts; `classes` what each code point is; `stop_words`
    hashes of at most 64 words; `short_line` characters that a short line has at most.
    """
    longest = 1
    for index in range(len(offsets) - 1):
        longest = max(longest, offsets[index + 1] - offsets[index])
    table = 2
    while table < 2 * longest:
        table *= 2
    tokens, lines, paragraphs = (
        np.empty(longest, np.uint64),
        np.empty(longest, np.uint64),
        np.empty(longest, np.uint64),
    )
    token_lengths, line_lengths = np.empty(longest, np.int32), np.empty(longest, np.int32)
    paragraph_lengths = np.empty(longest, np.int32)
    ngrams, ends = np.empty(longest, np.uint64), np.empty(longest + 1, np.int64)
    keys, stamps, places = np.empty(table, np.uint64), np.zeros(table, np.int64), np.empty(table, np.int64)
    stamp = np.int64(1)
    for index in range(len(offsets) - 1):
        row = counts[index]
        n_tokens, n_lines, n_paragraphs = scan_text(
            text,
            offsets[index],
            offsets[index + 1],
            classes,
            stop_words,
            short_line,
            tokens,
            token_lengths,
            lines,
            line_lengths,
            paragraphs,
            paragraph_lengths,
            row,
        )
        stamp = count_repeats(lines, line_lengths, n_lines, keys, stamps, stamp, row, DUPLICATE_LINES)
        stamp = count_repeats(
            paragraphs, paragraph_lengths, n_paragraphs, keys, stamps, stamp, row, DUPLICATE_PARAGRAPHS
        )
        stamp = count_ngrams(tokens, token_lengths, n_tokens, ngrams, ends, keys, stamps, places, stamp, row)
