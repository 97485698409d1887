"""datatrove's four filters on the same texts: all of them measured, as a chain, and rule by rule for agreement.

`texts.jsonl` in the folder has one text a line. Its word tokenizer is spaCy's blank pipeline, which needs no model.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import split_into_sentences, split_into_words

NO_REPETITION: dict[str, Any] = {
    "dup_line_frac": None,
    "dup_para_frac": None,
    "dup_line_char_frac": None,
    "dup_para_char_frac": None,
    "top_n_grams": (),
    "dup_n_grams": (),
}
NO_GOPHER: dict[str, Any] = dict.fromkeys(
    (
        "min_doc_words",
        "max_doc_words",
        "min_avg_word_length",
        "max_avg_word_length",
        "max_symbol_word_ratio",
        "max_bullet_lines_ratio",
        "max_ellipsis_lines_ratio",
        "max_non_alpha_words_ratio",
        "min_stop_words",
    )
)
NO_C4: dict[str, Any] = {"min_num_sentences": -1, "filter_lorem_ipsum": False, "filter_curly_bracket": False}
NO_FINEWEB: dict[str, Any] = {
    "line_punct_thr": 0.0,
    "short_line_thr": 999,
    "char_duplicates_ratio": 999,
    "new_line_ratio": 999,
}


def _read(folder: Path) -> list[Document]:
    texts = [json.loads(line) for line in (folder / "texts.jsonl").read_text(encoding="utf-8").split("\n") if line]
    return [Document(text=text, id=str(number)) for number, text in enumerate(texts)]


def _filters() -> list[Any]:
    return [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]


def _drops(one: Any, text: str) -> str | None:
    """The reason for which a filter drops a text; none where there is nothing that it could measure."""
    try:
        result = one.filter(Document(text=text, id="0"))
    except ZeroDivisionError:
        return None
    return None if result is True or result[1] == "empty" else result[1]


def all_measured(folder: Path, output: Path) -> Callable[[], int]:
    """All four filters on each text, whatever the others say. Untimed before: each rule alone, and the words."""
    documents, filters = _read(folder), _filters()
    if not output.exists():
        with output.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(_verdicts(document.text)) + "\n" for document in documents)
    split_into_words("The mill.")

    def work() -> int:
        for document in documents:
            for one in filters:
                _drops(one, document.text)
        return len(documents)

    return work


def chain(folder: Path, output: Path) -> Callable[[], int]:
    """The four filters in a row: what one drops the next does not see, and FineWeb's sees what C4's leaves."""
    documents, filters = _read(folder), _filters()
    split_into_words("The mill.")

    def work() -> int:
        reasons = []
        for document in documents:
            copy = Document(text=document.text, id=document.id)
            reason = None
            for one in filters:
                result = one.filter(copy)
                if result is not True:
                    reason = result[1]
                    break
            reasons.append(reason)
        output.write_text(json.dumps(reasons), encoding="utf-8")
        return len(documents)

    return work


def _rules() -> Iterable[tuple[str, str, Any]]:
    """(our name of the rule, the text it looks at, the filter with that rule alone)."""
    for name, key, limit in (
        ("max_duplicate_line_share", "dup_line_frac", 0.3),
        ("max_duplicate_paragraph_share", "dup_para_frac", 0.3),
        ("max_duplicate_line_character_share", "dup_line_char_frac", 0.2),
        ("max_duplicate_paragraph_character_share", "dup_para_char_frac", 0.2),
    ):
        yield f"repetition.{name}", "whole", GopherRepetitionFilter(**{**NO_REPETITION, key: limit})
    for n, limit in ((2, 0.2), (3, 0.18), (4, 0.16)):
        one = GopherRepetitionFilter(**{**NO_REPETITION, "top_n_grams": ((n, limit),)})
        yield f"repetition.max_top_{n}gram_character_share", "whole", one
    for n, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)):
        one = GopherRepetitionFilter(**{**NO_REPETITION, "dup_n_grams": ((n, limit),)})
        yield f"repetition.max_duplicate_{n}gram_character_share", "whole", one
    for name, key, limit in (
        ("min_words", "min_doc_words", 50),
        ("max_words", "max_doc_words", 100_000),
        ("min_mean_word_length", "min_avg_word_length", 3),
        ("max_mean_word_length", "max_avg_word_length", 10),
        ("max_hash_to_word_ratio", "max_symbol_word_ratio", 0.1),
        ("max_ellipsis_to_word_ratio", "max_symbol_word_ratio", 0.1),
        ("max_bullet_line_share", "max_bullet_lines_ratio", 0.9),
        ("max_ellipsis_line_share", "max_ellipsis_lines_ratio", 0.3),
        ("min_alphabetic_token_share", "max_non_alpha_words_ratio", 0.8),
        ("min_stop_words", "min_stop_words", 2),
    ):
        yield f"datatrove.{name}", "whole", GopherQualityFilter(**{**NO_GOPHER, key: limit})
    for group, terminal in (("after_c4", True), ("after_fineweb", False)):
        for name, key, limit in (
            ("lorem_ipsum", "filter_lorem_ipsum", True),
            ("curly_bracket", "filter_curly_bracket", True),
            ("min_sentences", "min_num_sentences", 5),
        ):
            one = C4QualityFilter(**{**NO_C4, "filter_no_terminal_punct": terminal, key: limit})
            yield f"{group}.{name}", "whole", one
    for name, key, limit in (
        ("min_line_end_mark_share", "line_punct_thr", 0.12),
        ("max_short_line_share", "short_line_thr", 0.67),
        ("max_line_character_duplicate_share", "char_duplicates_ratio", 0.01),
        ("max_newline_to_word_ratio", "new_line_ratio", 0.3),
    ):
        yield f"after_fineweb.{name}", "after", FineWebQualityFilter(**{**NO_FINEWEB, key: limit})


RULES = list(_rules())
HASHES = ("datatrove.max_hash_to_word_ratio", "gopher_too_many_hashes")
ELLIPSES = ("datatrove.max_ellipsis_to_word_ratio", "gopher_too_many_ellipsis")


def _verdicts(text: str) -> dict[str, Any]:
    """What each rule says of a text by itself, the words that it saw, and the sentences of the lines that C4 leaves."""
    left = {}
    for name, terminal in (("after_c4", True), ("after_fineweb", False)):
        document = Document(text=text, id="0")
        C4QualityFilter(**{**NO_C4, "filter_no_terminal_punct": terminal}).filter(document)
        left[name] = document.text
    failed = []
    for rule, which, one in RULES:
        reason = _drops(one, left["after_fineweb"] if which == "after" else text)
        # one switch of datatrove's is two rules of ours, and the first hides the second
        if rule == HASHES[0] and reason != HASHES[1]:
            continue
        if rule == ELLIPSES[0]:
            words = split_into_words(text)
            if words and (text.count("...") + text.count("…")) / len(words) <= 0.1:
                continue
        if reason is not None:
            failed.append(rule)
    return {
        "failed": failed,
        "words": split_into_words(text),
        "left": left["after_fineweb"],
        "words_after": split_into_words(left["after_fineweb"]),
        "sentences": {
            name: sum(len(split_into_sentences(line)) for line in text.split("\n")) if text else 0
            for name, text in left.items()
        },
    }
