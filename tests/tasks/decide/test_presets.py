"""Published rules by name: their order, what a recipe's own lines change, and that a page tells what the code does."""

from pathlib import Path
from typing import Any

import pytest

from storage.schemas.language import LANGUAGE
from storage.schemas.quality import QUALITY
from tasks.decide.decisions import decide_documents
from tasks.decide.presets import PRESETS, fineweb_2_languages
from tasks.decide.rules import DecideConfig, compile_rules
from tasks.decide.thresholds import GROUPS
from tests.tasks.decide.inputs import Page, named, write_inputs


def preset(name: str, **lines: Any) -> DecideConfig:
    return DecideConfig.model_validate({"preset": name, **lines})


def rules(config: DecideConfig) -> list[str]:
    return [rule.name for rule in compile_rules(config)]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_read_back_as_it_was_written(name: str) -> None:
    config = preset(name)
    assert DecideConfig.model_validate(config.model_dump(mode="json")) == config
    assert rules(config)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_reads_only_columns_that_are_measured(name: str) -> None:
    columns = {*QUALITY.schema.names, *LANGUAGE.schema.names}
    config = preset(name).for_source("")
    for group in GROUPS:
        thresholds = getattr(config, group)
        for rule in thresholds.predicates() if thresholds else ():
            assert thresholds.comparisons()[rule].column in columns


def test_the_order_of_fineweb_is_that_of_its_pipeline() -> None:
    groups = list(dict.fromkeys(rule.split(".")[0] for rule in rules(preset("fineweb"))))
    assert groups == ["language", "repetition", "datatrove", "after_fineweb"]
    repetition = [rule for rule in rules(preset("fineweb")) if rule.startswith("repetition.")]
    assert [rule.split("_")[2] for rule in repetition[:4]] == ["paragraph", "paragraph", "line", "line"]


def test_lines_of_a_recipe_lie_over_the_preset() -> None:
    config = preset("fineweb", datatrove={"min_words": 7}, language=None, gopher={"max_words": 9})
    assert config.language is None
    assert config.datatrove is not None
    assert (config.datatrove.min_words, config.datatrove.max_words) == (7, 100_000)
    assert config.gopher is not None
    assert config.gopher.max_words == 9
    dclm = preset("dclm", rules={"fasttext": None, "mine": "n_words < 3"})
    assert "rules.mine" in rules(dclm)
    assert "rules.fasttext" not in rules(dclm)


def test_an_unknown_preset_is_told_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no preset 'finweb'; did you mean fineweb"):
        preset("finweb")


def test_languages_of_fineweb_2_have_their_own_limits_by_both_models_codes() -> None:
    figures = fineweb_2_languages()
    assert {"de", "deu_Latn", "fr", "zh", "cmn_Hani", "no"} <= set(figures)
    assert figures["deu_Latn"]["language"] == {"min_probability": 0.821}  # GlotLID's, so not lid.176's
    assert "language" not in figures["de"]
    german, french = (preset("fineweb-2").for_source(language=code) for code in ("de", "fr"))
    assert german.repetition is not None
    assert french.repetition is not None
    assert german.repetition.max_top_2gram_character_share == 0.169
    assert german.repetition.max_top_2gram_character_share != french.repetition.max_top_2gram_character_share
    assert set(preset("fineweb-2", language={"allowed": ["de", "fr"]}).languages) == {"de", "fr"}


def decided(tmp_path: Path, pages: list[Page], config: DecideConfig) -> dict[str, list[str]]:
    documents, annotations = write_inputs(tmp_path / "inputs", pages, pieces=2, shuffle=3)
    table = decide_documents(documents, annotations, config)
    return dict(zip(table.column("doc_id").to_pylist(), table.column("failed").to_pylist(), strict=True))


def test_a_language_and_then_a_source_change_a_limit(tmp_path: Path) -> None:
    scores = {"mean_word_length": 4.0, "n_words": 40}
    where = [("web", "de"), ("web", "fr"), ("books", "de"), ("books", "fr"), ("web", None)]
    pages = [
        Page(named(number), named(number), source=source, scores={**scores, "language": language})
        for number, (source, language) in enumerate(where)
    ]
    gopher = {"min_words": 50, **dict.fromkeys(set(GROUPS["gopher"].model_fields) - {"min_words"})}
    config = DecideConfig.model_validate(
        {
            "gopher": gopher,
            "repetition": None,
            "languages": {"de": {"gopher": {"min_words": 30}}},
            "sources": {"books": {"gopher": {"min_words": 45}}},
        }
    )
    found = decided(tmp_path, pages, config)
    fails = ["gopher.min_words"]
    assert [found[named(number)] for number in range(5)] == [[], fails, fails, fails, fails]


def test_reasons_are_named_in_the_order_that_a_recipe_sets(tmp_path: Path) -> None:
    config = DecideConfig.model_validate(
        {
            "gopher": None,
            "repetition": None,
            "rules": {"a": "n_words < 60", "b": "n_words < 60", "c": "n_words < 60"},
            "order": ["rules.c", "rules.a"],
        }
    )
    found = decided(tmp_path, [Page(named(1), named(1), scores={"n_words": 5})], config)
    assert found[named(1)] == ["rules.c", "rules.a", "rules.b"]
    with pytest.raises(ValueError, match=r"decide.order: gophre is no group and no rule; did you mean gopher"):
        DecideConfig.model_validate({"order": ["gophre"]})


def test_outliers_are_the_tails_of_one_source_and_language(tmp_path: Path) -> None:
    pages, expected = [], {}
    for source, language, base in (("web", "de", 100), ("web", None, 1000), ("books", "de", 10_000)):
        for rank in range(10):
            page = Page(
                named(len(pages)),
                named(len(pages)),
                source=source,
                scores={"language": language, "mean_word_length": float(base + rank)},
            )
            pages.append(page)
            expected[page.doc_id] = ["outliers.n_characters"] if rank == 0 or rank == 9 else []
    config = DecideConfig.model_validate(
        {
            "gopher": None,
            "repetition": None,
            "outliers": {
                "n_characters": [0.2, 0.9],
                **dict.fromkeys(set(GROUPS["outliers"].model_fields) - {"n_characters"}),
            },
        }
    )
    # the test's inputs have no lengths: another column of theirs stands for it
    assert decided_as_lengths(tmp_path, pages, config) == expected


def decided_as_lengths(tmp_path: Path, pages: list[Page], config: DecideConfig) -> dict[str, list[str]]:
    import pyarrow.parquet as pq

    documents, annotations = write_inputs(tmp_path / "inputs", pages, pieces=2, shuffle=3)
    for path in annotations["quality"]:
        table = pq.read_table(path)
        pq.write_table(table.rename_columns({"mean_word_length": "n_characters"}), path)
    table = decide_documents(documents, annotations, config)
    return dict(zip(table.column("doc_id").to_pylist(), table.column("failed").to_pylist(), strict=True))


def test_outliers_need_a_language_and_percentiles_in_order() -> None:
    with pytest.raises(ValueError, match=r"0.9 is above 0.1: write the lower percentile first"):
        DecideConfig.model_validate({"outliers": {"n_characters": [0.9, 0.1]}})
