"""Limits of a language without published ones, derived from two small reference corpora."""

import json
import random
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks import language_limits
from tasks.decide.rules import DecideConfig
from tasks.decide.thresholds import GROUPS
from tasks.quality.stage import QualityConfig


def corpus(words: list[str], ends: str, documents: int, seed: int) -> list[str]:
    """Texts of lines of drawn words, some of which end in a mark and some of which are repeated."""
    draw = random.Random(seed)
    texts = []
    for _ in range(documents):
        lines = [" ".join(draw.choices(words, k=9)) + draw.choice(ends) for _ in range(draw.randint(4, 12))]
        texts.append("\n".join(lines + lines[: draw.choice((0, 0, 0, 1, 3))]))
    return texts


ENGLISH = corpus(["the", "mill", "of", "a", "river", "and", "wheels", "grind", "3", "sacks"], ". ", 300, 1)
OTHER = corpus(["donaumühlenrad", "schifffahrtsweg", "und", "der", "1879", "bäckermeister"], "...  ", 300, 2)


def test_a_limit_drops_the_share_of_the_language_that_its_limit_drops_of_english() -> None:
    found = language_limits.derive(ENGLISH, OTHER)
    scores = [language_limits.scored(texts) for texts in (ENGLISH, OTHER)]
    published = DecideConfig.model_validate({"preset": "fineweb-2"}).for_source()
    assert {(group, rule) for group, rules in found.items() for rule in rules} == set(language_limits.RULES)
    for group, rule in language_limits.RULES:
        ours, theirs = (one[GROUPS[group].comparisons()[rule].column].drop_null().to_numpy() for one in scores)
        limit, derived = getattr(getattr(published, group), rule), found[group][rule]
        at_least = rule.startswith("min_")
        wanted = float((ours < limit).mean() if at_least else (ours > limit).mean())
        # A derived limit is one of the scores or between two, rounded to three places.
        least, most = ((theirs < derived + shift if at_least else theirs > derived - shift) for shift in (-1e-3, 1e-3))
        assert float(least.mean()) - 0.01 <= wanted <= float(most.mean()) + 0.01, (rule, limit, derived)
    assert found["datatrove"]["max_mean_word_length"] > 10  # the words of this language are long


def test_frequent_words_are_stop_words() -> None:
    frequent = ["und", "der", "müller", "die", "mühle", "ein", "rad", "im", "bach"]
    texts = [" ".join(frequent) + " Und und der"] * 100 + ["selten"]
    assert language_limits.stop_words(texts) == frequent
    assert language_limits.stop_words(texts, share=0.5) == frequent[:8]  # never fewer


def test_what_it_prints_is_part_of_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for name, texts in (("english", ENGLISH), ("other", OTHER)):
        lines = [json.dumps({"text": text}) + "\n" for text in texts]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    arguments = ["--code", "xx", "--english", str(tmp_path / "english.jsonl"), "--language"]
    monkeypatch.setattr(sys, "argv", ["language_limits", *arguments, str(tmp_path / "other.jsonl")])
    language_limits.main()
    recipe = yaml.safe_load(capsys.readouterr().out)
    decide, quality = DecideConfig.model_validate(recipe["decide"]), QualityConfig.model_validate(recipe["quality"])
    longest = recipe["decide"]["languages"]["xx"]["datatrove"]["max_mean_word_length"]
    own = decide.for_source(language="xx").datatrove
    assert own is not None
    assert own.max_mean_word_length == longest
    assert "der" in quality.stop_words_by_language["xx"]


def test_an_empty_corpus_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="holds no text"):
        language_limits.read(str(tmp_path / "empty.jsonl"))
