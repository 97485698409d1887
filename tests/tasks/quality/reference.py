"""The quality metrics once more, slowly: from the published definitions and the module texts, with strings and sets."""

import itertools
from collections import Counter

import regex

SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
SENTENCE_TERMINAL = regex.compile(r"\p{Sentence_Terminal}")
CLOSING = regex.compile(r"[\p{Pe}\p{Pf}\p{Pi}'\"]")
CATEGORY = {name: regex.compile(rf"\p{{{name}}}") for name in ("L", "N", "M", "P", "S", "Nl")}
NO_SPACE_TERMINALS = set("。！？．｡។៕။")
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def has(name: str, character: str) -> bool:
    """Whether the character is of the category, and of a plane in which words are written."""
    return ord(character) <= 0x3FFFF and CATEGORY[name].match(character) is not None


def role(character: str) -> str:
    """gap, letter, alone, mark or sign."""
    if has("M", character):
        return "mark"
    if (has("L", character) or has("Nl", character)) and SPACELESS.match(character):
        return "alone"
    if has("L", character) or has("N", character) or character == "_":
        return "letter"
    return "sign" if has("P", character) or has("S", character) else "gap"


def pieces(text: str) -> list[tuple[str, str]]:
    """(kind, piece) of a text in order: words, lone letters, runs of one sign, and gaps, marks taken in."""
    found: list[list[str]] = []
    for character in text:
        kind = role(character)
        before = found[-1] if found else ["gap", ""]
        if kind == "mark":
            if before[0] in ("letter", "alone"):
                before[1] += character
            elif before[0] == "gap":
                found.append(["gap", character])
        elif kind == before[0] and (kind == "letter" or (kind == "sign" and before[1][0] == character)):
            before[1] += character
        else:
            found.append([kind, character])
    return [(kind, piece) for kind, piece in found]


def words_and_signs(text: str) -> list[tuple[str, str]]:
    """What is counted: words, and signs but for a lone one between two words of a spaced script."""
    everything = pieces(text)
    kept = []
    for index, (kind, piece) in enumerate(everything):
        before = everything[index - 1][0] if index else "gap"
        after = everything[index + 1][0] if index + 1 < len(everything) else "gap"
        if kind == "gap" or (kind == "sign" and len(piece) == 1 and before == after == "letter"):
            continue
        kept.append((kind, piece))
    return kept


def spaced_words(text: str) -> list[str]:
    """Runs of anything but gaps."""
    runs = itertools.groupby(pieces(text), key=lambda piece: piece[0] == "gap")
    return ["".join(piece for _, piece in run) for gap, run in runs if not gap]


def has_letter(word: str) -> bool:
    """Whether a word holds a letter."""
    return any(has("L", character) for character in word)


def without_end(line: str) -> str:
    """The line up to its last character that is no gap; a mark is none."""
    while line and role(line[-1]) == "gap":
        line = line[:-1]
    return line


def sentences(line: str) -> int:
    """Sentences of a line that end in a terminal mark."""
    count, word, ended = 0, False, False
    kinds = [(kind, character) for kind, piece in pieces(line) for character in piece]
    for kind, character in [*kinds, ("gap", " ")]:
        if kind == "gap":
            if ended:
                count, word, ended = count + 1, False, False
        elif role(character) in ("letter", "alone"):
            word, ended = True, False
        elif role(character) == "sign":
            if SENTENCE_TERMINAL.match(character):
                ended = word
                if word and character in NO_SPACE_TERMINALS:
                    count, word, ended = count + 1, False, False
            elif not CLOSING.match(character):
                ended = False
    return count


def repeats(items: list[str]) -> tuple[int, int]:
    """How many items stood before, and their characters."""
    again = [item for index, item in enumerate(items) if item in items[:index]]
    return len(again), sum(map(len, again))


def top(tokens: list[str], n: int) -> int | None:
    """Characters in the most frequent n-gram's occurrences, spaces in it counted."""
    grams = [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
    if not grams:
        return None
    gram, times = Counter(grams).most_common(1)[0]
    return times * len(" ".join(gram))


def duplicated(tokens: list[str], n: int) -> int | None:
    """Characters of words in n-grams that stood before; after one the search goes on behind it."""
    if len(tokens) < n:
        return None
    seen, found, start = set(), 0, 0
    while start <= len(tokens) - n:
        gram = tuple(tokens[start : start + n])
        if gram in seen:
            found, start = found + len("".join(gram)), start + n
        else:
            seen.add(gram)
            start += 1
    return found


def divide(part: float | None, whole: int) -> float | None:
    """A share, or nothing where there is nothing to divide by."""
    return None if part is None or whole == 0 else part / whole


def measure(text: str) -> dict[str, int | float | bool | None]:
    """All metrics of one text by column."""
    counted = words_and_signs(text)
    words = [piece for kind, piece in counted if kind != "sign"]
    every = [piece for _, piece in counted]
    raw = [without_end(line) for line in text.split("\n")]
    lines = [line for line in raw if line]
    paragraphs = ["\n".join(group) for full, group in itertools.groupby(raw, key=bool) if full]
    n_lines = len(lines)
    spaced = spaced_words(text)
    line_repeats, line_repeat_characters = repeats(lines)
    paragraph_repeats, paragraph_repeat_characters = repeats(paragraphs)
    first = [next(character for character in line if role(character) != "gap") for line in lines]
    result: dict[str, int | float | bool | None] = {
        "n_words": len(words),
        "n_words_and_signs": len(every),
        "mean_word_length": divide(sum(map(len, words)), len(words)),
        "hash_to_word_ratio": divide(text.count("#"), len(every)),
        "ellipsis_to_word_ratio": divide(text.count("...") + text.count("…"), len(every)),
        "bullet_line_share": divide(sum(character in "•-" for character in first), n_lines),
        "ellipsis_line_share": divide(sum(line.endswith(("...", "…")) for line in lines), n_lines),
        "alphabetic_word_share": divide(sum(map(has_letter, spaced)), len(spaced)),
        "n_stop_words": len(STOP_WORDS & set(words)),
        "duplicate_line_share": divide(line_repeats, n_lines),
        "duplicate_paragraph_share": divide(paragraph_repeats, len(paragraphs)),
        "duplicate_line_character_share": divide(line_repeat_characters, len(text)),
        "duplicate_paragraph_character_share": divide(paragraph_repeat_characters, len(text)),
    }
    for n in (2, 3, 4):
        share = divide(top(every, n), len(text))
        result[f"top_{n}gram_character_share"] = share if share is None else min(share, 1.0)
    for n in range(5, 11):
        result[f"duplicate_{n}gram_character_share"] = divide(duplicated(every, n), len(text))
    punctuated = [SENTENCE_TERMINAL.match(line[-1]) is not None or line[-1] in ".'\"!?’”" for line in lines]
    return result | {
        "n_sentences": sum(map(sentences, text.split("\n"))),
        "has_curly_bracket": "{" in text,
        "has_lorem_ipsum": "lorem ipsum" in text.lower(),
        "line_punctuation_share": divide(sum(punctuated), n_lines),
        "short_line_share": divide(sum(len(line) <= 30 for line in lines), n_lines),
        "line_character_duplicate_share": divide(line_repeat_characters, len(text) - text.count("\n")),
        "newline_to_word_ratio": divide(text.count("\n"), len(every)),
    }
