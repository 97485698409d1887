"""Quality metrics against a slow reference on nasty texts, against cases counted by hand, and as a stage."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage.schemas.quality import QUALITY
from tasks.decide.rules import GROUPS
from tasks.quality.stage import QualityConfig, measure_quality
from tasks.run import running
from tests.tasks.quality.reference import c4, measure, refine, words_and_signs
from tests.tasks.toy import LinesConfig, lines

ODDITIES = """the be of Mill mill it's 3.14 a-b # ... … • - -- _ {x} e\u0301 ❤\ufe0f 👩\u200d🌾 漢字 です。 ไทย ကမ္ဘာ
שלום السلام؟ हिन्दी। \0 \u200b end." 1) a b"""
PHRASES = [
    "Lorem ipsum",
    ". . .",
    "\r",
    "Sign-in",
    "Read more...",
    "read more…",
    "items in cart",
    "3 likes",
    "1.2K views",
]
PHRASES += [
    "JavaScript",
    "use cookies",
    "Privacy policy",
    "[12]",
    "[edit]",
    "[citation needed]",
    "[",
    "12",
    "ABC",
    "it.",
]
WORDS = st.sampled_from([*ODDITIES.split(), *PHRASES])
SPACES = st.sampled_from([" ", "  ", "", "\n", "\n\n", "\n \n", "\t", "\u00a0", "\u2028", ". ", ".\n", "...\n", "\x0c"])
PROSE = st.lists(st.tuples(WORDS, SPACES), max_size=40).map(lambda pairs: "".join(map("".join, pairs)))
REPEATED = st.tuples(PROSE, st.integers(1, 4), SPACES).map(lambda drawn: drawn[2].join([drawn[0]] * drawn[1]))
NASTY = REPEATED | st.text(max_size=60) | st.text(st.sampled_from("a. \n#"), max_size=80)


SPANS_COLUMNS = ("c4_line_spans", "fineweb_line_spans", "refinedweb_line_spans")
OFF = {"n_stop_words_by_language": [], "has_c4_bad_word": None}


def measured(*texts: str, config: QualityConfig | None = None) -> list[dict]:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})
    return measure_quality.fn(batch, config or QualityConfig()).to_pylist()


@given(st.lists(NASTY, min_size=1, max_size=4))
@settings(max_examples=400)
@example(["", " ", "\n", "\0", "one", "👩\u200d🌾", "\u0301", "a\u0301\u0301.", "word " * 3000])
@example(["x\ufeff\n...", "\U000e0001\U000f0000", "ha ha ha ha ha ha ha ha ha ha ha ha"])
def test_every_metric_equals_the_slow_reference(texts: list[str]) -> None:
    equals_the_reference(texts)


def test_a_megabyte_on_one_line_equals_the_slow_reference() -> None:
    prose = "The mill grinds 3.14 sacks of the river's rye, well-known... {x} e\u0301 ❤\ufe0f. " * 40
    equals_the_reference([prose + (" " * 999 + "mill") * 1000 + "x" * 2000 + prose])


def test_what_one_line_holds_does_not_move_what_is_counted_of_the_next_text() -> None:
    texts = [
        "The mill {x} [1] use cookies now.\nLorem ipsum dolor sit.",
        "A b c.\r\nd e f\x0bg h i.\n\n. j k l",
        "a b c.",
    ]
    assert measured(*texts) == [row for text in texts for row in measured(text)]


def equals_the_reference(texts: list[str]) -> None:
    for text, row in zip(texts, measured(*texts), strict=True):
        expected = measure(text)
        shares = {name: float(np.float32(value)) for name, value in expected.items() if isinstance(value, float)}
        scores = {name: value for name, value in row.items() if name not in SPANS_COLUMNS}
        entropy = shares.pop("character_entropy", None)  # a sum: its last bits depend on its order
        assert scores.pop("character_entropy") == (entropy if entropy is None else pytest.approx(entropy, rel=1e-6))
        expected.pop("character_entropy")
        words, removed = expected["n_words"], begun_in(text, row["refinedweb_line_spans"])
        assert scores.pop("after_c4_n_words") == words - begun_in(text, row["c4_line_spans"])
        assert scores.pop("refinedweb_removed_word_share") == (float(np.float32(removed / words)) if words else None)
        assert scores == expected | shares | OFF, repr(text)


def begun_in(text: str, spans: list[dict]) -> int:
    """How many words begin in the spans."""

    def before(place: int) -> int:
        return sum(kind != "sign" for kind, _ in words_and_signs(text[:place]))

    return sum(before(span["end"]) - before(span["start"]) for span in spans)


def without(text: str, spans: list[dict]) -> str:
    """What is left of a text."""
    left, place = "", 0
    for span in spans:
        assert place <= span["start"] < span["end"] <= len(text)
        left, place = left + text[place : span["start"]], span["end"]
    return left + text[place:]


def lines_of(text: str) -> list[str]:
    """Lines without the white space around them and without empty lines."""
    return [line.strip() for line in text.splitlines() if line.strip()]


@given(st.lists(NASTY, min_size=1, max_size=4))
@settings(max_examples=300)
@example(["  [1] \n[2]", "Sign-in  items in cart\nsign-in", "1,5k likes!\n99\nLOUD\n", "\u212a likes\n7\u212a likes"])
def test_spans_are_what_the_line_rules_take_out(texts: list[str]) -> None:
    for text, row in zip(texts, measured(*texts), strict=True):
        for name, terminal in (("c4_line_spans", True), ("fineweb_line_spans", False)):
            left, _, _, why = c4(text, terminal)
            assert lines_of(without(text, row[name])) == lines_of(left), repr(text)
            assert {span["kind"] for span in row[name]} - {"citation"} == set(why), repr(text)
        left, why = refine(text)
        assert without(text, row["refinedweb_line_spans"]).rstrip("\n") == left.rstrip("\n"), repr(text)
        assert {span["kind"] for span in row["refinedweb_line_spans"]} <= set(why), repr(text)


def test_cases_counted_by_hand() -> None:
    text = "The mill, the river.\n- Flour & bread...\n\nThe mill, the river."
    (row,) = measured(text)
    # words: The mill the river | Flour bread | The mill the river; signs: , . - & ... , .
    assert (row["n_words"], row["n_words_and_signs"]) == (10, 17)
    assert row["mean_word_length"] == pytest.approx((2 * (3 + 4 + 3 + 5) + 5 + 5) / 10)
    assert row["ellipsis_to_word_ratio"] == pytest.approx(1 / 17)
    assert row["bullet_line_share"] == row["ellipsis_line_share"] == pytest.approx(1 / 3)
    assert row["alphabetic_word_share"] == pytest.approx(10 / 12)  # all but "-" and "&"
    assert row["n_stop_words"] == 1  # "the"; "The" is not as written
    assert row["n_sentences"] == 3
    assert row["line_punctuation_share"] == 1.0
    assert row["short_line_share"] == 1.0
    assert row["duplicate_line_share"] == pytest.approx(1 / 3)
    assert row["duplicate_paragraph_share"] == 0.0
    assert row["duplicate_line_character_share"] == pytest.approx(20 / len(text))
    assert row["line_character_duplicate_share"] == pytest.approx(20 / (len(text) - 3))
    assert row["newline_to_word_ratio"] == pytest.approx(3 / 17)
    # all three-grams of the line are there twice; the first is "The mill ,"
    assert row["top_3gram_character_share"] == pytest.approx(2 * len("The mill ,") / len(text))
    # "The mill , the river" again: 5 words and signs, 17 characters without spaces
    assert row["duplicate_5gram_character_share"] == pytest.approx(len("Themill,theriver") / len(text))
    assert row["duplicate_6gram_character_share"] == pytest.approx(len("Themill,theriver.") / len(text))
    assert row["duplicate_7gram_character_share"] == 0.0


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("it's 3.14, well-known", ["it", "s", "3.14", ",", "well", "-", "known"]),
        ("a@b.org and/or 1/2 10-12 COVID-19", ["a@b.org", "and", "/", "or", "1/2", "10", "-", "12", "COVID-19"]),
        ("end.Next U.S. x=1 x=y f(x)", ["end", ".", "Next", "U.S", ".", "x=1", "x", "=", "y", "f(x", ")"]),
        ("漢-字 a-漢", ["漢", "-", "字", "a", "-", "漢"]),
        ("wait... ---- ok", ["wait", "...", "----", "ok"]),
        ("漢字。ไทย", ["漢", "字", "。", "ไ", "ท", "ย"]),
        ("❤\ufe0f été", ["❤", "été"]),
    ],
)
def test_words_and_signs_are_cut_as_described(text: str, cut: list[str]) -> None:
    assert [piece for _, piece in words_and_signs(text)] == cut
    assert measured(text)[0]["n_words_and_signs"] == len(cut)


def test_duplicates_are_the_second_and_later_occurrences_and_line_feeds_at_the_ends_leave_empty_lines() -> None:
    inside, ended = measured("a\na\nb", "a\na\nb\n")
    assert inside["duplicate_line_share"] == pytest.approx(1 / 3)
    assert ended["duplicate_line_share"] == pytest.approx(1 / 4)


def test_a_text_of_one_repeated_word_is_all_repetition() -> None:
    (row,) = measured("ha " * 200)
    assert row["top_2gram_character_share"] == 1.0
    assert row["duplicate_5gram_character_share"] > 0.6
    assert row["duplicate_line_share"] == 0.0


def test_what_cannot_be_measured_is_null_and_never_a_number() -> None:
    empty, short = measured("", "two words")
    numbers = {name: value for name, value in empty.items() if value not in (None, [])}
    assert all(name.startswith(("n_", "has_", "after_")) for name in numbers)
    assert not any(numbers.values())
    assert {"n_words", "n_sentences", "after_c4_n_sentences", "n_characters", "has_curly_bracket"} <= set(numbers)
    assert not any("share" in name or "ratio" in name or "entropy" in name for name in numbers)
    assert short["top_2gram_character_share"] == 1.0
    assert short["top_3gram_character_share"] is None
    assert short["duplicate_5gram_character_share"] is None


def test_the_configuration_names_other_stop_words_and_line_lengths() -> None:
    config = QualityConfig(stop_words=("der", "und"), short_line_characters=5)
    (row,) = measured("der Wind und der Regen\nkurz", config=config)
    assert (row["n_stop_words"], row["short_line_share"]) == (2, 0.5)
    with pytest.raises(ValueError, match="stop_words"):
        QualityConfig(stop_words=("zwei Worte",))


def test_slices_and_other_string_types_give_the_same_rows() -> None:
    texts = ["not this one", "The mill, the river.", "a\nb\n", "nor this"]
    for kind in (pa.string(), pa.large_string()):
        batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, kind)}).slice(1, 2)
        assert measure_quality.fn(batch, QualityConfig()).to_pylist() == measured(*texts[1:3])


def test_every_column_that_a_rule_reads_is_there_with_a_fitting_type() -> None:
    for name in ("gopher", "repetition", "c4", "fineweb"):
        for threshold, mark in GROUPS[name].comparisons().items():
            kind = QUALITY.schema.field(mark.column).type
            limit = GROUPS[name].model_fields[threshold].default
            if limit is None:  # off unless a recipe sets it
                continue
            assert kind == {int: pa.int32(), float: pa.float32(), bool: pa.bool_()}[type(limit)], mark.column


def test_as_a_stage_its_rows_stand_beside_the_documents(tmp_path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("The mill, the river.\nflour\n\n", encoding="utf-8")
    from tasks.ingest import Source, ingest

    with running(tmp_path / "lake", "quality", workers=1, cpu_seconds=30, quiet=True):
        (snapshot,) = ingest(Source(name="toy", path=str(source)))
        documents = lines(LinesConfig(), snapshot=snapshot)
        scores = measure_quality(QualityConfig(), documents=documents)
    assert scores.read(["doc_id"]).equals(documents.read(["doc_id"]))
    assert scores.read(["n_words"]).column("n_words").to_pylist() == [4, 1, 0]
