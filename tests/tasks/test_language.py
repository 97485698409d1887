"""Language, script and share of code: accuracy per language with its floors, labels of other models, planted texts."""

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from models.fasttext.training import train_classifier
from models.language import ModelMissing, ModelRef
from models.languages import TWO_LETTERS, common_code
from models.textforms import SCRIPTS, UNKNOWN_SCRIPT, code_shares, main_scripts, script_names
from tasks.language import LanguageConfig, identify_language

FLOORS = Path(__file__).parents[1] / "floors" / "language.json"


def identify(texts: list[str], config: LanguageConfig | None = None) -> list[dict[str, Any]]:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})
    return identify_language.fn(batch, config or LanguageConfig()).to_pylist()  # type: ignore[misc]


def labelled(test_data: Path) -> tuple[str, list[tuple[str, str]]]:
    """The hash of the labelled sentences' file, and (language, text) of each."""
    content = (test_data / "lid" / "sentences.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(content).decode().split("\n") if line]
    return hashlib.sha256(content).hexdigest(), [(row["lang"], row["text"]) for row in rows]


def joined(rows: list[tuple[str, str]], at_once: int) -> list[tuple[str, str]]:
    """Documents of several sentences of one language each."""
    by_language: dict[str, list[str]] = {}
    for language, text in rows:
        by_language.setdefault(language, []).append(text)
    return [
        (language, "\n".join(texts[start : start + at_once]))
        for language, texts in by_language.items()
        for start in range(0, len(texts), at_once)
    ]


def accuracy(rows: list[tuple[str, str]]) -> dict[str, float]:
    """Share of the texts of each language that are given it."""
    found = identify([text for _, text in rows])
    right = Counter(language for (language, _), row in zip(rows, found, strict=True) if row["language"] == language)
    total = Counter(language for language, _ in rows)
    return {language: round(right[language] / total[language], 4) for language in sorted(total)}


@pytest.mark.parametrize(("what", "at_once"), [("sentences", 1), ("documents of 20 sentences", 20)])
def test_no_language_is_recognised_less_often_than_its_floor(test_data: Path, what: str, at_once: int):
    floors = json.loads(FLOORS.read_text(encoding="utf-8"))
    sha256, rows = labelled(test_data)
    assert sha256 == floors["corpus_sha256"], "the floors are of other sentences"
    reached = accuracy(joined(rows, at_once))
    assert set(reached) == set(floors[what])
    assert {language: share for language, share in reached.items() if share < floors[what][language]} == {}


def test_text_without_words_has_no_language_and_code_has_no_letters_of_a_script():
    blank, digits = identify([" \n\t ", "12 34"])
    assert blank["language"] is blank["language_probability"] is blank["second_language"] is blank["script"] is None
    assert blank["code_share"] == 0
    assert digits["language"] is not None
    assert digits["script"] is digits["script_share"] is None


def test_only_the_start_is_looked_at_by_the_model():
    text = "Das ist ein deutscher Satz über das Wetter von heute. " + "And then it goes on in English. " * 40
    assert [row["language"] for row in identify([text], LanguageConfig(characters=50))] == ["de"]
    assert [row["language"] for row in identify([text], LanguageConfig(characters=5000))] == ["en"]


def test_a_model_with_iso_639_3_labels_gives_common_codes_and_scripts(tmp_path: Path):
    lines = ["__label__deu_Latn wir essen Brot", "__label__srp_Cyrl данас једемо", "__label__gsw_Latn mir ässe hüt"]
    (tmp_path / "train.txt").write_text("\n".join(lines * 30) + "\n", encoding="utf-8")
    model = train_classifier(
        tmp_path / "train.txt", {"dim": 8, "bucket": 200_000, "minn": 2, "maxn": 4, "epoch": 40, "lr": 0.5}
    )
    model.save_model(str(tmp_path / "small.bin"))
    sha256 = hashlib.sha256((tmp_path / "small.bin").read_bytes()).hexdigest()
    reference = ModelRef(name="small.bin", sha256=sha256, path=str(tmp_path / "small.bin"))
    found = identify(["wir essen Brot", "једемо хлеб", "mir ässe hüt"], LanguageConfig(model=reference))
    pairs = [(row["language"], row["language_script"]) for row in found]
    assert pairs == [("de", "Latn"), ("sr", "Cyrl"), ("gsw", "Latn")]
    with pytest.raises(ModelMissing, match="SHA-256"):
        identify(["x"], LanguageConfig(model=reference.model_copy(update={"sha256": "0" * 64})))


def test_labels_become_common_codes():
    labels = ["en", "eng_Latn", "cmn_Hani", "arb_Arab", "als_Latn", "als", "ceb", "zh", "zho_Hant", "bat-smg", "x_y_z"]
    assert [common_code(label) for label in labels] == [
        ("en", None), ("en", "Latn"), ("zh", "Hani"), ("ar", "Arab"), ("sq", "Latn"), ("als", None), ("ceb", None),
        ("zh", None), ("zh", "Hant"), ("bat-smg", None), ("x_y_z", None),
    ]  # fmt: skip
    assert all(len(three) == 3 and len(two) == 2 for three, two in TWO_LETTERS.items())


PLANTED_SCRIPTS = {
    "Latn": "une phrase à lire", "Cyrl": "быстрая лиса", "Grek": "γρήγορη αλεπού", "Arab": "الثعلب السريع",
    "Hebr": "שועל מהיר", "Hani": "敏捷的狐狸", "Hang": "빠른 여우", "Thai": "สุนัขจิ้งจอก", "Deva": "तेज़ लोमड़ी",
    "Geor": "სწრაფი მელა", "Armn": "արագ աղվես", "Ethi": "ፈጣን ቀበሮ", "Khmr": "កញ្ជ្រោង",
}  # fmt: skip


@pytest.mark.parametrize("script", PLANTED_SCRIPTS)
def test_a_text_is_of_the_script_of_its_letters(script: str):
    names, shares = main_scripts(pa.array([PLANTED_SCRIPTS[script] + " 123 … !"]))
    assert names == [script]
    assert shares[0] == 1


@given(st.text(max_size=60))
@example("\U00020000\U0003d000\U0003d001")  # Han, and two letters of planes 2 and 3 that Unicode 18 gives to another
def test_the_script_is_the_most_frequent_one(text: str):
    def script_of(letter: str) -> str | None:
        if regex.match(r"[\p{sc=Zyyy}\p{sc=Zinh}]", letter) or not regex.match(r"\p{L}", letter):
            return None
        return next((code for code in SCRIPTS if regex.match(rf"\p{{sc={code}}}", letter)), UNKNOWN_SCRIPT)

    counts = Counter(filter(None, map(script_of, text)))
    (name,), (share,) = main_scripts(pa.array([text]))
    if not counts:
        assert name is None
        return
    best = min(counts, key=lambda code: (-counts[code], script_names().index(code)))
    assert (name, round(float(share), 6)) == (best, round(counts[best] / counts.total(), 6))


CODE = {
    "python": "import os\n\ndef walk(place):\n    for name in os.listdir(place):\n        yield os.path.join(place)\n",
    "c": "#include <stdio.h>\nint main(void) {\n    int i = 0;\n    while (i < 10) {\n        put(i);\n    }\n}\n",
    "javascript": "const add = (a, b) => a + b;\nfunction twice(f) {\n  return x => f(f(x));\n}\n",
    "shell": '#!/bin/sh\nset -e\nfor file in $(ls); do\n    echo "$file"\n    cp $file $target_dir/\ndone && exit 0\n',
    "sql": "SELECT count(*) FROM documents\nWHERE n_words >= 50\n  AND language == 'de';\n",
    "html": '<div class="main">\n  <p>Text</p>\n  <a href="/x">link</a>\n</div>\n',
}
PROSE = {
    "letter": "Dear Ann,\nthank you for the apples (all twelve); we ate them at once.\nFor the rest, see you soon!\n",
    "list": "- flour, two cups\n- eggs: three\n- a pinch of salt\n",
    "law": "§ 3 Scope\n(1) This act applies to\n1. mills of any kind;\n2. millers, unless they rest;\n3. their cats.\n",
    "verse": "  The wheel goes round\n  and so do we\n  from sound to sound\n  from mill to sea\n",
    "address": "Write to the mill at mill.example or call; the office (open daily) is near the river.\n",
}


def test_planted_code_looks_like_code_and_planted_prose_does_not():
    of_code = dict(zip(CODE, code_shares(pa.array(list(CODE.values()))), strict=True))
    of_prose = dict(zip(PROSE, code_shares(pa.array(list(PROSE.values()))), strict=True))
    assert {name: share for name, share in of_code.items() if share < 0.5} == {}
    assert {name: share for name, share in of_prose.items() if share > 0.25} == {}


def test_half_a_text_of_code_is_half():
    text = "This is prose.\nAnd so is this.\n\nx = call(y);\nif (a == b) {\n"
    assert code_shares(pa.array([text, "", "\n \n"])).tolist() == [0.5, 0, 0]


@given(st.text(max_size=200))
def test_any_text_has_a_share_of_code(text: str):
    (share,) = code_shares(pa.array([text]))
    assert 0 <= share <= 1


def test_real_code_is_told_from_real_prose(test_data: Path):
    def texts(name: str) -> pa.Array:
        content = gzip.decompress((test_data / "text" / f"{name}.jsonl.gz").read_bytes()).decode()
        return pa.array([json.loads(line)["text"] for line in content.split("\n") if line], pa.large_string())

    code, laws, books = (code_shares(texts(name)) for name in ("cpython-lib", "gesetze", "standardebooks"))
    assert (code > 0.25).mean() > 0.95
    assert (laws > 0.25).mean() < 0.01
    assert (books > 0.25).mean() == 0
