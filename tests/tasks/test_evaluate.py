"""Evaluation: scores equal those of `transformers` and of slow obvious versions, baselines beside them, refusals."""

import lzma
import math
import shutil
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.compression import byte_counts, ratio_error, slide, unigram_bits, xz_bits
from models.tokenizer import Tokenizer
from storage.artifact import Artifact
from storage.sql import connect
from tasks.complete import Completer
from tasks.evaluate import EvaluateConfig, choose_questions, evaluate, validation_documents
from tasks.run import running
from tasks.scores import accuracies, count_tokens
from tasks.stage import StageFailed
from tests.tasks.small_model import CONTEXT, World, commit_corpus, read_quiz, shared_tuned, shared_world

CONFIG = EvaluateConfig(threads=1, sample_tokens=12, items=30, stride=20)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of torch wait for each other: on cores that others use, two are many times slower than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return shared_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Artifact:
    return shared_tuned(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def quiz(world, tmp_path_factory) -> Artifact:
    return read_quiz(world.lake, tmp_path_factory.mktemp("quiz"))


@pytest.fixture(scope="module")
def scores(world, quiz) -> Artifact:
    with running(world.lake, "evaluate", workers=0, quiet=True):
        return evaluate(CONFIG, model=world.base, corpus=world.corpus, questions=[quiz])


class Theirs:
    """The same model and tokenizer as `transformers` loads them, asked one sequence at a time."""

    def __init__(self, model: Artifact) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(model.folder, local_files_only=True).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(model.folder, local_files_only=True)

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    @torch.no_grad()
    def each(self, ids: list[int]) -> np.ndarray:
        """log P of each token but the first, float64."""
        logits = self.model(torch.tensor([ids])).logits[0, :-1].double()
        return logits.log_softmax(-1)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].numpy()


@pytest.fixture(scope="module")
def theirs(world) -> Theirs:
    return Theirs(world.base)


def test_log_probabilities_of_choices_equal_those_of_transformers(scores, quiz, theirs):
    questions = {row["question_id"]: row for row in quiz.read().to_pylist()}
    end = theirs.tokenizer.eos_token_id
    predictions = scores.read(table="predictions").to_pylist()
    assert len(predictions) == 30 * 4 + 30 * 2
    cut = 0
    for row in predictions:
        question = questions[row["question_id"]]
        choice = question["choices"][row["choice"]]
        before = [end, *theirs.ids(question["context"])]
        after = theirs.ids(" " + choice if question["context"] else choice)
        whole = (before + after)[-(CONTEXT + 1) :]
        assert row["log_probability"] == pytest.approx(theirs.each(whole)[-len(after) :].sum(), abs=1e-4)
        assert (row["tokens"], row["bytes"]) == (len(after), len(choice.encode()))
        assert row["cut_tokens"] == len(before) + len(after) - len(whole)
        assert row["gold"] == (question["gold"] == row["choice"])
        cut += row["cut_tokens"] > 0
    assert 0 < cut < len(predictions) / 2


def test_bits_per_byte_equal_a_slow_sliding_window_over_transformers(world, scores, theirs):
    rows = {row["doc_id"]: row for row in world.corpus.read().to_pylist()}
    scored = scores.read(table="documents").to_pylist()
    assert [row["doc_id"] for row in scored] == sorted(d for d, row in rows.items() if row["split"] == "validation")
    longest = 0
    for row in scored:
        text = rows[row["doc_id"]]["text"]
        ids = [theirs.tokenizer.eos_token_id, *theirs.ids(text)]
        found, at = 0.0, 1
        while at < len(ids):  # ids[at:stop] are scored, after as much as the context holds
            stop = min(len(ids), CONTEXT + 1 if at == 1 else at + CONFIG.stride)
            found += theirs.each(ids[max(0, stop - CONTEXT - 1) : stop])[-(stop - at) :].sum()
            at = stop
        longest = max(longest, len(ids))
        assert row["bits"] == pytest.approx(-found / math.log(2), rel=1e-5)
        assert (row["tokens"], row["bytes"]) == (len(ids) - 1, len(text.encode()))
    assert longest > 2 * CONTEXT
    sql = connect(world.lake)
    for source in ("all", "web", "books"):
        query = (
            "select value, bytes, items from evaluate "
            "where metric = 'bits_per_byte' and source = $1 and fingerprint = $2"
        )
        value, size, items = sql.execute(query, [source, scores.fingerprint]).fetchall()[0]
        chosen = [row for row in scored if source in ("all", row["source"])]
        assert value == pytest.approx(sum(row["bits"] for row in chosen) / sum(row["bytes"] for row in chosen))
        assert (size, items) == (sum(row["bytes"] for row in chosen), len(chosen))


def test_the_model_beats_its_baselines_and_they_stand_beside_it(scores):
    rows = [row for row in scores.read().to_pylist() if row["source"] == "all"]
    value = {row["metric"]: row["value"] for row in rows}
    assert set(value) == {"bits_per_byte", "unigram", "byte_unigram", "xz_each", "xz_whole"}
    assert value["bits_per_byte"] < value["unigram"] < value["byte_unigram"]
    assert value["bits_per_byte"] < value["xz_each"]
    assert value["xz_whole"] < value["xz_each"]
    (model,) = [row for row in rows if row["metric"] == "bits_per_byte"]
    assert model["baseline"] == pytest.approx(value["unigram"])
    assert evaluate.summary(scores)[0]["metric"] == "bits_per_byte"  # type: ignore[misc]


def test_baselines_equal_slow_obvious_ones(world, scores):
    tokenizer = Tokenizer.load(world.base.file("tokenizer.json"))
    rows = world.corpus.read().to_pylist()
    seen: Counter[int] = Counter()
    for row in rows:
        if row["split"] == "train":
            for _ in range(row["copies"]):
                seen.update(tokenizer.encode([row["text"]])[0].tolist())
    counts = count_tokens(world.tokens, len(tokenizer))
    ends = sum(row["copies"] for row in rows if row["split"] == "train")
    assert dict(enumerate(counts.tolist())) == {n: seen[n] for n in range(len(tokenizer))} | {
        tokenizer.end_of_text: ends
    }
    text = "".join(row["text"] * row["copies"] for row in rows if row["split"] == "train").encode()
    assert byte_counts(tokenizer, counts).tolist() == np.bincount(np.frombuffer(text, np.uint8), minlength=256).tolist()
    total = sum(seen.values()) + len(tokenizer) - 3
    texts = {row["doc_id"]: row["text"] for row in rows}
    for row in scores.read(table="documents").to_pylist():
        content = texts[row["doc_id"]].encode()
        bits = -sum(math.log2((seen[n] + 1) / total) for n in tokenizer.encode([texts[row["doc_id"]]])[0].tolist())
        assert row["unigram_bits"] == pytest.approx(bits)
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
        packed = lzma.compress(content, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, filters=filters)
        assert row["xz_bits"] == 8 * len(packed) == xz_bits(content)


def test_a_unigram_model_sums_to_one_without_control_tokens():
    bits = unigram_bits(np.array([5, 0, 3, 900]), control=[3])
    assert np.exp2(-bits[:3]).sum() == pytest.approx(1)
    assert bits[0] == pytest.approx(-math.log2(6 / 11))
    assert np.isinf(bits[3])


@given(st.integers(0, 60), st.integers(0, 300), st.integers(1, 50), st.data())
def test_windows_score_each_token_once_and_show_what_there_is_to_see(prompt, length, context, data):
    stride = data.draw(st.integers(1, context))
    before, ids = np.arange(prompt), np.arange(prompt, prompt + length)
    scored: list[int] = []
    for number, (seen, window) in enumerate(slide(before, ids, context, stride)):
        assert 1 <= len(window) <= (stride if number else context)
        if len(seen):
            assert seen[-1] == window[0] - 1
            assert np.array_equal(np.diff(seen), np.ones(len(seen) - 1))
        # all that was before, or as much as fits beside the window
        assert len(seen) == min(window[0], context + 1 - len(window))
        scored += window.tolist()
    assert scored == ids.tolist()


def test_a_stride_beyond_the_context_is_refused():
    with pytest.raises(ValueError, match="stride is 9"):
        list(slide(np.arange(1), np.arange(20), 8, 9))


def test_standard_errors():
    sizes, amounts = np.full(50, 4.0), np.random.default_rng(1).normal(8, 1, 50)
    assert ratio_error(amounts, sizes) == pytest.approx((amounts / sizes).std(ddof=1) / math.sqrt(50))
    assert ratio_error(amounts[:1], sizes[:1]) is None
    # against the bootstrap, where sizes differ
    draw = np.random.default_rng(2)
    sizes = draw.integers(50, 5000, 300).astype(float)
    amounts = sizes * draw.normal(2, 0.3, 300)
    picks = draw.integers(0, 300, (4000, 300))
    bootstrap = (amounts[picks].sum(1) / sizes[picks].sum(1)).std()
    assert ratio_error(amounts, sizes) == pytest.approx(bootstrap, rel=0.1)


def test_accuracy_by_score_and_by_score_per_byte():
    def choice(question: str, number: int, chosen: int, per_byte: int, gold: int) -> dict:
        about = {"task": "t", "question_id": question, "choice": number}
        return about | {"chosen": number == chosen, "chosen_per_byte": number == per_byte, "gold": number == gold}

    rows = [choice("a", n, 0, 1, 0) for n in range(2)] + [choice("b", n, 3, 1, 1) for n in range(4)]
    rows += [choice("c", n, 1, 1, 1) for n in range(2)]
    by_metric = {row["metric"]: row for row in accuracies(rows)}
    assert by_metric["accuracy"]["value"] == pytest.approx(2 / 3)
    assert by_metric["accuracy_per_byte"]["value"] == pytest.approx(2 / 3)
    assert by_metric["accuracy"]["baseline"] == pytest.approx((1 / 2 + 1 / 4 + 1 / 2) / 3)
    assert by_metric["accuracy"]["standard_error"] == pytest.approx(np.std([1, 0, 1], ddof=1) / math.sqrt(3))
    assert by_metric["accuracy"]["items"] == 3


def test_what_is_scored_depends_on_ids_alone(world, quiz):
    everything = choose_questions([quiz], EvaluateConfig())
    assert len(everything) == 80
    few = choose_questions([quiz, quiz], EvaluateConfig(items=7, tasks=("order", "deeds")))
    assert [row["task"] for row in few] == ["order"] * 7 + ["deeds"] * 7
    for task in ("order", "deeds"):
        ids = sorted(row["question_id"] for row in everything if row["task"] == task)
        assert [row["question_id"] for row in few if row["task"] == task] == ids[:7]
    documents = validation_documents(world.corpus, EvaluateConfig(validation_bytes=1000))
    sizes = [len(text.encode()) for text in documents.column("text").to_pylist()]
    assert sum(sizes[:-1]) < 1000 <= sum(sizes)
    assert validation_documents(world.corpus, EvaluateConfig(validation_bytes=0)).num_rows == 0


@given(st.integers(1, 40))
def test_a_long_document_is_cut_between_characters(world, limit):
    cut = validation_documents(world.corpus, EvaluateConfig(document_bytes=limit, validation_bytes=200))
    texts = {row["doc_id"]: row["text"] for row in world.corpus.read(["doc_id", "text"]).to_pylist()}
    for row in cut.to_pylist():
        assert texts[row["doc_id"]].startswith(row["text"])
        assert limit - 1 <= len(row["text"].encode()) <= limit


def test_an_evaluation_without_questions_or_text_says_what_it_has(world):
    with running(world.lake, "evaluate", workers=0, quiet=True):
        config = EvaluateConfig(threads=1, validation_bytes=0, sample_tokens=3)
        assert evaluate(config, model=world.base, corpus=world.corpus, questions=[]).rows() == 0


def test_what_cannot_be_evaluated_is_a_sentence(world, quiz):
    other = commit_corpus(world.lake, seed=8)
    with running(world.lake, "evaluate", workers=0, quiet=True):
        with pytest.raises(StageFailed, match="is another corpus"):
            evaluate(CONFIG, model=world.base, corpus=other, questions=[])
        asked = EvaluateConfig(tasks=("odrer",))
        with pytest.raises(StageFailed, match="no questions of the task 'odrer'; there are deeds, order"):
            evaluate(asked, model=world.base, corpus=world.corpus, questions=[quiz])
        with pytest.raises(StageFailed, match="is no model but of the kind tokens"):
            evaluate(CONFIG, model=world.tokens, corpus=world.corpus, questions=[])


def test_a_fine_tuned_model_is_scored_on_the_same_items_and_also_chats(world, tuned, quiz, scores):
    with running(world.lake, "evaluate", workers=0, quiet=True):
        again = evaluate(CONFIG, model=tuned, corpus=world.corpus, questions=[quiz])
    for name, columns in (("predictions", ["question_id", "choice"]), ("documents", ["doc_id", "bytes", "xz_bits"])):
        assert again.read(columns, name).equals(scores.read(columns, name))
    samples, base_samples = (one.read(table="samples") for one in (again, scores))
    assert base_samples.column("chat").to_pylist() == [False] * len(CONFIG.prompts)
    assert samples.column("chat").to_pylist() == [False] * len(CONFIG.prompts) + [True] * len(CONFIG.messages)
    assert samples.column("prompt").to_pylist() == [*CONFIG.prompts, *CONFIG.messages]
    first = samples.to_pylist()[0]
    said = Completer(tuned).complete(first["prompt"], max_tokens=12, seed=0)
    assert "".join(said) == first["text"]


def test_completions_come_in_whole_characters_and_are_seeded(world, tuned):
    completer = Completer(tuned)
    draws = [list(completer.complete("The", max_tokens=80, temperature=2.5, top_k=0, seed=seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert all(piece for piece in draws[0])
    answers = {"".join(completer.complete("What does the baker do?", chat=True, temperature=0, seed=s)) for s in (1, 2)}
    assert len(answers) == 1
    with pytest.raises(StageFailed, match="learned from no conversation"):
        Completer(world.base).complete("Hello", chat=True)
    with pytest.raises(StageFailed, match="is no model"):
        Completer(world.corpus)


def test_a_character_that_two_tokens_share_comes_once(world):
    completer = Completer(world.base)
    tokenizer = Tokenizer.load(world.base.file("tokenizer.json"))
    ids = tokenizer.encode(["aü€😀b"])[0].tolist()
    assert len(ids) > 5
    pieces = list(completer._pieces(iter(ids)))
    assert "".join(pieces) == "aü€😀b"
    assert "\ufffd" not in "".join(pieces)
    assert "".join(completer._pieces(iter(ids[:-2]))).endswith("\ufffd")


def test_equal_runs_give_equal_bytes(world, quiz, scores, tmp_path):
    shutil.copytree(world.lake, tmp_path / "lake", ignore=shutil.ignore_patterns("evaluate"))
    moved = [one.model_copy(update={"lake": str(tmp_path / "lake")}) for one in (world.base, world.corpus, quiz)]
    with running(tmp_path / "lake", "evaluate", workers=0, quiet=True):
        again = evaluate(CONFIG, model=moved[0], corpus=moved[1], questions=[moved[2]])
    assert again.manifest == scores.manifest
