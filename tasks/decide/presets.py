"""Published sets of rules by name, for `decide.preset`: which rules, with which limits, in which order.

A page on each, with its source and where paper and code differ, is in docs/presets. A preset says something of every
group: those that it does not name are off. The lines of a recipe's own `decide` section are laid over it.
"""

from collections.abc import Mapping
from typing import Any

from tasks.decide.predicates import nearest
from tasks.fineweb_2 import CODES, figures

LANGUAGE_GROUPS = {
    "min_probability": "language",
    "min_line_end_mark_share": "fineweb",
    "max_newline_to_word_ratio": "fineweb",
    "min_mean_word_length": "datatrove",
    "max_mean_word_length": "datatrove",
    "min_alphabetic_token_share": "datatrove",
}
"""The group of each figure; of those that are not here, `repetition`."""

OFF: dict[str, Any] = dict.fromkeys(
    (
        "language",
        "gopher",
        "repetition",
        "datatrove",
        "c4",
        "after_c4",
        "fineweb",
        "after_fineweb",
        "refinedweb",
        "outliers",
    )
)
PARAGRAPHS_FIRST = ("repetition.max_duplicate_paragraph_share", "repetition.max_duplicate_paragraph_character_share")
"""datatrove looks at paragraphs before lines."""
ENGLISH = {"allowed": ["en"], "min_probability": 0.65}


def _gopher() -> dict[str, Any]:
    return {"gopher": {}, "repetition": {}, "order": ["gopher", "repetition"]}


def _c4() -> dict[str, Any]:
    return {
        "after_c4": {"bad_word": True},
        "language": {"allowed": ["en"], "min_probability": 0.99},
        "order": ["after_c4", "language"],
    }


def _fineweb() -> dict[str, Any]:
    return {
        "language": ENGLISH,
        "repetition": {},
        "datatrove": {},
        "after_fineweb": {},
        "order": ["language", *PARAGRAPHS_FIRST, "repetition", "datatrove", "after_fineweb"],
    }


def _fineweb_2() -> dict[str, Any]:
    languages = fineweb_2_languages()
    return {
        "language": {"allowed": sorted(languages), "min_probability": 0.65},
        "repetition": {
            "max_duplicate_line_character_share": None,
            "max_duplicate_paragraph_share": None,
            "max_duplicate_paragraph_character_share": None,
        },
        "fineweb": {"min_line_punctuation_share": None, "min_line_end_mark_share": 0.12, "max_short_line_share": None},
        "datatrove": {"min_stop_words": None, "min_stop_words_of_language": 2},
        "languages": languages,
        "order": ["language", "repetition", "fineweb", "datatrove"],
    }


def _refinedweb() -> dict[str, Any]:
    return {
        "language": ENGLISH,
        "repetition": {},
        "gopher": {},
        "refinedweb": {},
        "order": ["language", "repetition", "gopher", "refinedweb"],
    }


def _dclm() -> dict[str, Any]:
    return {
        **_refinedweb(),
        "rules": {"fasttext": "dclm_score < 0.018112"},
        "order": ["language", "gopher", "repetition", "refinedweb", "rules.fasttext"],
    }


PRESETS = {
    "gopher": _gopher,
    "c4": _c4,
    "fineweb": _fineweb,
    "fineweb-2": _fineweb_2,
    "refinedweb": _refinedweb,
    "dclm": _dclm,
}


def fineweb_2_languages() -> dict[str, dict[str, dict[str, float | None]]]:
    """What FineWeb-2 asks of each language, as `decide.languages` has it, by GlotLID's codes and by lid.176's.

    The least probability is one of GlotLID's, so languages by lid.176's code have none of their own.
    """
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for row in figures():
        for column in CODES:
            groups = found.setdefault(row[column], {})
            for name, figure in row.items():
                if name in CODES or (name == "min_probability" and column == "lid_176"):
                    continue
                limit: float | None = float(figure)
                if limit < 0 or (name.endswith("_share") and limit > 1):
                    limit = None  # no document is beyond it: that rule is off for the language
                groups.setdefault(LANGUAGE_GROUPS.get(name, "repetition"), {})[name] = limit
    return found


def expand(content: Any) -> Any:
    """A `decide` section with the preset that it names under its own lines; as it is where it names none.

    Of languages that a preset knows, those stay that the section allows, if it says which.
    Raises: ValueError if there is no such preset.
    """
    if not isinstance(content, Mapping) or content.get("preset") is None:
        return content
    name = content["preset"]
    if name not in PRESETS:
        raise ValueError(
            f"decide.preset: there is no preset {name!r}{nearest(str(name), PRESETS)} Known: {', '.join(PRESETS)}."
        )
    preset = {**OFF, **PRESETS[name]()}
    language = content.get("language")
    allowed = language.get("allowed") if isinstance(language, Mapping) else None
    if allowed is not None and "languages" in preset:
        preset["languages"] = {code: groups for code, groups in preset["languages"].items() if code in allowed}
    return _lay_over(preset, content)


def _lay_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merged key by key; what is not a mapping, null too, replaces what lies below."""
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        if hasattr(value, "model_dump"):
            value = value.model_dump()
        merged[key] = _lay_over(lower, value) if isinstance(lower, Mapping) and isinstance(value, Mapping) else value
    return merged
