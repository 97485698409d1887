"""From a corpus to packed rows: the tokenizer's training, token shards with their index, and rows."""

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from models.tokenizer import CONTROL_TOKENS, Tokenizer
from storage.artifact import Artifact, Identity, Input
from storage.commit import stage_artifact
from storage.lake import Lake
from storage.schemas.tokens import TOKEN_INDEX, TOKENIZER, TOKENS, tokens_table
from storage.shards import open_arrow
from storage.sql import connect
from storage.table import Table, column, table
from storage.tokens import PackedRows, TokenShards
from tasks.pack import PackConfig, cut_rows, filled, order_of, pack
from tasks.run import running
from tasks.stage import StageFailed
from tasks.tokenize import TokenizeConfig, fitting, realised, tokenize
from tasks.train_tokenizer import TokenizerConfig, train_tokenizer

CORPUS = table(
    column("doc_id", pa.string(), "Document.", nullable=False),
    column("source", pa.string(), "Source."),
    column("component", pa.string(), "Component."),
    column("language", pa.string(), "Language."),
    column("split", pa.string(), "Split."),
    column("copies", pa.int32(), "Copies."),
    column("phase_copies", pa.list_(pa.int32()), "Copies by phase."),
    column("text", pa.large_string(), "Text."),
    group_rows=50,
)
WORDS = [
    "mill",
    "stone",
    "grain",
    "wheel",
    "flour",
    "river",
    "Mühle",
    "мельница",
    "風車",
    "field\n",
    "<|endoftext|>",
    "12",
]
SMALL = TokenizerConfig(vocabulary_size=400)


def document(number: int, draw: random.Random, words: int = 60) -> dict:
    copies = 1 if number % 10 == 0 else 1 + (number % 7 == 0) + 2 * (number % 11 == 0)
    return {
        "doc_id": hashlib.sha256(str(number).encode()).hexdigest()[:32],
        "source": ("web", "books")[number % 3 == 0],
        "component": ("web", "books")[number % 3 == 0],
        "language": None if number % 5 == 0 else "en",
        "split": "validation" if number % 10 == 0 else "train",
        "copies": copies,
        "phase_copies": [copies],
        "text": " ".join(draw.choices(WORDS, k=draw.randint(0, words))),
    }


def documents(count: int) -> list[dict]:
    draw = random.Random(7)
    return [document(number, draw) for number in range(count)]


def commit(
    lake: Path,
    stage: str,
    kind: str,
    inputs: dict[str, Artifact],
    tables: dict[str, Table],
    shards: list[dict],
    **files: str,
) -> Artifact:
    """An artifact with these rows, as the stage that makes it would write it."""
    listed = tuple(Input(role=role, stage=one.stage, fingerprint=one.fingerprint) for role, one in inputs.items())
    what = hashlib.sha256(repr(shards).encode()).hexdigest()
    identity = Identity(stage=stage, version=1, config={"what": what}, inputs=listed)
    with stage_artifact(Lake(lake), identity, kind, print) as staging:
        if isinstance(staging, Artifact):
            return staging
        records = []
        for number, rows_of in enumerate(shards):
            output = staging.output(number, "key", tables)
            for name, rows in rows_of.items():
                if not isinstance(rows, pa.RecordBatch):
                    rows = pa.RecordBatch.from_pylist(rows, schema=tables[name].schema)
                output.write(rows, name)
            for name, content in files.items():
                output.file(f"{name}.json").write_text(content, encoding="utf-8")
            records.append(output.finish())
        return staging.commit(records, {})


def corpus_of(lake: Path, parts: list[list[dict]]) -> Artifact:
    # Of no kind that the views know: they look for the decisions that a corpus was composed by.
    return commit(lake, "compose", "text", {}, {"part": CORPUS}, [{"part": rows} for rows in parts])


def unequal(rows: list[dict], parts: int) -> list[list[dict]]:
    """The rows in order, in parts of growing length."""
    cuts = [len(rows) * part * (part + 1) // (parts * (parts + 1)) for part in range(parts + 1)]
    return [rows[start:end] for start, end in itertools.pairwise(cuts)]


def build(lake: Path, rows: list[dict], parts: int = 4, workers: int = 1, **packing: int) -> tuple[Artifact, ...]:
    """(corpus, tokenizer, tokens, packing)"""
    with running(lake, "tokens", workers=workers, quiet=True):
        corpus = corpus_of(lake, unequal(rows, parts))
        tokenizer = train_tokenizer(SMALL, corpus=corpus)
        tokens = tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer)
        return corpus, tokenizer, tokens, pack(PackConfig(**packing), tokens=tokens)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Artifact, ...]:
    return build(tmp_path_factory.mktemp("made") / "lake", documents(150), context_length=31)


def encoder_of(artifact: Artifact) -> Tokenizer:
    return Tokenizer.load(artifact.file("tokenizer.json"))


def test_each_index_row_leads_to_the_tokens_of_its_text(made):
    corpus, tokenizer, tokens, _ = made
    encoder, shards = encoder_of(tokenizer), TokenShards(tokens)
    library = tokenizers.Tokenizer.from_str(tokenizer.file("tokenizer.json").read_text(encoding="utf-8"))
    library.encode_special_tokens = True
    texts = {row["doc_id"]: row for row in corpus.read().to_pylist()}
    index = tokens.read().to_pylist()
    assert [row["doc_id"] for row in index] == list(texts)
    for row in index:
        ids = shards.slice(row["shard"], row["start"], row["length"]).tolist()
        text = texts[row["doc_id"]]["text"]
        assert ids[-1] == encoder.end_of_text
        assert not set(ids[:-1]) & set(encoder.control.values())
        assert ids[:-1] == library.encode(text).ids
        assert encoder.decode(ids[:-1]) == text
        assert row["bytes"] == len(text.encode())
        assert {name: row[name] for name in ("source", "component", "language", "split", "copies", "phase_copies")} == {
            name: texts[row["doc_id"]][name]
            for name in ("source", "component", "language", "split", "copies", "phase_copies")
        }
    assert any("<|endoftext|>" in row["text"] for row in texts.values())


def test_the_stretches_of_documents_cover_every_shard(made):
    tokens = made[2]
    shards = TokenShards(tokens)
    index = tokens.read().to_pylist()
    assert {row["shard"] for row in index} == {0, 1, 2, 3}
    for shard in range(4):
        stretches = [(row["start"], row["start"] + row["length"]) for row in index if row["shard"] == shard]
        assert [start for start, _ in stretches] == [0, *(end for _, end in stretches[:-1])]
        assert stretches[-1][1] == shards.length(shard) == tokens.parts(TOKENS)[shard].rows


def test_the_index_is_open_to_sql(made):
    sql = connect(made[2].lake)
    query = "select split, sum(length) from tokenize group by all"
    assert sum(count for _, count in sql.sql(query).fetchall()) == made[2].rows(TOKENS)


def test_validation_text_and_copies_do_not_move_the_tokenizer(tmp_path):
    rows = documents(60)
    changed = [row | ({"text": "qqqqq " * 200} if row["split"] == "validation" else {"copies": 5}) for row in rows]
    _, first, _, _ = build(tmp_path / "one", rows)
    _, second, _, _ = build(tmp_path / "two", changed)
    assert first.fingerprint != second.fingerprint
    assert first.file("tokenizer.json").read_bytes() == second.file("tokenizer.json").read_bytes()
    training = [row["text"] for row in rows if row["split"] == "train"]
    (about,) = first.read().to_pylist()
    assert (about["documents"], about["bytes"]) == (len(training), sum(len(text.encode()) for text in training))
    assert about["control_tokens"] == list(CONTROL_TOKENS)
    assert about["vocabulary_size"] == len(encoder_of(first))
    assert about["tokenizer"] == encoder_of(first).fingerprint


def test_no_document_is_read_beyond_the_limit(tmp_path):
    rows = documents(60)
    with running(tmp_path / "lake", "tokens", workers=1, quiet=True):
        corpus = corpus_of(tmp_path / "lake", unequal(rows, 3))
        made = train_tokenizer(SMALL.model_copy(update={"max_bytes": 1000}), corpus=corpus)
    (about,) = made.read().to_pylist()
    sizes = np.cumsum([len(row["text"].encode()) for row in rows if row["split"] == "train"])
    assert about["documents"] == np.searchsorted(sizes, 1000) + 1
    assert about["bytes"] == sizes[about["documents"] - 1]


def test_a_corpus_without_training_text_is_refused(tmp_path):
    rows = [row for row in documents(40) if row["split"] == "validation"]
    with running(tmp_path / "lake", "tokens", workers=1, quiet=True):
        corpus = corpus_of(tmp_path / "lake", [rows])
        with pytest.raises(StageFailed, match="no document in its training part"):
            train_tokenizer(SMALL, corpus=corpus)


def wide_tokenizer(lake: Path, vocabulary_size: int) -> Artifact:
    """A tokenizer with so many tokens, of which only control tokens and bytes are ever used."""
    narrow = json.loads(_trained(["grain"]))
    vocabulary = narrow["model"]["vocab"]
    unused = {f"zzzz{number}": number for number in range(len(vocabulary), vocabulary_size)}
    narrow["model"]["vocab"] = vocabulary | unused
    facts = dict.fromkeys(TOKENIZER.schema.names) | {"vocabulary_size": vocabulary_size}
    shards = [{"part": [facts]}]
    return commit(lake, "train_tokenizer", "tokenizer", {}, {"part": TOKENIZER}, shards, tokenizer=json.dumps(narrow))


def _trained(texts: list[str]) -> str:
    from models.tokenizer import train_tokenizer as learn

    return learn(texts, 300).to_json()


@pytest.mark.parametrize(("size", "kind"), [(65_536, "uint16"), (65_537, "uint32"), (70_000, "uint32")])
def test_tokens_are_as_wide_as_the_vocabulary_asks(tmp_path, size, kind):
    rows = documents(20)
    with running(tmp_path / "lake", "tokens", workers=1, quiet=True):
        corpus, tokenizer = corpus_of(tmp_path / "lake", [rows]), wide_tokenizer(tmp_path / "lake", size)
        assert len(encoder_of(tokenizer)) == size
        assert fitting(tokenizer).token_type == kind
        tokens = tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer)
        (path,) = tokens.paths(TOKENS)
        assert str(open_arrow(path).schema.field("token").type) == kind
        last = tokens.read().to_pylist()[-1]
        ids = TokenShards(tokens).slice(0, last["start"], last["length"] - 1)
        assert encoder_of(tokenizer).decode(ids.tolist()) == rows[-1]["text"]
        wrong = TokenizeConfig.model_validate({"token_type": "uint32" if kind == "uint16" else "uint16"})
        with pytest.raises(StageFailed, match=f"`token_type` is {kind}"):
            tokenize(wrong, corpus=corpus, tokenizer=tokenizer)


def contents(artifact: Artifact) -> dict[str, str]:
    return {
        path.relative_to(artifact.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in artifact.folder.rglob("*")
        if path.is_file() and path.name != "provenance.json"
    }


def test_one_worker_and_four_give_the_same_bytes(tmp_path):
    rows = documents(200)
    one = build(tmp_path / "one", rows, parts=9, workers=1)
    four = build(tmp_path / "four", rows, parts=9, workers=4)
    assert len(contents(one[2])) == 2 * 9 + 1
    assert [contents(artifact) for artifact in one] == [contents(artifact) for artifact in four]


SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tests.tasks.test_tokens import build, documents
    if __name__ == "__main__":
        build(Path(sys.argv[1]), documents(120), parts=5, workers=int(sys.argv[2]))
""")


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_when_a_shard_is_finished_the_next_run_goes_on(tmp_path, workers):
    lake = tmp_path / "lake"
    expected = [contents(artifact) for artifact in build(tmp_path / "calm", documents(120), parts=5)]
    with running(lake, "tokens", workers=1, quiet=True):
        train_tokenizer(SMALL, corpus=corpus_of(lake, unequal(documents(120), 5)))
    command = [sys.executable, "-c", SCRIPT, str(lake)]
    # Without workers the run itself dies at its third shard; with them each worker does, until the run gives up.
    point = {"GRISTMILL_KILL_AT": "shard.finished:3" if workers == 0 else "shard.finished"}
    killed = subprocess.run([*command, str(workers)], env=os.environ | point, capture_output=True, check=False)
    assert killed.returncode == (-signal.SIGKILL if workers == 0 else 1), killed.stderr.decode()
    assert not [artifact for artifact in Lake(lake).artifacts("tokenize")]
    records = list(lake.glob("tokenize/.staging/*.work/shard-*.json"))
    finished = {}
    for record in records:
        part = record.parent.with_suffix("") / f"{TOKENS}-{record.stem.split('-')[1]}.arrow"
        finished[part.name] = (part.stat().st_ino, part.stat().st_mtime_ns)
    assert len(finished) == 3 if workers == 0 else finished
    again = build(lake, documents(120), parts=5, workers=2)
    assert [contents(artifact) for artifact in again] == expected
    after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in again[2].paths(TOKENS)}
    assert {name: after[name] for name in finished} == finished


@given(lengths=st.lists(st.integers(1, 40), max_size=30), row_length=st.integers(1, 20))
def test_rows_hold_every_token_once_and_only_the_last_is_shorter(lengths, row_length):
    spans = cut_rows(np.array(lengths, np.int64), row_length)
    line = [(entry, offset) for entry, length in enumerate(lengths) for offset in range(length)]
    expected = [line[start : start + row_length] for start in range(0, len(line), row_length)]
    rows: list[list[tuple[int, int]]] = [[] for _ in expected]
    for row, position, entry, offset, length in zip(
        *(getattr(spans, name).tolist() for name in ("row", "position", "entry", "offset", "length")), strict=True
    ):
        assert length > 0
        assert position == len(rows[row])
        rows[row] += [(entry, offset + step) for step in range(length)]
    assert rows == expected
    starts = list(zip(spans.row.tolist(), spans.position.tolist(), strict=True))
    assert starts == sorted(set(starts))
    assert all(one.dtype == np.int64 for one in vars(spans).values())


ids = st.lists(st.integers(0, (1 << 128) - 1).map("{:032x}".format), unique=True, max_size=20)


@given(doc_ids=ids, seed=st.integers(0, (1 << 63) - 1), draw=st.data())
def test_the_order_depends_on_ids_and_seed_alone(doc_ids, seed, draw):
    copies = draw.draw(st.lists(st.integers(0, 4), min_size=len(doc_ids), max_size=len(doc_ids)))
    shuffled = draw.draw(st.permutations(range(len(doc_ids))))

    def named(positions: list[int]) -> list[str]:
        array = pa.array([doc_ids[place] for place in positions], pa.string())
        order = order_of(array, np.array([copies[place] for place in positions], np.int64), seed)
        return [array[int(place)].as_py() for place in order]

    found = named(list(range(len(doc_ids))))
    assert found == named(shuffled)
    assert Counter(found) == Counter({doc_id: count for doc_id, count in zip(doc_ids, copies, strict=True) if count})
    less = [place for place in range(len(doc_ids)) if place != 0]
    assert named(less) == [doc_id for doc_id in found if doc_id != doc_ids[0]] if doc_ids else found == []


def test_another_seed_is_another_order_and_copies_lie_apart():
    doc_ids = pa.array([hashlib.sha256(bytes([number])).hexdigest()[:32] for number in range(50)], pa.string())
    copies = np.full(50, 4, np.int64)
    first, second = order_of(doc_ids, copies, 1), order_of(doc_ids, copies, 2)
    assert first.tolist() != second.tolist()
    assert (first[1:] == first[:-1]).sum() < 20  # at random 4 of 199 neighbours are copies; side by side 150 would be


@pytest.mark.parametrize("bad", ["xyz", "00", "g" * 32])
def test_an_id_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="hexadecimal"):
        order_of(pa.array([bad]), np.ones(1, np.int64), 0)


def test_packed_rows_hold_every_document_as_often_as_it_has_copies(made):
    _, _, tokens, packing = made
    shards = TokenShards(tokens)
    whole: dict[str, list[int]] = {}
    for split in ("train", "validation"):
        expected: Counter[tuple[int, ...]] = Counter()
        for row in tokens.read().to_pylist():
            if row["split"] == split:
                whole[row["doc_id"]] = shards.slice(row["shard"], row["start"], row["length"]).tolist()
                expected[tuple(whole[row["doc_id"]])] += row["copies"]
        rows = PackedRows(packing, tokens, split)
        batch, mask = rows.batch(np.arange(len(rows)))
        assert batch.shape == mask.shape == (len(rows), 32)
        assert (batch.dtype, mask.dtype) == (np.int64, bool)
        line = batch[mask].tolist()
        assert len(line) == sum(len(ids) * count for ids, count in expected.items())
        found: Counter[tuple[int, ...]] = Counter()
        start = 0
        for place, token in enumerate(line):
            if token == 0:  # <|endoftext|> ends a document and stands nowhere else
                found[tuple(line[start : place + 1])] += 1
                start = place + 1
        assert found == expected
        assert mask[:-1].all()
        assert mask[-1].tolist() == sorted(mask[-1].tolist(), reverse=True)
        assert not batch[~mask].any()
    begins = {row["doc_id"]: row["start"] for row in tokens.read().to_pylist()}
    for row in packing.read().to_pylist():
        offset = row["start"] - begins[row["doc_id"]]
        ids = shards.slice(row["shard"], row["start"], row["length"]).tolist()
        assert ids == whole[row["doc_id"]][offset : offset + row["length"]]


def test_a_batch_is_its_rows_in_the_order_asked_for(made):
    rows = PackedRows(made[3], made[2], "train")
    everything, _ = rows.batch(np.arange(len(rows)))
    chosen = np.array([5, 0, 5, len(rows) - 1])
    assert (rows.batch(chosen)[0] == everything[chosen]).all()
    with pytest.raises(IndexError, match="no row"):
        rows.batch(np.array([len(rows)]))


def test_places_of_a_row_are_told_apart_by_document(made):
    rows = PackedRows(made[3], made[2], "train")
    batch, mask = rows.batch(np.arange(len(rows)))
    numbers = rows.documents(np.arange(len(rows)))
    assert ((numbers >= 0) == mask).all()
    assert (numbers[:, 0] == 0).all()
    steps = np.diff(numbers, axis=1)[mask[:, 1:]]
    assert (steps == (batch[:, :-1] == 0)[mask[:, 1:]]).all()  # the number grows after each <|endoftext|>


def test_the_parts_of_the_corpus_do_not_change_the_rows(tmp_path):
    rows = documents(90)
    found = []
    for parts in (1, 6):
        _, _, tokens, packing = build(tmp_path / str(parts), rows, parts=parts, context_length=20, seed=3)
        packed = PackedRows(packing, tokens, "train")
        found.append(packed.batch(np.arange(len(packed)))[0])
    assert (found[0] == found[1]).all()


def test_another_context_length_tokenizes_nothing_again(tmp_path):
    build(tmp_path / "lake", documents(40), context_length=16)
    with running(tmp_path / "lake", "again", workers=1, quiet=True) as run:
        build(tmp_path / "lake", documents(40), context_length=48)
    assert [(step.stage, step.reused) for step in run.steps] == [
        ("train_tokenizer", True),
        ("tokenize", True),
        ("pack", False),
    ]
    assert PackedRows(run.steps[-1].artifact, run.steps[1].artifact, "train").row_length == 49


def test_rows_of_other_tokens_are_refused(made, tmp_path):
    _, _, other, _ = build(tmp_path / "lake", documents(30))
    with pytest.raises(ValueError, match="pack these tokens"):
        PackedRows(made[3], other, "train")


def test_a_split_that_is_not_there_has_no_rows(tmp_path):
    rows = [row for row in documents(30) if row["split"] == "train"]
    _, _, tokens, packing = build(tmp_path / "lake", rows)
    validation = PackedRows(packing, tokens, "validation")
    assert len(validation) == 0
    assert validation.batch(np.arange(0))[0].shape == (0, 257)


def test_a_document_of_no_split_is_refused(tmp_path):
    rows = [*documents(20), document(99, random.Random(1)) | {"split": "test"}]
    with pytest.raises(StageFailed, match="1 documents of the token index belong to none of"):
        build(tmp_path / "lake", rows)


def test_stretches_are_read_across_record_batches(tmp_path):
    """A token file has record batches of 2**20 tokens: a stretch may begin in one and end in the next but one."""
    ids = np.random.default_rng(1).integers(0, 60_000, 2_300_000).astype(np.uint16)
    declared = {"part": TOKEN_INDEX, TOKENS: tokens_table(pa.uint16())}
    batch = pa.RecordBatch.from_arrays([pa.array(ids)], schema=declared[TOKENS].schema)
    tokens = commit(tmp_path / "lake", "tokenize", "tokens", {}, declared, [{"part": [], TOKENS: batch}])
    assert open_arrow(tokens.paths(TOKENS)[0]).column(0).num_chunks == 3
    shards = TokenShards(tokens)
    edge = 1 << 20
    for start, length in [(0, 5), (edge - 3, 7), (edge, 4), (edge - 2, edge + 5), (2_300_000 - 4, 4), (7, 0)]:
        assert (shards.slice(0, start, length) == ids[start : start + length]).all()
    for start, length in [(2_300_000 - 4, 5), (-1, 2)]:
        with pytest.raises(IndexError, match="not all in it"):
            shards.slice(0, start, length)


def test_the_summaries_add_up(made):
    corpus, _, tokens, packing = made
    rows = realised(tokens)
    texts = corpus.read().to_pylist()
    assert {(row["component"], row["split"]) for row in rows} == {
        (source, split) for source in ("web", "books") for split in ("train", "validation")
    }
    assert sum(row["tokens"] for row in rows) == tokens.rows(TOKENS)
    assert sum(row["bytes"] for row in rows) == sum(len(row["text"].encode()) for row in texts)
    assert sum(row["documents"] for row in rows) == len(texts)
    for split in filled(packing):
        assert split["tokens"] == sum(row["epoch_tokens"] for row in rows if row["split"] == split["split"])
        packed = PackedRows(packing, tokens, split["split"])
        assert split["rows"] == len(packed)
        assert split["padding"] == (~packed.batch(np.arange(len(packed)))[1]).sum()


def test_the_standard_library_keeps_its_own_tokenize():
    code = "import tokenize, tasks.tokenize; print(tokenize.generate_tokens.__module__, tasks.tokenize.tokenize.kind)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tokenize", "tokens"]
