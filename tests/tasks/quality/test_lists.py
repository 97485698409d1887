"""Lists that a user gives: bad words as C4's published code finds them, stop words of languages."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.quality.lists import BadWords, find_bad_words
from tasks.quality.stage import QualityConfig, measure_quality

LIST = ["thistle", "mill stone", "ray-grass", "2 sacks", "Weed"]
TEXT = st.lists(st.sampled_from(["thistle", "mill stone", "weed", "s", "2 sacks", "ray-grass", " ", "-", "\n", "Ä"]))


def listed(folder: Path, *entries: str) -> BadWords:
    path = folder / "list"
    path.write_text("\n".join(entries) + "\n", encoding="utf-8")
    return BadWords.model_validate({"path": str(path)})


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> BadWords:
    return listed(tmp_path_factory.mktemp("words"), *LIST)


@given(pieces=TEXT)
def test_an_entry_counts_only_where_no_letter_stands_beside_it(words: BadWords, pieces: list[str]) -> None:
    text = "".join(pieces)
    pattern = r"(?:\W|^)({})(?:\W|$)".format("|".join(re.escape(entry.lower()) for entry in LIST))
    expected = re.search(pattern, text.lower()) is not None
    assert find_bad_words(pa.array([text]), words).to_pylist() == [expected]


def test_a_list_is_known_by_what_is_in_it_and_not_by_its_place(tmp_path: Path) -> None:
    one = listed(tmp_path, "thistle")
    (tmp_path / "elsewhere").mkdir()
    assert one.model_dump() == listed(tmp_path / "elsewhere", "thistle").model_dump()
    changed = listed(tmp_path, "thistle", "weed")
    assert changed.sha256 != one.sha256
    assert find_bad_words(pa.array(["weed"]), changed).to_pylist() == [True]
    with pytest.raises(ValueError, match="has the SHA-256"):
        BadWords.model_validate({"path": one.path, "sha256": one.sha256})
    with pytest.raises(ValueError, match="no file"):
        BadWords.model_validate({"path": str(tmp_path / "absent")})


def test_stop_words_of_languages_come_from_a_mapping_a_file_or_a_folder(tmp_path: Path) -> None:
    lists = {"de": ["und", "der"], "fr": ["et", "le", "der"]}
    (tmp_path / "lists.yaml").write_text("de: [und, der]\nfr: [et, le, der]\n", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for language, content in lists.items():
        listed = "".join(f"- {word}\n" for word in content)
        (tmp_path / "folder" / f"{language}.yml").write_text(f"dup_line_frac: 0.2\nstopwords:\n{listed}", "utf-8")
    texts = pa.RecordBatch.from_pydict({"text": ["der Müller und der Esel", "le moulin", "the mill"]})
    for given_as in (lists, str(tmp_path / "lists.yaml"), str(tmp_path / "folder")):
        config = QualityConfig.model_validate({"stop_words_by_language": given_as})
        column = measure_quality.fn(texts, config).column("n_stop_words_by_language").to_pylist()
        assert [dict(row) for row in column] == [{"de": 2, "fr": 1}, {"fr": 1}, {}]
    (tmp_path / "folder" / "deu_Latn.yml").write_text("stopwords: [das]\n", encoding="utf-8")
    both = QualityConfig.model_validate({"stop_words_by_language": str(tmp_path / "folder")}).stop_words_by_language
    assert both["deu_Latn"] == both["de"]
    with pytest.raises(ValueError, match="no file or folder"):
        QualityConfig.model_validate({"stop_words_by_language": str(tmp_path / "absent")})
