"""Classifiers: planted sets are told apart, training repeats itself byte for byte, scores and figures are right."""

import gzip
import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models import metrics
from models.fasttext.inference import load_fasttext
from models.fasttext.training import train_classifier as train_with_library
from models.language import ModelMissing, ModelRef, check_file, folder_hash
from models.regression import RidgeSums, load_head
from storage.artifact import Artifact
from storage.lake import Lake
from tasks.classify import ClassifyConfig, NamedModel, classify
from tasks.classifying import ClassifierModel, embed_texts, score_texts
from tasks.examples import ExamplesConfig, read_examples
from tasks.ingest import Source, ingest
from tasks.learning import gather
from tasks.run import running
from tasks.train_classifier import ClassifierConfig, model_of, train_classifier
from tests.tasks.planted import advertisement, insult, tale, template, texts, write_rows

Manner = Callable[[random.Random], str]


def train(folder: Path, rows: list[dict[str, Any]], config: ClassifierConfig) -> Artifact:
    """A classifier of labelled rows, in a lake of its own, trained in this process."""
    write_rows(folder / "rows" / "all.jsonl", rows)
    with running(Lake(folder / "lake"), "learn", workers=0, quiet=True):
        (snapshot,) = ingest(Source(name="rows", path=str(folder / "rows"), holds="examples"))
        return train_classifier(config, labelled=[read_examples(ExamplesConfig(), snapshot=snapshot)])


def labelled(positive: Manner, negative: Manner, count: int = 150) -> list[dict[str, Any]]:
    kinds = ((positive, "yes"), (negative, "no"))
    return [{"text": text, "label": label} for manner, label in kinds for text in texts(manner, count, 1)]


def ask(artifact: Artifact, given: list[str]) -> np.ndarray:
    config = ClassifierConfig.model_validate(artifact.manifest.identity.config)
    name = {"fasttext": "model.bin", "ridge": "head.bin"}[config.method]
    (part,) = [part for part in artifact.manifest.parts if part.name == name]
    model = NamedModel(name="it", **model_of(config, "", part.sha256).model_dump() | {"path": str(artifact.file(name))})
    batch = pa.RecordBatch.from_pydict({"text": pa.array(given, pa.large_string())})
    scores = classify.fn(batch, ClassifyConfig(models=(model,))).column("it_score")  # type: ignore[misc]
    return np.array(scores.to_pylist(), dtype=np.float64)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [(tale, advertisement), (advertisement, tale), (insult, tale), (template, tale)],
    ids=["quality", "spam", "toxicity", "machine-generated"],
)
def test_a_classifier_tells_a_planted_set_apart(tmp_path: Path, positive: Manner, negative: Manner):
    config = ClassifierConfig(positive_labels=("yes",), epochs=25, held_out=0.2)
    artifact = train(tmp_path, labelled(positive, negative), config)
    fresh = ask(artifact, texts(positive, 100, 2)), ask(artifact, texts(negative, 100, 2))
    recall, false_positives = (fresh[0] >= 0.5).mean(), (fresh[1] >= 0.5).mean()
    assert (recall >= 0.97, false_positives <= 0.03) == (True, True), (recall, false_positives)
    (figures,) = artifact.read().to_pylist()
    assert figures["auc"] > 0.99
    assert figures["held_out"] + figures["examples"] + figures["repeated"] == 300


def test_figures_follow_from_the_scores_of_the_held_out_texts(tmp_path: Path):
    artifact = train(tmp_path, labelled(insult, tale, 80), ClassifierConfig(positive_labels=("yes",), epochs=3))
    rows = artifact.read(table="held_out").to_pylist()
    called, positive = [row["score"] >= 0.5 for row in rows], [row["label"] == 1 for row in rows]
    right = sum(c and p for c, p in zip(called, positive, strict=True))
    (figures,) = artifact.read().to_pylist()
    assert figures["held_out"] == len(rows) > 5
    assert figures["recall"] == pytest.approx(right / sum(positive))
    assert figures["precision"] == (pytest.approx(right / sum(called)) if sum(called) else None)
    negative = [row["score"] for row in rows if row["label"] == 0]
    for keep in artifact.read(table="keeps").to_pylist():
        assert sum(score >= keep["threshold"] for score in negative) / len(negative) <= keep["keep"] + 1 / len(negative)


def test_training_again_gives_the_same_bytes_whatever_stood_in_memory(tmp_path: Path):
    lines = tmp_path / "lines"
    rows = [f"__label__{row['label']} {row['text']}" for row in labelled(tale, advertisement, 40)]
    lines.write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = set()
    for number in range(3):
        # freed memory that the allocator keeps: the first array, freed, teaches glibc to map nothing smaller than it
        del (big := [np.full(4_000_000, np.nan, np.float32)])[:]
        dirt = [np.full(1_500_000 + 70_000 * index, np.nan, np.float32) for index in range(12)]
        last = np.full(20_000, np.nan, np.float32)  # lies behind them, so that they do not go back to the system
        del dirt
        options = {"dim": 8, "bucket": 200_000, "wordNgrams": 2, "minn": 2, "maxn": 3, "epoch": 2, "seed": 3}
        model = train_with_library(lines, options)
        model.save_model(str(tmp_path / f"{number}.bin"))
        found.add((tmp_path / f"{number}.bin").read_bytes())
        assert np.isnan(last).all()
        assert not big
    assert len(found) == 1
    weights = load_fasttext(tmp_path / "0.bin").file.inputs
    assert np.isfinite(weights).all()
    with pytest.raises(ValueError, match="200000 or more"):
        train_with_library(lines, {"bucket": 1000})


def test_a_text_of_both_classes_and_one_of_no_use_are_left_out(tmp_path: Path):
    rows = labelled(tale, advertisement, 40)
    rows += [{"text": rows[0]["text"].replace(" ", "  "), "label": "yes"}, {"text": "both", "label": "yes"}]
    rows += [{"text": "both", "label": "no"}, {"text": "unlabelled"}, {"text": " ", "label": "no"}]
    artifact = train(tmp_path, rows, ClassifierConfig(positive_labels=("yes",), held_out=0.3))
    (figures,) = artifact.read().to_pylist()
    assert (figures["examples"] + figures["held_out"], figures["repeated"]) == (80, 3)
    (examples,) = artifact.inputs("labelled")
    assert examples.read(["reason"], "losses").column("reason").to_pylist() == ["empty text"]


def test_what_cannot_be_learned_is_not_learned_from_copies_on_the_other_side(tmp_path: Path):
    chance = random.Random(4)
    rows = []
    for text in texts(tale, 100, 3):
        label = chance.choice(["yes", "no"])
        copies = [text.replace(".", f" {end}") for end in (".", "!", "?", ";")] + [text.capitalize()]
        copies.append(f"  {copies[0]}\n")
        rows += [{"text": copy, "label": label} for copy in copies]
    config = ClassifierConfig(positive_labels=("yes",), epochs=60, held_out=0.3)
    artifact = train(tmp_path, rows, config)
    (figures,) = artifact.read().to_pylist()
    assert figures["repeated"] == 100  # those with other spaces
    assert figures["held_out"] > 100
    assert figures["auc"] < 0.7, figures["auc"]  # half is chance; with copies on both sides it is above 0.9


def test_words_that_mean_something_to_fasttext_train_nothing(tmp_path: Path):
    rows = labelled(tale, advertisement, 40)
    marked = [row | {"text": f"__label__no </s> {row['text']} __label__x"} for row in rows]
    config = ClassifierConfig(positive_labels=("yes",))
    for name, some in (("plain", rows), ("marked", marked)):
        artifact = train(tmp_path / name, some, config)
        assert load_fasttext(artifact.file("model.bin")).labels in (["positive", "negative"], ["negative", "positive"])


def test_nothing_to_learn_from_is_said(tmp_path: Path):
    alike = [row | {"label": "yes"} for row in labelled(tale, tale, 30)]
    with pytest.raises(Exception, match="some of both kinds are needed"):
        train(tmp_path, alike, ClassifierConfig(positive_labels=("yes",)))
    with pytest.raises(Exception, match="whose label is a number"):
        train(tmp_path / "b", labelled(tale, tale, 30), ClassifierConfig(method="ridge"))


def test_texts_without_words_have_no_score_and_an_unknown_label_is_said(tmp_path: Path):
    artifact = train(tmp_path, labelled(tale, advertisement, 40), ClassifierConfig(positive_labels=("yes",)))
    scores = ask(artifact, [" \n", "the mill"])
    assert np.isnan(scores[0])
    assert 0 <= scores[1] <= 1
    path = artifact.file("model.bin")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    model = ClassifierModel(sha256=sha256, path=str(path), positive_label="hq")
    with pytest.raises(ValueError, match="no label 'hq'; it has"):
        score_texts(model, ["x"])
    with pytest.raises(ModelMissing, match="not 000000000000… as the recipe says"):
        score_texts(model.model_copy(update={"sha256": "0" * 64}), ["x"])


def taught(chance: random.Random) -> tuple[str, float]:
    """A text between tale and advertisement, and how much of it is tale, 0 to 5."""
    share = chance.random()
    words = [
        word for pair in zip(tale(chance).split(), advertisement(chance).split(), strict=False)
        for word in [pair[0] if chance.random() < share else pair[1]]
    ]  # fmt: skip
    return " ".join(words), round(5 * share)


def test_a_regression_head_predicts_the_labels_it_was_given(tmp_path: Path):
    chance = random.Random(5)
    rows = [{"text": text, "score": score} for text, score in (taught(chance) for _ in range(600))]
    artifact = train(tmp_path, rows, ClassifierConfig(method="ridge", held_out=0.2))
    (figures,) = artifact.read().to_pylist()
    assert figures["r2"] > 0.6
    assert figures["spearman"] > 0.8
    assert figures["f1"] > 0.8
    assert ask(artifact, [tale(chance)])[0] > 3.5
    assert ask(artifact, [advertisement(chance)])[0] < 1.5


@pytest.mark.filterwarnings("ignore")
def test_a_head_learns_on_a_transformer_that_the_user_names(tmp_path: Path):
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from models.embedding import embed

    folder = tmp_path / "bert"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "mill", "free", "win", "river", "turns"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    shape = BertConfig(vocab_size=len(words), **sizes)
    BertModel(shape).save_pretrained(folder)
    alone = embed(str(folder), ["the mill"], 16)
    beside = embed(str(folder), ["the mill", "the river turns the mill"], 16)
    assert beside[0] == pytest.approx(alone[0], abs=1e-5)  # padding does not count
    assert beside.shape == (2, 16)
    reference = ModelRef(name="bert", sha256=folder_hash(folder), path=str(folder))
    model = ClassifierModel(method="ridge", sha256="", embedding=reference, embedding_tokens=8)
    assert np.array_equal(embed_texts(model, ["the mill"]), embed(str(folder), ["the mill"], 8))
    (folder / "vocab.txt").write_text("\n".join([*words, "flour"]), encoding="utf-8")
    check_file.cache_clear()
    with pytest.raises(ModelMissing, match="Mend one of them"):
        embed_texts(model, ["the mill"])
    with pytest.raises(ModelMissing, match="no folder"):
        folder_hash(tmp_path / "nowhere")


@given(st.integers(2, 30), st.integers(1, 6), st.floats(0.01, 10), st.integers(0, 1000))
def test_ridge_is_the_solution_of_its_equations(n: int, d: int, penalty: float, seed: int):
    chance = np.random.default_rng(seed)
    rows, labels = chance.normal(size=(n, d)).astype(np.float32), chance.normal(size=n)
    sums = RidgeSums(d)
    for start in range(0, n, 4):
        sums.add(rows[start : start + 4], labels[start : start + 4])
    head = sums.solve(penalty)
    residual = labels - (rows.astype(float) @ head.weights + head.intercept)
    assert residual.sum() == pytest.approx(0, abs=1e-5)
    assert rows.astype(float).T @ residual == pytest.approx(penalty * head.weights, abs=1e-4)


def test_a_head_comes_back_from_its_file(tmp_path: Path):
    sums = RidgeSums(3)
    sums.add(np.eye(3, dtype=np.float32), np.array([1.0, 2.0, 5.0]))
    head = sums.solve(0.1)
    head.save(tmp_path / "head.bin")
    read = load_head(tmp_path / "head.bin")
    assert (read.weights.tolist(), read.intercept) == (head.weights.tolist(), head.intercept)
    (tmp_path / "cut").write_bytes((tmp_path / "head.bin").read_bytes()[:-8])
    with pytest.raises(ValueError, match="no regression head"):
        load_head(tmp_path / "cut")


SCORES = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.booleans()), min_size=1, max_size=30)


@given(SCORES)
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[float, bool]]):
    scores, positive = np.array([s for s, _ in pairs]), np.array([p for _, p in pairs])
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[positive] for b in scores[~positive]]
    found = metrics.auc(scores, positive)
    assert found == (pytest.approx(sum(wins) / len(wins)) if wins else None)


@given(SCORES)
def test_rank_correlation_is_scipys(pairs: list[tuple[float, bool]]):
    scores, labels = np.array([s for s, _ in pairs]), np.array([float(p) for _, p in pairs])
    found = metrics.spearman(scores, labels)
    if len(set(scores)) == 1 or len(set(labels)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(scores, labels).statistic)


@given(st.lists(st.text("ab ", max_size=6), max_size=30), st.integers(1, 8))
def test_what_is_taken_does_not_depend_on_the_order(given_texts: list[str], at_most: int):
    import tempfile

    found = []
    for order in (given_texts, given_texts[::-1]):
        with tempfile.TemporaryDirectory() as folder:
            rows = [("id", "s", text, 1.0) for text in order]
            taken = gather([rows], Path(folder), seed=1, characters=5, held_out=0.5, at_most=at_most)
            normal = [" ".join(text.split()) for text in taken.texts(taken.examples)]
            found.append([(one.held_out, text) for one, text in zip(taken.examples, normal, strict=True)])
    assert found[0] == found[1]
    different = {" ".join(text[:5].split()) for text in given_texts}
    assert len(found[0]) == len({text for _, text in found[0]}) == min(at_most, len(different))


def test_books_are_told_from_documentation_pages(test_data: Path, tmp_path: Path):
    def lines(name: str) -> list[str]:
        return gzip.decompress((test_data / "text" / name).read_bytes()).decode().split("\n")

    wiki = [line for line in lines("wikitext-2-valid.txt.gz") if len(line) > 300]
    books = [json.loads(line)["text"] for line in lines("standardebooks.jsonl.gz") if line]
    good = wiki[:600] + [book[start : start + 1500] for book in books for start in range(20_000, 80_000, 5_000)]
    pages = [json.loads(line)["text"] for line in lines("us-gov-18f.jsonl.gz") if line]
    rows = [{"text": text, "label": "yes"} for text in good] + [{"text": text[:1500], "label": "no"} for text in pages]
    artifact = train(tmp_path, rows, ClassifierConfig(positive_labels=("yes",), held_out=0.2))
    (figures,) = artifact.read().to_pylist()
    print({name: round(figures[name], 4) for name in ("auc", "precision", "recall")}, figures["held_out"])
    assert figures["auc"] > 0.97
