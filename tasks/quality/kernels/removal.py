"""C4's line rules: which lines and citations they take out, and the text that is left. Told in `c4`."""

from typing import Any

import numpy as np
from numba import types

from tasks.quality.kernels import (
    ALL_PHRASES,
    BRACKET,
    CITATION,
    CLOSING_BRACKET,
    CODES,
    CURLY_BRACKET,
    CURLY_BRACKETS,
    FEW_WORDS,
    HAS_BRACKET,
    HAS_CURLY,
    HAS_JAVASCRIPT,
    HAS_LOREM_IPSUM,
    HAS_POLICY,
    JAVASCRIPT,
    LENGTHS,
    LONG_WORD,
    LOREM_IPSUMS,
    NEWLINE,
    NO_TERMINAL,
    PHRASE,
    PHRASE_BOUNDS,
    PHRASE_CODES,
    POLICY,
    ROW,
    SENTENCES,
    SPANS,
)
from tasks.quality.kernels.lines import PAIR, ends_with_ellipsis, next_line, strip
from tasks.quality.kernels.tokens import count_sentences
from tasks.sign_kernels import compiled
from tasks.word_kernels import CLASSES, DIGIT, LINE_BREAK, SPACE

EDIT = np.array([ord(character) for character in "edit]"], np.uint32)
CITATION_NEEDED = np.array([ord(character) for character in "citation needed]"], np.uint32)
END_MARKS = (46, 63, 33, 34, 39)  # . ? ! " '
KELVIN = 0x212A  # the one sign whose lower case is a letter of ASCII
BLOCK = 256
N_PHRASES = len(PHRASE_BOUNDS) - 1
# The second letter of the phrases that begin with a letter: no two with the same first letter differ there.
SECOND_LETTERS = np.zeros(128, np.uint32)
for _case in (0, 32):
    SECOND_LETTERS[PHRASE_CODES[PHRASE_BOUNDS[:-1]] - _case] = PHRASE_CODES[PHRASE_BOUNDS[:-1] + 1]


@compiled(types.uint32(types.uint32))
def lower(code: Any) -> Any:
    """The code point in lower case if its lower case is of ASCII, else the code point."""
    if 65 <= code <= 90:
        return np.uint32(code + 32)
    return np.uint32(107) if code == KELVIN else np.uint32(code)


@compiled(types.boolean(CODES, types.int64, types.int64, PHRASE, types.int64, types.int64))
def matches(codes: Any, start: Any, stop: Any, phrases: Any, first: Any, last: Any) -> Any:
    """Whether the characters from `start` on, before `stop`, are in lower case phrases[first:last]."""
    if stop - start < last - first:
        return False
    place = first
    while place < last and lower(codes[start + place - first]) == phrases[place]:
        place += 1
    return place == last


@compiled(types.int64(CODES, types.int64, types.int64))
def find_phrases(codes: Any, start: Any, stop: Any) -> Any:
    """Which of PHRASES stand between `start` and `stop`, one bit each."""
    found = np.int64(0)
    for index in range(start, stop - 1):
        code = codes[index]
        if code < 128 and SECOND_LETTERS[code] != 0 and SECOND_LETTERS[code] == lower(codes[index + 1]):
            for phrase in range(N_PHRASES):
                if PHRASE_CODES[PHRASE_BOUNDS[phrase]] == lower(code) and not found >> phrase & 1:
                    bounds = PHRASE_BOUNDS[phrase], PHRASE_BOUNDS[phrase + 1]
                    if matches(codes, index, stop, PHRASE_CODES, bounds[0], bounds[1]):
                        found |= 1 << phrase
    return found


@compiled(types.boolean(CODES))
def may_hold_phrase(codes: Any) -> Any:
    """Whether there are three letters that each of PHRASES has, and few texts: lor, jav, rms, vac, oki."""
    hits = np.int64(0)
    for index in range(len(codes) - 2):
        one, two, three = codes[index] | 32, codes[index + 1] | 32, codes[index + 2] | 32
        hits += (one == 108) & (two == 111) & (three == 114)
        hits += (one == 106) & (two == 97) & (three == 118)
        hits += (one == 114) & (two == 109) & (three == 115)
        hits += (one == 118) & (two == 97) & (three == 99)
        hits += (one == 111) & ((two == 107) | (two == KELVIN)) & (three == 105)
    return hits > 0


@compiled(types.int64(CODES, types.int64, ROW))
def find_marks(codes: Any, count: Any, row: Any) -> Any:
    """Note what drops a page wherever it stands: curly brackets and lorem ipsum.

    Returns: what the line rules may meet at all, one bit each: PHRASES, HAS_BRACKET, HAS_CURLY.
    """
    found = np.int64(0)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        if may_hold_phrase(codes[start : min(stop + 2, count)]):  # a phrase goes on for 16 characters at most
            found |= find_phrases(codes, max(start - 16, 0), min(stop + 16, count))
    brackets, curly = np.int64(0), np.int64(0)
    for index in range(count):
        brackets += codes[index] == BRACKET
        curly += codes[index] == CURLY_BRACKET
    row[CURLY_BRACKETS] = curly
    row[LOREM_IPSUMS] = found & HAS_LOREM_IPSUM != 0
    return found | (HAS_BRACKET if brackets else 0) | (HAS_CURLY if curly else 0)


@compiled(types.int64(CODES, CLASSES, types.int64, types.int64))
def end_of_citation(codes: Any, about: Any, start: Any, stop: Any) -> Any:
    """Where the citation ([12], [edit], [citation needed]) with its bracket at `start` ends; -1 if it is none."""
    index = start + 1
    while index < stop and about[index] & DIGIT:
        index += 1
    if index < stop and codes[index] == CLOSING_BRACKET:
        return index + 1
    for phrase in (EDIT, CITATION_NEEDED):
        same = stop - start > len(phrase)
        for place in range(len(phrase)):
            same = same and codes[start + 1 + place] == phrase[place]
        if same:
            return start + 1 + len(phrase)
    return -1


@compiled(PAIR(CLASSES, types.int64, types.int64, types.int64, types.int64))
def spaced_words(about: Any, start: Any, stop: Any, enough: Any, long: Any) -> Any:
    """Words between white space, as Python's str.split. Returns: how many, and the characters of the longest.

    A line of at most `long` characters has no longer word, and is read until there are `enough` words.
    """
    words, longest, length = np.int64(0), np.int64(0), np.int64(0)
    short = stop - start <= long
    for index in range(start, stop):
        if short and words >= enough:
            break
        if about[index] & SPACE:
            length = 0
        else:
            words += length == 0
            length += 1
            longest = max(longest, length)
    return words, longest


@compiled(types.int64(LENGTHS, LENGTHS, LENGTHS, types.int64, types.int64, types.int64, types.int64, types.int64))
def add_span(starts: Any, ends: Any, kinds: Any, first: Any, at: Any, start: Any, end: Any, kind: Any) -> Any:
    """Put a span at `at`, or widen the one before (not before `first`) if it touches and has its kind: the next place.

    Lines in a row that one rule takes out are one span.
    """
    if at > first and kind != CITATION and kinds[at - 1] == kind and ends[at - 1] == start:
        ends[at - 1] = end
        return at
    starts[at], ends[at], kinds[at] = start, end, kind
    return at + 1


@compiled(types.int64(CODES, types.int64, types.int64, types.int64, types.boolean, ROW, ROW))
def _page_rules(codes: Any, start: Any, stop: Any, marks: Any, terminal: Any, c4: Any, fineweb: Any) -> Any:
    """Count what drops the page by a line that got so far; in `c4` if it has a terminal mark. Returns: why it goes.

    `marks` are what may stand in the line.
    """
    phrases = find_phrases(codes, start, stop) if marks & ALL_PHRASES else np.int64(0)
    lorem = phrases & HAS_LOREM_IPSUM != 0
    curly = False
    if marks & HAS_CURLY and not phrases & HAS_JAVASCRIPT:
        for index in range(start, stop):
            curly = curly or codes[index] == CURLY_BRACKET
    fineweb[LOREM_IPSUMS] += lorem
    fineweb[CURLY_BRACKETS] += curly
    c4[LOREM_IPSUMS] += lorem and terminal
    c4[CURLY_BRACKETS] += curly and terminal
    return JAVASCRIPT if phrases & HAS_JAVASCRIPT else POLICY if phrases & HAS_POLICY else -1


@compiled(
    types.int64(
        CODES,
        CLASSES,
        types.int64,
        types.int64,
        LENGTHS,
        types.int64,
        types.int64,
        CODES,
        CLASSES,
        SPANS,
        SPANS,
        SPANS,
        ROW,
        ROW,
        ROW,
    )
)
def remove_lines(
    codes: Any,
    about: Any,
    count: Any,
    marks: Any,
    sentences_of: Any,
    min_words: Any,
    max_word_length: Any,
    kept_codes: Any,
    kept_about: Any,
    starts: Any,
    ends: Any,
    kinds: Any,
    at: Any,
    c4: Any,
    fineweb: Any,
) -> Any:
    """Apply C4's line rules, and FineWeb's, which are the same without terminal punctuation.

    So what C4 leaves is part of what FineWeb leaves. `marks` are what `find_marks` found in the text, `sentences_of`
    the sentences of each line between line feeds. Fills `kept_codes` and `kept_about` with the latter, and spans of
    what goes in rows 0 (C4) and 1 (FineWeb) from at[0] and at[1] on, which are moved; counts into the rows `c4` and
    `fineweb` the sentences left, and what drops a page (curly brackets, lorem ipsum). Returns: characters left.
    """
    first_c4, first_fineweb = at[0], at[1]
    kept = np.int64(0)
    position, number, is_whole = np.int64(0), np.int64(0), True
    while position < count:
        end, after = next_line(codes, about, position, count)
        start, stop = strip(about, position, end)
        begin, cited_c4, cited_fineweb = kept, at[0], at[1]
        words, longest = spaced_words(about, start, stop, min_words, max_word_length)
        cited = False
        reason, terminal = -1, True
        if longest > max_word_length:
            reason = LONG_WORD
        else:
            index = start
            while index < stop:
                if not marks & HAS_BRACKET:
                    for place in range(stop - start):
                        kept_codes[kept + place], kept_about[kept + place] = codes[start + place], about[start + place]
                    kept += stop - start
                    break
                behind = end_of_citation(codes, about, index, stop) if codes[index] == BRACKET else -1
                if behind > 0:
                    cited = True
                    at[0] = add_span(starts[0], ends[0], kinds[0], first_c4, at[0], index, behind, CITATION)
                    at[1] = add_span(starts[1], ends[1], kinds[1], first_fineweb, at[1], index, behind, CITATION)
                    index = behind
                else:
                    kept_codes[kept], kept_about[kept] = codes[index], about[index]
                    kept += 1
                    index += 1
            marked = kept > begin and kept_codes[kept - 1] in END_MARKS
            terminal = marked and not ends_with_ellipsis(kept_codes, begin, kept)
            looked_for = marks | ALL_PHRASES if cited else marks  # a phrase may come to be where a citation stood
            reason = FEW_WORDS
            if words >= min_words:
                reason = _page_rules(kept_codes, begin, kept, looked_for, terminal, c4, fineweb)
        if reason < 0:
            # Counted already, unless the line is cut elsewhere than at line feeds, or is no longer what it was.
            sentences = np.int64(sentences_of[number])
            if cited or not is_whole or not (after == count or codes[after - 1] == NEWLINE):
                _, sentences = count_sentences(kept_codes, kept_about, begin, kept)
            fineweb[SENTENCES] += sentences
            c4[SENTENCES] += sentences if terminal else 0
            kept_codes[kept], kept_about[kept] = NEWLINE, SPACE | LINE_BREAK
            kept += 1
        else:
            kept = begin
            at[1] = add_span(starts[1], ends[1], kinds[1], first_fineweb, cited_fineweb, position, after, reason)
        if reason >= 0 or not terminal:
            why = reason if terminal else NO_TERMINAL
            at[0] = add_span(starts[0], ends[0], kinds[0], first_c4, cited_c4, position, after, why)
        is_whole = codes[after - 1] == NEWLINE
        number += is_whole
        position = after
    start, stop = strip(kept_about, np.int64(0), kept)
    for index in range(start, stop):
        kept_codes[index - start], kept_about[index - start] = kept_codes[index], kept_about[index]
    return stop - start
