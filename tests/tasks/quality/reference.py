"""The quality metrics once more, slowly: from the published definitions and the module texts, with strings and sets."""

import functools
import itertools
import math
import re
from collections import Counter

import regex

SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc\uff70]")
SENTENCE_TERMINAL = regex.compile(r"\p{Sentence_Terminal}")
CLOSING = regex.compile(r"[\p{Pe}\p{Pf}\p{Pi}'\"]")
CATEGORY = {name: regex.compile(rf"\p{{{name}}}") for name in ("L", "N", "M", "P", "S", "Nl")}
NO_SPACE_TERMINALS = set("。！？．｡។៕။")
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


@functools.cache
def has(name: str, character: str) -> bool:
    """Whether the character is of the category, and of a plane in which words are written."""
    return ord(character) <= 0x3FFFF and CATEGORY[name].match(character) is not None


@functools.cache
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


def between(before: str, sign: str, after: str) -> str:
    """What a lone sign does between two characters of words."""
    letters, digits = has("L", before) and has("L", after), is_digit(before) and is_digit(after)
    if sign in "'’":
        return "parts"
    if sign == ".":
        return "counts" if letters and not is_upper(before) and is_upper(after) else "joins"
    if sign in "-–—~":
        return "counts" if letters or digits else "joins"
    if sign in ":<>=/":
        return "counts" if has("L", after) else "joins"
    return "counts" if sign == "," and letters else "joins"


def is_digit(character: str) -> bool:
    """Whether a character is a decimal digit."""
    return regex.match(r"\p{Nd}", character) is not None


def is_upper(character: str) -> bool:
    """Whether a character is a capital."""
    return regex.match(r"\p{Uppercase}", character) is not None


def words_and_signs(text: str) -> list[tuple[str, str]]:
    """What is counted: words, which lone signs may join, and signs but for an apostrophe between two words."""
    everything, kept = pieces(text), []
    kinds = [kind for kind, _ in everything]
    joins = False  # whether what comes goes on with the last word
    for index, (kind, piece) in enumerate(everything):
        is_between = kind == "sign" and len(piece) == 1 and kinds[index - 1 : index + 2] == ["letter", "sign", "letter"]
        role_of_it = between(everything[index - 1][1][-1], piece, everything[index + 1][1][0]) if is_between else ""
        if joins or role_of_it == "joins":
            kept[-1] = ("letter", kept[-1][1] + piece)
            joins = not joins
        elif kind != "gap" and role_of_it != "parts":
            kept.append((kind, piece))
    return kept


def spaced_words(text: str) -> list[str]:
    """Runs of anything but gaps."""
    runs = itertools.groupby(pieces(text), key=lambda piece: piece[0] == "gap")
    return ["".join(piece for _, piece in run) for gap, run in runs if not gap]


def has_letter(word: str) -> bool:
    """Whether a word holds a letter."""
    return any(has("L", character) for character in word)


def sentences(line: str, unfinished: bool = False) -> int:
    """Sentences of a line that end in a terminal mark; with `unfinished` also what stands behind the last of them."""
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
    return count + (unfinished and word)


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
        gram = "".join(tokens[start : start + n])
        if gram in seen:
            found, start = found + len(gram), start + n
        else:
            seen.add(gram)
            start += 1
    return found


def divide(part: float | None, whole: int) -> float | None:
    """A share, or nothing where there is nothing to divide by."""
    return None if part is None or whole == 0 else part / whole


def share_of(condition, items) -> float | None:
    """The share of items of which the condition holds."""
    items = list(items)
    return divide(sum(map(bool, map(condition, items))), len(items))


def is_terminal(character: str, quotes: bool) -> bool:
    """Whether a line that ends so ends with a mark."""
    more = ".'\"!?’”" if quotes else ""
    return SENTENCE_TERMINAL.match(character) is not None or character in more + "\u17d6\u17d9\u17da"


def fineweb(text: str) -> dict[str, float | None]:
    """FineWeb's metrics."""
    lines = [line for line in text.split("\n") if line.strip()]
    return {
        "line_punctuation_share": share_of(lambda line: is_terminal(line[-1], True), lines),
        "line_end_mark_share": share_of(lambda line: is_terminal(line[-1], False), lines),
        "short_line_share": share_of(lambda line: len(line) <= 30, lines),
        "line_character_duplicate_share": divide(repeats(lines)[1], len(text) - text.count("\n")),
        "newline_to_word_ratio": divide(text.count("\n"), len(words_and_signs(text))),
    }


CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def c4(text: str, terminal: bool) -> tuple[str, bool, bool, list[str]]:
    """C4's line rules: what is left, whether a line drops the page by { or lorem ipsum, why the other lines go."""
    kept, curly, lorem, why = [], False, False, []
    for whole in text.splitlines():
        line = whole.strip()
        words = line.split()
        if any(len(word) > 1000 for word in words):
            why.append("long_word")
            continue
        line = CITATION.sub("", line)
        lowered = line.lower()
        if terminal and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
            why.append("no_terminal_punctuation")
            continue
        if len(words) < 3:
            why.append("few_words")
            continue
        lorem = lorem or "lorem ipsum" in lowered
        if "javascript" in lowered:
            why.append("javascript")
            continue
        curly = curly or "{" in line
        if any(phrase in lowered for phrase in POLICY):
            why.append("policy")
            continue
        kept.append(line)
    return "\n".join(kept).strip(), curly, lorem, why


COUNTER = re.compile(
    r"\W*\d[\d,.]*[kmb]?\s+(likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views"
    r"|followers)\W*"
)


def refine(text: str) -> tuple[str, list[str]]:
    """RefinedWeb's line rules: what is left, and why lines or pieces of them go."""
    kept, why = [], []
    for line in text.split("\n"):
        if not line:
            kept.append(line)
        elif sum(regex.match(r"\p{Uppercase}", character) is not None for character in line) > len(line) / 2:
            why.append("uppercase")
        elif all(regex.match(r"\p{Nd}", character) for character in line):
            why.append("numeric")
        elif COUNTER.fullmatch(line.replace("\u212a", "k").lower()):
            why.append("counter")
        elif len(line.split()) < 2:
            why.append("one_word")
        elif len(line.split()) <= 10:
            left = line
            for name, pattern in (
                ("sign_in", r"^sign-in\s?"),
                ("read_more", r"\s?read more(\.\.\.|…)$"),
                ("items_in_cart", r"\s?items in cart"),
            ):
                left, times = re.subn(pattern, "", left, flags=re.IGNORECASE)
                why += [name] * times
            if left.strip():
                kept.append(left)
        else:
            kept.append(line)
    return "\n".join(kept), why


def shape(text: str) -> dict[str, float | None]:
    """Length, entropy and shares of characters."""
    n = len(text)
    return {
        "n_characters": n,
        "character_entropy": -sum(times / n * math.log2(times / n) for times in Counter(text).values()) if n else None,
        "symbol_share": share_of(lambda character: role(character) == "sign", text),
        "digit_share": share_of(lambda character: regex.match(r"\p{Nd}", character), text),
        "uppercase_share": share_of(lambda character: regex.match(r"\p{Uppercase}", character), text),
    }


def after(prefix: str, text: str, terminal: bool) -> dict[str, int | bool]:
    """C4's page rules on what its line rules leave."""
    left, curly, lorem, _ = c4(text, terminal)
    return {
        f"{prefix}_n_sentences": sum(sentences(line, unfinished=True) for line in left.split("\n")),
        f"{prefix}_has_curly_bracket": curly,
        f"{prefix}_has_lorem_ipsum": lorem,
    }


PUNCTUATION = set("!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»")


def more_than_punctuation(token: str) -> bool:
    """Whether a token is what datatrove calls a word."""
    return any(character not in PUNCTUATION and not is_terminal(character, False) for character in token)


def measure(text: str) -> dict[str, int | float | bool | None]:
    """All metrics of one text by column, without spans."""
    counted = words_and_signs(text)
    words = [piece for kind, piece in counted if kind != "sign"]
    every = [piece for _, piece in counted]
    all_lines = [line.strip() for line in text.splitlines()]
    full_lines = [line for line in all_lines if line]
    pieces_of_lines = re.split("\n+", text) if text else []
    paragraphs = re.split("\n{2,}", text.strip()) if text.strip() else []
    line_repeats, line_repeat_characters = repeats(pieces_of_lines)
    paragraph_repeats, paragraph_repeat_characters = repeats(paragraphs)
    lettered = [token for token in every if more_than_punctuation(token)]
    spaced = spaced_words(text)

    def bullet(line: str) -> bool:
        return line.startswith(("•", "-"))

    def ellipsis(line: str) -> bool:
        return line.endswith(("...", "…"))

    result: dict[str, int | float | bool | None] = {
        "n_words": len(words),
        "n_words_and_signs": len(every),
        "mean_word_length": divide(sum(map(len, words)), len(words)),
        "hash_to_word_ratio": divide(text.count("#"), len(every)),
        "ellipsis_to_word_ratio": divide(text.count("...") + text.count("…"), len(every)),
        "bullet_line_share": share_of(bullet, full_lines),
        "ellipsis_line_share": share_of(ellipsis, full_lines),
        "bullet_line_share_of_all": share_of(bullet, all_lines),
        "ellipsis_line_share_of_all": share_of(ellipsis, all_lines),
        "alphabetic_word_share": share_of(has_letter, spaced),
        "n_datatrove_words": len(lettered),
        "mean_datatrove_word_length": divide(sum(map(len, lettered)), len(lettered)),
        "alphabetic_token_share": share_of(has_letter, every),
        "n_stop_words": len(STOP_WORDS & set(words)),
        "duplicate_line_share": divide(line_repeats, len(pieces_of_lines)),
        "duplicate_paragraph_share": divide(paragraph_repeats, len(paragraphs)),
        "duplicate_line_character_share": divide(line_repeat_characters, len(text)),
        "duplicate_paragraph_character_share": divide(paragraph_repeat_characters, len(text)),
    }
    for n in (2, 3, 4):
        share = divide(top(every, n), len(text))
        result[f"top_{n}gram_character_share"] = share if share is None else min(share, 1.0)
    for n in range(5, 11):
        result[f"duplicate_{n}gram_character_share"] = divide(duplicated(every, n), len(text))
    left = c4(text, False)[0]
    return result | {
        "n_sentences": sum(map(sentences, text.split("\n"))),
        "has_curly_bracket": "{" in text,
        "has_lorem_ipsum": "lorem ipsum" in text.lower(),
        **fineweb(text),
        **after("after_c4", text, True),
        **after("after_fineweb", text, False),
        **{f"after_fineweb_{name}": value for name, value in fineweb(left).items()},
        **shape(text),
    }
