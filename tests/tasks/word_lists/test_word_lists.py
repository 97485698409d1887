"""Listed words are counted as whole words in any case, phrases over any gap, letters where a script has no spaces."""

import re
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.word_lists.lists import WordList
from tasks.word_lists.stage import WordListsConfig, count_listed_words, read_lists

WEEDS = "# what grows between the rows\nthistle\nwild oat\nray-grass\nQueen Anne's lace\n\n🌾\nоvсюг\nNESSEL\n"
WEEDS_JA = "雑草\nドクムギ\n"
WEEDS_TH = "หญ้า\n"
WEEDS_DE = "Distel\nwilder Hafer\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lists of our own: one for all languages, and one by language in a folder."""
    folder = tmp_path_factory.mktemp("lists")
    (folder / "weeds.txt").write_text(WEEDS, encoding="utf-8")
    (folder / "by").mkdir()
    for name, content in (("ja", WEEDS_JA), ("th.txt", WEEDS_TH), ("de.txt", WEEDS_DE), ("README.md", "no list")):
        (folder / "by" / name).write_text(content, encoding="utf-8")
    return folder


def config(folder: Path, **options: object) -> WordListsConfig:
    lists = [{"name": "weeds", "path": str(folder / "weeds.txt")}, {"name": "by", "path": str(folder / "by")}]
    return WordListsConfig.model_validate({"lists": lists, "spans": True, **options})


def count(chosen: WordListsConfig, *rows: tuple[str | None, str]) -> list[dict]:
    columns = {"text": pa.array([text for _, text in rows], pa.large_string())}
    columns["language"] = pa.array([language for language, _ in rows], pa.string())
    made = count_listed_words.fn(pa.RecordBatch.from_pydict(columns), chosen, read_lists(chosen, {}))
    return made.to_pylist()


CASES = [
    ("en", "A thistle, a THISTLE and a Thistle.", ["thistle", "THISTLE", "Thistle"]),
    ("en", "thistles, thistledown, athistle", []),
    ("en", "Wild  oat, wild\noat; wild-oat. Wild and oat.", ["Wild  oat", "wild\noat", "wild-oat"]),
    ("en", "queen annes lace; Queen Anne’s lace; ray grass", ["Queen Anne’s lace", "ray grass"]),
    ("en", "🌾🌾 in the field", ["🌾", "🌾"]),
    ("de", "Die Nessel und die Distel, ein Wilder Hafer", ["Nessel", "Distel", "Wilder Hafer"]),
    ("en", "Distel and wilder Hafer are German, 雑草 Japanese", []),
    ("ja", "庭の雑草を抜く。ドクムギも。", ["雑草", "ドクムギ"]),
    ("th", "ตัดหญ้าในสวน", ["หญ้า"]),
    (None, "thistle 雑草", ["thistle"]),
    ("en", "", []),
]


@pytest.mark.parametrize(("language", "text", "found"), CASES)
def test_listed_words_are_found_where_they_stand(folder: Path, language: str, text: str, found: list[str]) -> None:
    (row,) = count(config(folder), (language, text))
    assert [text[one["start"] : one["end"]] for one in row["listed_word_spans"]] == found
    assert row["n_listed_words"] == len(found) == row["n_listed_words_weeds"] + row["n_listed_words_by"]


def test_shares_are_of_the_words_of_the_text(folder: Path) -> None:
    (row,) = count(config(folder), ("de", "eins thistle drei wild oat sechs Distel acht neun zehn"))
    assert row["listed_word_share_weeds"] == pytest.approx(0.3)
    assert row["listed_word_share_by"] == pytest.approx(0.1)
    assert row["listed_word_share"] == pytest.approx(0.4)
    assert count(config(folder), ("de", "…"))[0]["listed_word_share"] is None


@given(
    st.lists(st.sampled_from(["thistle", "wild", "oat", "Ray-Grass", "mill", "thistles", ", ", "\n", "_"]), max_size=20)
)
def test_counts_are_those_of_c4s_pattern_over_each_entry(folder: Path, words: list[str]) -> None:
    """C4's published pattern finds an entry between characters that are no letters, digits or underscores."""
    text = " ".join(words)
    (row,) = count(config(folder), ("en", text))
    patterns = [r"(?<!\w)thistle(?!\w)", r"(?<!\w)wild\W+oat(?!\w)", r"(?<!\w)ray\W+grass(?!\w)"]
    assert row["n_listed_words"] == sum(len(re.findall(one, text.lower())) for one in patterns)


def test_of_overlapping_entries_of_one_list_the_longest_from_the_left_counts(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("wild\nwild oat\noat meal\noat\n", encoding="utf-8")
    chosen = WordListsConfig.model_validate([{"name": "oats", "path": str(tmp_path / "list")}])
    (row,) = count(chosen, ("en", "wild oat meal, oat meal, wild"))
    assert row == {
        "n_listed_words": 3,
        "listed_word_share": pytest.approx(5 / 6),
        "n_listed_words_oats": 3,
        "listed_word_share_oats": pytest.approx(5 / 6),
    }


def test_a_list_is_known_by_its_content_and_not_by_its_path(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(WEEDS, encoding="utf-8")
    one, two = (
        WordList.model_validate({"name": "w", "path": str(path)}) for path in (folder / "weeds.txt", tmp_path / "other")
    )
    assert one.model_dump(mode="json") == two.model_dump(mode="json")
    (tmp_path / "other").write_text(WEEDS + "dock\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has changed since the recipe was read"):
        count(WordListsConfig(lists=(two,)), ("en", "dock"))
    pinned = {"name": "w", "path": str(tmp_path / "other"), "files": [one.model_dump() for one in two.files]}
    with pytest.raises(ValidationError, match="does not hold the files that are pinned"):
        WordList.model_validate(pinned)


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        ([{"name": "w", "path": "nowhere/at/all"}], "there is no file or folder nowhere/at/all of words"),
        ([{"name": "a b", "path": "."}], "should match pattern"),
    ],
)
def test_a_list_that_cannot_be_read_is_a_sentence(lists: list[dict], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        WordListsConfig.model_validate(lists)


def test_two_lists_of_one_name_are_refused_and_no_list_is_no_stage(folder: Path) -> None:
    one = {"name": "weeds", "path": str(folder / "weeds.txt")}
    with pytest.raises(ValidationError, match="two lists are called 'weeds'"):
        WordListsConfig.model_validate([one, one])
    assert WordListsConfig.model_validate([one]).enabled
    assert not WordListsConfig().enabled


def test_every_entry_of_published_lists_of_27_languages_is_found_in_a_text_of_its_language(
    test_data: Path, tmp_path: Path
) -> None:
    with tarfile.open(test_data / "filters" / "ldnoobw.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    chosen = WordListsConfig.model_validate({"lists": [{"name": "bad", "path": str(tmp_path / "ldnoobw")}]})
    rows = [
        (path.stem, f"mill {entry.strip()} mill")
        for path in sorted((tmp_path / "ldnoobw").glob("*.txt"))
        for entry in path.read_text(encoding="utf-8").split("\n")
        if entry.strip()
    ]
    found = count(chosen, *rows)
    assert len({language for language, _ in rows}) == 27
    assert all(row["n_listed_words"] >= 1 for row in found)
    assert sum(row["n_listed_words"] for row in count(chosen, *((None, text) for _, text in rows))) == 0
