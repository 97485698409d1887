"""Limits for a language without published ones.

    python -m benchmarks.language_limits --code xx --english english.jsonl --language xx.jsonl

Both files hold a reference corpus, of text as good as a crawl's best: a JSON object with `text` on each line. For each
rule of the preset fineweb-2 the limit is the one that drops the same share of the language's reference as the English
limit drops of the English reference (by quantiles, one of the methods that FineWeb-2 compares; Penedo et al. 2025).
Stop words are the language's most frequent words. Prints the sections `decide.languages` and
`quality.stop_words_by_language` of a recipe.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import regex
import yaml

from tasks.decide.rules import DecideConfig
from tasks.decide.thresholds import GROUPS
from tasks.quality.stage import QualityConfig, measure_quality

RULES = (
    ("repetition", "max_duplicate_line_share"),
    *(("repetition", f"max_top_{n}gram_character_share") for n in (2, 3, 4)),
    *(("repetition", f"max_duplicate_{n}gram_character_share") for n in (5, 6, 7, 8, 9, 10)),
    ("fineweb", "min_line_end_mark_share"),
    ("fineweb", "max_newline_to_word_ratio"),
    ("datatrove", "min_mean_word_length"),
    ("datatrove", "max_mean_word_length"),
    ("datatrove", "min_alphabetic_token_share"),
)
WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*")


def read(path: str) -> list[str]:
    """The texts of a reference corpus."""
    with Path(path).open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file if line.strip()]
    if not texts:
        raise SystemExit(f"{path} holds no text: limits are derived from a reference corpus.")
    return texts


def derive(english: list[str], language: list[str]) -> dict[str, dict[str, float]]:
    """The limits of a language by group and rule, from two reference corpora."""
    scores = [scored(texts) for texts in (english, language)]
    limits = DecideConfig.model_validate({"preset": "fineweb-2"}).for_source()
    found: dict[str, dict[str, float]] = {}
    for group, rule in RULES:
        column, limit = GROUPS[group].comparisons()[rule].column, getattr(getattr(limits, group), rule)
        ours, theirs = (table[column].drop_null().to_numpy() for table in scores)
        below = float((ours < limit).mean()) if rule.startswith("min_") else float((ours <= limit).mean())
        found.setdefault(group, {})[rule] = round(float(np.quantile(theirs, below)), 3)
    return found


def stop_words(texts: list[str], share: float = 0.008) -> list[str]:
    """Words that are more than `share` of all words, at least the eight most frequent ones, most frequent first."""
    counts = Counter(word for text in texts for word in WORD.findall(text.lower()))
    total = sum(counts.values())
    ranked = counts.most_common()
    return [word for rank, (word, times) in enumerate(ranked) if rank < 8 or times > share * total]


def scored(texts: list[str]) -> pa.Table:
    """What the stage `quality` measures of texts."""
    batches = [
        pa.RecordBatch.from_pydict({"text": pa.array(texts[start : start + 256], pa.large_string())})
        for start in range(0, len(texts), 256)
    ]
    return pa.Table.from_batches([measure_quality.fn(batch, QualityConfig()) for batch in batches])


def main() -> None:
    """Print the sections of a recipe."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--english", required=True, help="JSONL of an English reference corpus")
    parser.add_argument("--language", required=True, help="JSONL of the language's reference corpus")
    parser.add_argument("--code", required=True, help="the language model's code of the language")
    asked = parser.parse_args()
    texts = read(asked.language)
    recipe = {
        "quality": {"stop_words_by_language": {asked.code: stop_words(texts)}},
        "decide": {"preset": "fineweb-2", "languages": {asked.code: derive(read(asked.english), texts)}},
    }
    print(yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False))


if __name__ == "__main__":
    main()
