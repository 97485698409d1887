"""The compiled loops of fastText's predictions: tokens, rows, hidden vector, scores.

Every float is a 32-bit one and every sum in the library's order, so that results are the same bits. What the library
computes in double precision (a sigmoid's quotient, the logarithm's argument) is computed so here.
"""

import math
from typing import Any

import numpy as np
from numba import types

from models.compiled import compiled

BYTES = types.Array(types.uint8, 1, "C", readonly=True)
OFFSETS = types.Array(types.int64, 1, "C", readonly=True)
TABLE = types.Array(types.int32, 1, "C", readonly=True)
ROWS = types.Array(types.int32, 1, "C")
HASHES = types.Array(types.int32, 1, "C")
MATRIX = types.Array(types.float32, 2, "C", readonly=True)
TREE = types.Array(types.int32, 2, "C", readonly=True)
LABELS = types.Array(types.int32, 2, "C")
SCORES = types.Array(types.float32, 2, "C")
VECTOR = types.Array(types.float32, 1, "C")

FNV_OFFSET = np.uint32(2166136261)
FNV_PRIME = np.uint32(16777619)
LESS = ord("<")
GREATER = ord(">")
END_HASH = np.uint32(3617362777)  # of the word </s>
OF_LABELS = np.frombuffer(b"__label__", np.uint8)


@compiled(types.uint32(types.uint32, types.uint8))
def add_byte(value: Any, byte: Any) -> Any:
    """fastText's FNV-1a over 32 bits, in which a byte is signed."""
    return np.uint32((value ^ np.uint32(np.int32(np.int8(byte)))) * FNV_PRIME)


@compiled(types.int64(BYTES, types.int64, types.int64, types.int64))
def cut_characters(text: Any, start: Any, stop: Any, characters: Any) -> Any:
    """Where the first so many code points of text[start:stop] end."""
    if stop - start <= characters:
        return stop
    position, seen = start, 0
    while position < stop:
        if (text[position] & 0xC0) != 0x80:
            if seen == characters:
                return position
            seen += 1
        position += 1
    return stop


@compiled(types.int64(BYTES, types.int64, types.int64, types.uint32, TABLE, BYTES, OFFSETS))
def find_word(text: Any, start: Any, stop: Any, value: Any, slots: Any, words: Any, word_offsets: Any) -> Any:
    """The number of the word text[start:stop] with the hash `value` in the dictionary, or -1."""
    mask = len(slots) - 1
    slot = np.int64(value) & mask
    while slots[slot] >= 0:
        word = slots[slot]
        begin = word_offsets[word]
        if word_offsets[word + 1] - begin == stop - start:
            same = True
            for index in range(stop - start):
                if words[begin + index] != text[start + index]:
                    same = False
                    break
            if same:
                return np.int64(word)
        slot = (slot + 1) & mask
    return np.int64(-1)


@compiled(types.int64(types.int64, types.int64, types.int64, TABLE, TABLE))
def row_of_bucket(bucket: Any, n_words: Any, pruned: Any, bits: Any, kept: Any) -> Any:
    """The row of the input matrix for a hashed n-gram, or -1 where compression took it away."""
    if pruned == 0:
        return n_words + bucket
    if (bits[bucket >> 5] >> (bucket & 31)) & 1 == 0:
        return np.int64(-1)
    mask = len(kept) // 2 - 1
    slot = (bucket * np.int64(0x9E3779B1)) & mask
    while kept[2 * slot] != bucket:
        slot = (slot + 1) & mask
    return n_words + kept[2 * slot + 1]


@compiled(
    types.int64(BYTES, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64,
                TABLE, TABLE, types.int64, ROWS)
)  # fmt: skip
def add_subwords(
    text: Any, start: Any, stop: Any, shortest: Any, longest: Any, buckets: Any, n_words: Any, pruned: Any,
    bits: Any, kept: Any, count: Any, rows: Any,
) -> Any:  # fmt: skip
    """Append the rows of the character n-grams of `<word>`; gives the new count."""
    length = stop - start + 2
    for begin in range(length):
        first = LESS if begin == 0 else (GREATER if begin == length - 1 else np.int64(text[start + begin - 1]))
        if (first & 0xC0) == 0x80:
            continue
        value = FNV_OFFSET
        at, n = begin, 1
        while at < length and n <= longest:
            value = add_byte(value, np.uint8(
                LESS if at == 0 else (GREATER if at == length - 1 else np.int64(text[start + at - 1]))
            ))  # fmt: skip
            at += 1
            while at < length - 1 and (text[start + at - 1] & 0xC0) == 0x80:
                value = add_byte(value, text[start + at - 1])
                at += 1
            if n >= shortest and not (n == 1 and (begin == 0 or at == length)):
                row = row_of_bucket(np.int64(value % np.uint32(buckets)), n_words, pruned, bits, kept)
                if row >= 0:
                    rows[count] = row
                    count += 1
            n += 1
    return count


@compiled(
    types.int64(BYTES, types.int64, types.int64, TABLE, BYTES, OFFSETS, types.int64, types.int64, types.int64,
                types.int64, types.int64, types.int64, TABLE, TABLE, HASHES, ROWS)
)  # fmt: skip
def find_rows(
    text: Any, start: Any, stop: Any, slots: Any, words: Any, word_offsets: Any, end_word: Any, word_ngrams: Any,
    shortest: Any, longest: Any, buckets: Any, pruned: Any, bits: Any, kept: Any, hashes: Any, rows: Any,
) -> Any:  # fmt: skip
    """Fill `rows` with the rows of one text in fastText's order; gives how many. A line end parts words.

    A text without words has no rows (fastText would guess from its end alone).
    """
    n_words = len(word_offsets) - 1
    count = 0
    n_hashes = 0
    blank = True
    position = start
    while position < stop:
        byte = text[position]
        if byte == 32 or (9 <= byte <= 13) or byte == 0:
            position += 1
            continue
        blank = False
        begin = position
        value = FNV_OFFSET
        while position < stop:
            byte = text[position]
            if byte == 32 or (9 <= byte <= 13) or byte == 0:
                break
            value = add_byte(value, byte)
            position += 1
        word = find_word(text, begin, position, value, slots, words, word_offsets)
        if word < 0 and position - begin >= len(OF_LABELS):
            is_label = True
            for index in range(len(OF_LABELS)):
                if text[begin + index] != OF_LABELS[index]:
                    is_label = False
                    break
            if is_label:
                continue
        if word >= 0:
            rows[count] = word
            count += 1
        ends = (
            position - begin == 4
            and text[begin] == 60 and text[begin + 1] == 47 and text[begin + 2] == 115 and text[begin + 3] == 62
        )  # fmt: skip
        if longest > 0 and not ends:
            count = add_subwords(
                text, begin, position, shortest, longest, buckets, n_words, pruned, bits, kept, count, rows
            )
        hashes[n_hashes] = np.int32(value)
        n_hashes += 1
        if ends:  # the text itself says </s>: fastText reads no further
            break
    else:
        # fastText sees a line end behind the text, which is the word </s>
        if end_word >= 0 and not blank:
            rows[count] = end_word
            count += 1
        hashes[n_hashes] = np.int32(END_HASH)
        n_hashes += 1
    for first in range(n_hashes if word_ngrams > 1 else 0):
        chain = np.uint64(np.int64(hashes[first]))
        for other in range(first + 1, min(n_hashes, first + word_ngrams)):
            chain = chain * np.uint64(116049371) + np.uint64(np.int64(hashes[other]))
            row = row_of_bucket(np.int64(chain % np.uint64(buckets)), n_words, pruned, bits, kept)
            if row >= 0:
                rows[count] = row
                count += 1
    return count


@compiled(types.void(ROWS, types.int64, MATRIX, VECTOR))
def average_rows(rows: Any, count: Any, inputs: Any, hidden: Any) -> None:
    """Fill `hidden` with the mean of these rows."""
    hidden[:] = np.float32(0.0)
    for index in range(count):
        row = inputs[rows[index]]
        for d in range(len(hidden)):
            hidden[d] += row[d]
    share = np.float32(1.0 / count)
    for d in range(len(hidden)):
        hidden[d] *= share


@compiled(types.float32(types.float64))
def safe_log(value: Any) -> Any:
    """fastText's logarithm of a 32-bit probability: 1e-5 is added to it, in double precision."""
    return np.float32(math.log(np.float64(np.float32(value)) + 1e-5))


@compiled(types.float32(MATRIX, types.int64, VECTOR))
def dot_row(matrix: Any, row: Any, vector: Any) -> Any:
    """The product of a row and a vector, summed from the first element to the last."""
    total = np.float32(0.0)
    for d in range(len(vector)):
        total += matrix[row, d] * vector[d]
    return total


@compiled(types.int64(types.int64, types.float32, types.int64, LABELS, SCORES, types.int64))
def put(label: Any, score: Any, document: Any, labels: Any, scores: Any, found: Any) -> Any:
    """Put a label among the best of its document, best first; gives how many there are."""
    k = labels.shape[1]
    place = min(found, k)
    while place > 0 and scores[document, place - 1] < score:
        place -= 1
    if place == k:
        return found
    for later in range(min(found, k - 1), place, -1):
        scores[document, later] = scores[document, later - 1]
        labels[document, later] = labels[document, later - 1]
    scores[document, place] = score
    labels[document, place] = label
    return min(found + 1, k)


@compiled(types.int64(VECTOR, MATRIX, TREE, types.int64, LABELS, SCORES, ROWS, VECTOR))
def walk_tree(
    hidden: Any, outputs: Any, tree: Any, document: Any, labels: Any, scores: Any, stack: Any, weights: Any
) -> Any:
    """Hierarchical softmax: the best labels by a depth-first walk, left before right, that leaves out what can't win.

    `tree` (nodes, 2): children of each node behind the leaves, which are the labels. Gives how many labels were found.
    """
    n_labels = len(outputs)
    k = labels.shape[1]
    found = 0
    least = safe_log(0.0)
    stack[0] = 2 * n_labels - 2
    weights[0] = np.float32(0.0)
    depth = 1
    while depth > 0:
        depth -= 1
        node, score = stack[depth], weights[depth]
        if score < least or (found == k and score < scores[document, k - 1]):
            continue
        if node < n_labels:
            found = put(node, score, document, labels, scores, found)
            continue
        product = dot_row(outputs, node - n_labels, hidden)
        right = np.float32(1.0 / np.float64(np.float32(1.0) + np.float32(math.exp(np.float32(-product)))))
        stack[depth] = tree[node - n_labels, 1]
        weights[depth] = score + safe_log(right)
        stack[depth + 1] = tree[node - n_labels, 0]
        weights[depth + 1] = score + safe_log(1.0 - np.float64(right))
        depth += 2
    return found


@compiled(types.int64(VECTOR, MATRIX, types.int64, LABELS, SCORES, VECTOR))
def score_all(hidden: Any, outputs: Any, document: Any, labels: Any, scores: Any, weights: Any) -> Any:
    """Softmax over all labels; gives how many of the best were found."""
    n_labels = len(outputs)
    for label in range(n_labels):
        weights[label] = dot_row(outputs, label, hidden)
    highest = weights[0]
    for label in range(n_labels):
        highest = max(highest, weights[label])
    total = np.float32(0.0)
    for label in range(n_labels):
        # in double precision, as the library does here (and here alone): another last bit once in 1,500 values
        weights[label] = np.float32(math.exp(np.float64(np.float32(weights[label] - highest))))
        total += weights[label]
    found = 0
    for label in range(n_labels):
        found = put(label, safe_log(np.float32(weights[label] / total)), document, labels, scores, found)
    return found


@compiled(
    types.void(BYTES, OFFSETS, types.int64, TABLE, BYTES, OFFSETS, types.int64, types.int64, types.int64, types.int64,
               types.int64, types.int64, TABLE, TABLE, MATRIX, MATRIX, TREE, LABELS, SCORES)
)  # fmt: skip
def predict_texts(
    text: Any, offsets: Any, characters: Any, slots: Any, words: Any, word_offsets: Any, end_word: Any,
    word_ngrams: Any, shortest: Any, longest: Any, buckets: Any, pruned: Any, bits: Any, kept: Any, inputs: Any,
    outputs: Any, tree: Any, labels: Any, scores: Any,
) -> None:  # fmt: skip
    """Fill `labels` and `scores` (texts, k) with the best labels of each text, best first; -1 where there is none.

    `text` valid UTF-8; `offsets` (n + 1) where each text starts; only its first `characters` code points count. Scores
    are probabilities. `tree` without rows: softmax; else the tree of a hierarchical one.
    """
    longest_text = np.int64(0)
    for document in range(len(offsets) - 1):
        longest_text = max(longest_text, offsets[document + 1] - offsets[document])
    longest_text = min(longest_text, 4 * characters)
    # a word of n bytes has at most (n + 2) * (longest - shortest + 1) n-grams, and costs a separator
    per_byte = 2 + word_ngrams + 2 * max(np.int64(0), longest - shortest + 1)
    rows = np.empty((longest_text + 4) * per_byte, np.int32)
    hashes = np.empty(longest_text + 2, np.int32)
    hidden = np.empty(inputs.shape[1], np.float32)
    stack = np.empty(2 * len(outputs) + 2, np.int32)
    weights = np.empty(2 * len(outputs) + 2, np.float32)
    for document in range(len(offsets) - 1):
        stop = cut_characters(text, offsets[document], offsets[document + 1], characters)
        count = find_rows(
            text, offsets[document], stop, slots, words, word_offsets, end_word, word_ngrams, shortest, longest,
            buckets, pruned, bits, kept, hashes, rows,
        )  # fmt: skip
        found = np.int64(0)
        if count > 0:
            average_rows(rows, count, inputs, hidden)
            if len(tree):
                found = walk_tree(hidden, outputs, tree, document, labels, scores, stack, weights)
            else:
                found = score_all(hidden, outputs, document, labels, scores, weights)
        for place in range(labels.shape[1]):
            if place < found:
                scores[document, place] = np.float32(math.exp(scores[document, place]))
            else:
                labels[document, place] = -1
                scores[document, place] = np.float32(0.0)


@compiled(types.void(HASHES, TABLE, types.int64))
def fill_slots(slots: Any, hashes: Any, mask: Any) -> None:
    """Put the numbers of the words with these hashes into a table of free slots (-1), the next free one on a clash."""
    for word in range(len(hashes)):
        slot = np.int64(np.uint32(hashes[word])) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = word


@compiled(types.void(BYTES, OFFSETS, HASHES))
def hash_strings(text: Any, offsets: Any, hashes: Any) -> None:
    """fastText's hash of each word."""
    for word in range(len(offsets) - 1):
        value = FNV_OFFSET
        for index in range(offsets[word], offsets[word + 1]):
            value = add_byte(value, text[index])
        hashes[word] = np.int32(value)
