"""Our kernel against the fastText library: the same labels and the same probabilities, bit for bit."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.fasttext.file import BadModel, read_fasttext
from models.fasttext.inference import FastText, load_fasttext
from models.fasttext.training import train_classifier, zeroed_memory
from models.language import LID_176, locate

setattr(fasttext.FastText, "eprint", lambda *_: None)  # noqa: B010 (it warns at every load)
SENTENCES = {
    "fr": ["le chat dort sur la table", "nous mangeons du pain", "la maison est à côté", "il fait très beau"],
    "de": ["die Katze schläft auf dem Tisch", "wir essen Brot", "das Haus ist groß", "es ist schönes Wetter"],
    "ja": ["猫 は テーブル の 上 で 寝る", "私たち は パン を 食べる", "家 は 大きい", "天気 が いい"],
}


def ask_the_library(model: Any, text: str, k: int) -> tuple[list[str], list[float]]:
    """What the library says of a text whose line ends are spaces."""
    labels, probabilities = model.predict([text.replace("\n", " ")], k=k)
    return [one.removeprefix("__label__") for one in labels[0]], [float(p) for p in probabilities[0]]


def ask_ours(model: FastText, texts: list[str], k: int) -> list[tuple[list[str], list[float]]]:
    numbers, probabilities = model.predict(pa.array(texts, pa.large_string()), k)
    return [
        ([model.labels[n] for n in row if n >= 0], [float(p) for n, p in zip(row, likely, strict=True) if n >= 0])
        for row, likely in zip(numbers, probabilities, strict=True)
    ]


def same_answer(ours: tuple[list[str], list[float]], library: tuple[list[str], list[float]]) -> bool:
    """The same probabilities, bit for bit, of the same labels; equally probable ones may stand in any order."""
    pairs, expected = (sorted(zip(*said, strict=True)) for said in (ours, library))
    return ours[1] == library[1] and pairs == expected


def has_words(text: str) -> bool:
    return bool(text.strip(" \n\r\t\v\f\0"))


@pytest.fixture(scope="module")
def lid() -> tuple[FastText, Any]:
    path = locate(LID_176)
    return load_fasttext(path), fasttext.load_model(str(path))


@pytest.fixture(scope="module", params=["words", "subwords", "hierarchical", "quantised"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[FastText, Any]:
    """A small model of our own, by ours and by the library."""
    folder = tmp_path_factory.mktemp(request.param)
    lines = [f"__label__{language} {text}" for language, texts in SENTENCES.items() for text in texts] * 8
    (folder / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options: dict[str, Any] = {
        "words": {"wordNgrams": 3},
        "subwords": {"minn": 1, "maxn": 3, "wordNgrams": 2},
        "hierarchical": {"minn": 2, "maxn": 4, "loss": "hs"},
        "quantised": {"minn": 2, "maxn": 4, "wordNgrams": 2},
    }[request.param]
    model = train_classifier(folder / "train.txt", {"dim": 10, "bucket": 200_001, "epoch": 5, **options})
    if request.param == "quantised":
        model.quantize(qnorm=True, cutoff=600, dsub=3, verbose=False)
    path = str(folder / "model.bin")
    model.save_model(path)
    return FastText(read_fasttext(path)), fasttext.load_model(path)


TEXTS = st.text(max_size=80) | st.lists(
    st.sampled_from([*" ".join(SENTENCES["fr"] + SENTENCES["de"]).split(), "</s>", "__label__fr", "__label__x", "<"])
    | st.text(max_size=5),
    max_size=12,
).map(" ".join)  # fmt: skip


@given(TEXTS)
@example("</s> le chat")
@example("a\0b\vc\x85d\u2028e")
@example("🙂 \U0010ffff")
def test_lid_176_says_what_the_library_says(lid: tuple[FastText, Any], text: str):
    ours, library = lid
    expected = ask_the_library(library, text, 2) if has_words(text) else ([], [])
    (found,) = ask_ours(ours, [text], 2)
    assert same_answer(found, expected), (found, expected)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_any_classifier_says_what_the_library_says(small: tuple[FastText, Any], texts: list[str]):
    ours, library = small
    expected = [ask_the_library(library, text, 3) if has_words(text) else ([], []) for text in texts]
    for one, wanted in zip(ask_ours(ours, texts, 3), expected, strict=True):
        assert same_answer(one, wanted), (one, wanted)


def test_softmax_is_the_librarys_to_the_last_bit_on_many_texts(small: tuple[FastText, Any]):
    ours, library = small
    words, chance = " ".join(text for texts in SENTENCES.values() for text in texts).split(), random.Random(1)
    texts = [" ".join(chance.choices(words, k=chance.randint(1, 12))) for _ in range(3000)]
    for one, text in zip(ask_ours(ours, texts, 3), texts, strict=True):
        assert same_answer(one, ask_the_library(library, text, 3)), text


def test_a_text_is_cut_after_so_many_characters(lid: tuple[FastText, Any]):
    ours, library = lid
    text = "Ωραία μέρα 🙂 and now in English, which goes on for a while"
    for characters in (1, 5, 12, 13, 30, len(text)):
        numbers, _ = ours.predict(pa.array([text]), 1, characters)
        assert [ours.labels[numbers[0, 0]]] == ask_the_library(library, text[:characters], 1)[0]


def test_a_slice_of_an_array_is_read_from_its_place(lid: tuple[FastText, Any]):
    ours, _ = lid
    texts = pa.array(["Guten Morgen, liebe Leute", "bonjour tout le monde", "good morning everyone"])
    numbers, _ = ours.predict(texts.slice(1, 2), 1)
    assert [ours.labels[n] for n in numbers[:, 0]] == ["fr", "en"]


def test_no_text_is_no_answer(lid: tuple[FastText, Any]):
    assert [len(part) for part in lid[0].predict(pa.array([], pa.string()), 2)] == [0, 0]


def test_what_is_no_classifier_is_refused_with_a_sentence(tmp_path: Path):
    path = tmp_path / "model.bin"
    for content in (b"", b"PK\x03\x04" + bytes(200), Path(locate(LID_176)).read_bytes()[:5000]):
        path.write_bytes(content)
        with pytest.raises(BadModel, match="no fastText classifier"):
            read_fasttext(path)
    (tmp_path / "words.txt").write_text("one two three four " * 50, encoding="utf-8")
    options: dict[str, Any] = {"dim": 4, "bucket": 200_000, "minCount": 1, "thread": 1, "verbose": 0}
    with zeroed_memory():
        fasttext.train_unsupervised(str(tmp_path / "words.txt"), **options).save_model(str(path))
    with pytest.raises(BadModel, match="word vectors"):
        read_fasttext(path)


def test_every_sentence_of_the_labelled_set_gets_the_librarys_answer(lid: tuple[FastText, Any], test_data: Path):
    ours, library = lid
    content = gzip.decompress((test_data / "lid" / "sentences.jsonl.gz").read_bytes()).decode()
    texts = [json.loads(line)["text"] for line in content.split("\n") if line]
    numbers, probabilities = ours.predict(pa.array(texts, pa.large_string()), 1)
    labels, expected = library.predict([text.replace("\n", " ") for text in texts], k=1)
    assert [ours.labels[n] for n in numbers[:, 0]] == [one[0].removeprefix("__label__") for one in labels]
    assert np.array_equal(probabilities[:, 0], np.concatenate(expected).astype(np.float32))
