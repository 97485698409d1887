"""Words and signs of a text, its sentences, and the shares of its characters. What they are is told in `words`."""

from typing import Any

import numpy as np
from numba import types

from tasks.quality.kernels import (
    ALPHABETIC_TOKENS,
    ALPHABETIC_WORDS,
    BASE,
    CODES,
    DIGIT_CHARACTERS,
    ELLIPSES,
    ELLIPSIS,
    FLAGS,
    LENGTHS,
    LETTERED_CHARACTERS,
    LETTERED_TOKENS,
    NUMBER_SIGN,
    NUMBER_SIGNS,
    PERIOD,
    ROW,
    SPACED_WORDS,
    SYMBOL_CHARACTERS,
    TOKENS,
    UPPERCASE_CHARACTERS,
    WORD_CHARACTERS,
    WORDS,
)
from tasks.sign_kernels import HASHES, compiled, mix
from tasks.word_kernels import (
    ALONE,
    ALPHABETIC,
    CLASSES,
    CLOSING,
    DIGIT,
    GAP,
    KIND,
    LETTER,
    MARK,
    PUNCTUATION,
    SYMBOL,
    TERMINAL,
    UPPERCASE,
    WIDE,
)

NO_TOKEN, WORD, LONE_LETTER, SIGNS = 0, 1, 2, 3
JOINS, COUNTED, PARTS = 0, 1, 2
COMMA = 44
APOSTROPHES = (0x27, 0x2019)
HYPHENS = (0x2D, 0x2013, 0x2014, 0x7E)  # - – — ~
OPERATORS = (0x3A, 0x3C, 0x3E, 0x3D, 0x2F)  # : < > = /


@compiled(types.void(CODES, CLASSES, types.int64, ROW))
def count_characters(codes: Any, about: Any, count: Any, row: Any) -> None:
    """Count what needs no word: number signs, ellipses, symbols, digits, capitals, and words cut at gaps."""
    periods, ellipses, number_signs = np.int64(0), np.int64(0), np.int64(0)
    symbols, digits, capitals = np.int64(0), np.int64(0), np.int64(0)
    for index in range(count):
        code, what = codes[index], about[index]
        digits += (what & DIGIT) != 0
        capitals += (what & UPPERCASE) != 0
        symbols += what & KIND == SYMBOL
        number_signs += code == NUMBER_SIGN
        ellipses += code == ELLIPSIS
    # No branch in this loop: whether a word ends is what a processor can't foresee.
    spaced_words, alphabetic_words = np.int64(0), np.int64(0)
    in_word, has_letter = False, False
    for index in range(count):
        kind = about[index] & KIND
        inside = (kind != GAP) & ((kind != MARK) | in_word)  # a mark on nothing is a gap
        is_letter = inside & ((about[index] & ALPHABETIC) != 0)
        had_letter = in_word & has_letter
        spaced_words += inside & (not in_word)
        alphabetic_words += is_letter & (not had_letter)
        in_word, has_letter = inside, is_letter | had_letter
        ended = codes[index] != PERIOD
        ellipses += (periods // 3) * ended
        periods = (periods + 1) * (not ended)
    row[SYMBOL_CHARACTERS], row[DIGIT_CHARACTERS], row[UPPERCASE_CHARACTERS] = symbols, digits, capitals
    row[NUMBER_SIGNS], row[ELLIPSES] = number_signs, ellipses + periods // 3
    row[SPACED_WORDS], row[ALPHABETIC_WORDS] = spaced_words, alphabetic_words


@compiled(types.int64(types.uint32, types.uint16, types.uint16))
def between_words(sign: Any, before: Any, after: Any) -> Any:
    """What a lone sign does between two characters of words: JOINS them, is COUNTED itself, or only PARTS them."""
    letters = before & ALPHABETIC and after & ALPHABETIC
    digits = before & DIGIT and after & DIGIT
    if sign in APOSTROPHES:
        return PARTS
    if sign == PERIOD:
        return COUNTED if letters and not before & UPPERCASE and after & UPPERCASE else JOINS
    if sign in HYPHENS:
        return COUNTED if letters or digits else JOINS
    if sign in OPERATORS:
        return COUNTED if after & ALPHABETIC else JOINS
    return COUNTED if sign == COMMA and letters else JOINS


@compiled(
    types.int64(CODES, CLASSES, types.int64, HASHES, LENGTHS, FLAGS, HASHES, HASHES, LENGTHS, LENGTHS, FLAGS, ROW)
)
def scan_tokens(
    codes: Any,
    about: Any,
    count: Any,
    stop_keys: Any,
    stop_numbers: Any,
    seen: Any,
    tokens: Any,
    powers: Any,
    lengths: Any,
    places: Any,
    is_word: Any,
    row: Any,
) -> Any:
    """Cut a text of `count` characters into words and signs.

    Fills of each the hash, BASE to the power of its length, its length, where it begins, and if it is a word; `seen` by
    number, from place 1 on, which stop words are there (`stop_keys` is an open hash table, empty where the number is
    -1). Returns: how many words and signs.
    """
    mask = np.uint64(len(stop_keys) - 1)
    n_tokens, n_words, word_characters = np.int64(0), np.int64(0), np.int64(0)
    n_alphabetic, n_lettered, lettered_characters = np.int64(0), np.int64(0), np.int64(0)
    token, value, power, length = NO_TOKEN, np.uint64(0), np.uint64(1), np.int32(0)
    sign, follows_word, start = np.uint32(0), False, np.int32(0)
    alphabetic, lettered = False, False
    index = np.int64(-1)
    while index < count:
        index += 1
        if index < count:
            code, what = codes[index], about[index]
        else:
            code, what = np.uint32(0), np.uint16(GAP)  # the end of the text ends whatever is open
        kind = what & KIND
        if kind == MARK and token == NO_TOKEN:
            kind = GAP  # a mark on nothing
        between = token == WORD and kind == SYMBOL and index + 1 < count and about[index + 1] & KIND == LETTER
        if between and between_words(code, about[index - 1], about[index + 1]) == JOINS:
            kind = LETTER
        # The word or sign that was open ends, unless this character goes on with it.
        ended, was_word = False, token != SIGNS
        if token == SIGNS:
            if kind != MARK and (kind != SYMBOL or code != sign):
                # an apostrophe between two characters of words (it's) belongs to neither and is not counted
                ended = not (length == 1 and follows_word and kind == LETTER and sign in APOSTROPHES)
                token = NO_TOKEN
                follows_word = False
        elif token != NO_TOKEN and kind != MARK and (kind != LETTER or token == LONE_LETTER):
            ended = True
            n_words += 1
            word_characters += length
            key = mix(value)
            slot = key & mask
            while stop_numbers[slot] >= 0 and stop_keys[slot] != key:
                slot = (slot + np.uint64(1)) & mask
            seen[stop_numbers[slot] + 1] = 1  # place 0 is for words that are none
            follows_word = token == WORD
            token = NO_TOKEN
        if ended:
            tokens[n_tokens], powers[n_tokens], lengths[n_tokens] = value, power, length
            places[n_tokens], is_word[n_tokens] = start, was_word
            n_tokens += 1
            n_alphabetic += alphabetic
            n_lettered += lettered
            lettered_characters += length * lettered
        if kind == GAP:
            follows_word = False
            continue
        if token == NO_TOKEN:
            token = WORD if kind == LETTER else LONE_LETTER if kind == ALONE else SIGNS
            value, power, length, sign = np.uint64(0), np.uint64(1), np.int32(0), code
            alphabetic, lettered = False, False
            start = np.int32(index)
        elif kind == MARK and token == SIGNS:
            continue  # a mark on a sign (an emoji's variant) is part of that sign
        value = value * BASE + np.uint64(code) + np.uint64(1)
        power *= BASE
        length += np.int32(1)
        any_of, all_of = what, what
        if token == WORD:  # the letters that go on with it, in a loop of their own: most of a text
            while index + 1 < count and about[index + 1] & KIND == LETTER:
                index += 1
                value = value * BASE + np.uint64(codes[index]) + np.uint64(1)
                power *= BASE
                length += np.int32(1)
                any_of |= about[index]
                all_of &= about[index]
        alphabetic = alphabetic or (any_of & ALPHABETIC) != 0
        lettered = lettered or (all_of & PUNCTUATION) == 0
    row[TOKENS], row[WORDS], row[WORD_CHARACTERS] = n_tokens, n_words, word_characters
    row[ALPHABETIC_TOKENS], row[LETTERED_TOKENS] = n_alphabetic, n_lettered
    row[LETTERED_CHARACTERS] = lettered_characters
    return n_tokens


@compiled(types.UniTuple(types.int64, 2)(CODES, CLASSES, types.int64, types.int64))
def count_sentences(codes: Any, about: Any, start: Any, stop: Any) -> Any:
    """Sentences of the characters from `start` to `stop`. Returns: those that end in a terminal mark, and all."""
    ended_ones = np.int64(0)
    has_word, ended, open_end = False, False, False
    before = GAP
    index = start - 1
    while index < stop:
        index += 1
        what = about[index] if index < stop else np.uint16(GAP)
        kind = what & KIND
        if kind == MARK and before == GAP:
            kind = GAP
        before = kind
        if kind in (LETTER, ALONE):
            has_word, ended, open_end = True, False, True
            while index + 1 < stop and about[index + 1] & KIND in (LETTER, ALONE):
                index += 1
        elif kind == SYMBOL:
            if what & TERMINAL:
                ended = has_word
                if what & WIDE and has_word:
                    ended_ones += 1
                    has_word, ended, open_end = False, False, False
            elif not what & CLOSING:
                ended = False
        elif kind == GAP and ended:
            ended_ones += 1
            has_word, ended, open_end = False, False, False
    return ended_ones, ended_ones + open_end
