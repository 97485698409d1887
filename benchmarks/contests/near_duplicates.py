"""The whole of MinHash deduplication: documents from Parquet, which of them stay into a file, and who finds what."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import debdocs, duplicate_texts
from benchmarks.harness import Contest, Contestant

OURS, PEER = "gristmill", "datatrove, its four steps"
DECIDED = "gristmill, through the stage that decides"
RENSA, RHO = "rensa, RMinHash of 5-grams", "rensa, rho of words"
DATASKETCH = "datasketch, MinHashLSH"
BATCH = 256
BINS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ALIKE = 0.5
"""A document that went although no other reaches this similarity to it went wrongly."""


def prepare(folder: Path) -> None:
    """Write all pages of debdocs and the planted pairs behind them, the second text of each after all the first."""
    pairs = duplicate_texts.planted()
    texts = debdocs.pages() + [first for first, _ in pairs] + [second for _, second in pairs]
    duplicate_texts.write(folder, texts)


def gristmill(folder: Path, output: Path) -> Callable[[], int]:
    """The functions of `sign` and `decide`: signatures of all documents are written, read again, and clustered."""
    from tasks.decide.clusters import find_clusters
    from tasks.decide.decisions import content_words
    from tasks.decide.signatures import SignatureFiles
    from tasks.decide.thresholds import DuplicateRules

    rules = DuplicateRules()

    def decide(signed_path: Path) -> pa.Table:
        files = SignatureFiles([str(signed_path)])
        table = pq.read_table(signed_path, columns=["doc_id", "content_hash"], use_threads=False)
        places = np.arange(table.num_rows)
        buckets, signed = files.buckets(places)
        clusters = find_clusters(
            content_words(table.column("content_hash")), places, buckets, signed, files.signatures, rules
        )
        return table.append_column("kept", pa.array(clusters.stays == places))

    return _deduplicating(folder, output, decide)


def gristmill_decided(folder: Path, output: Path) -> Callable[[], int]:
    """The same through `decide_documents`, as a run does it, with the table of decisions: ids, reasons, clusters."""
    from storage.shards import TableWriter
    from tasks.decide.decisions import DECISIONS, decide_documents
    from tasks.decide.rules import DecideConfig

    config = DecideConfig.model_validate({"gopher": None, "repetition": None})

    known = output.with_name(f"{output.name}-known.parquet")

    def prepare(ids: list[str]) -> None:
        dates = pa.nulls(len(ids), pa.timestamp("us", "UTC"))
        pq.write_table(pa.table({"doc_id": ids, "source": ["web"] * len(ids), "capture_date": dates}), known)

    def decide(signed_path: Path) -> pa.Table:
        made = decide_documents([str(known)], {"sign": [str(signed_path)]}, config, threads=1)
        with TableWriter(output.with_name(f"{output.name}-decisions.parquet"), DECISIONS) as writer:
            for batch in made.to_batches():
                writer.write(batch)
        return made

    return _deduplicating(folder, output, decide, prepare)


def _deduplicating(
    folder: Path,
    output: Path,
    decide: Callable[[Path], pa.Table],
    prepare: Callable[[list[str]], object] = lambda ids: None,
) -> Callable[[], int]:
    """Sign documents into a file, `decide` from it (rows with `doc_id` and `kept`), write the ids of those kept.

    `prepare` writes, before the clock starts, what else `decide` asks of documents with these ids.
    """
    from storage.shards import TableWriter, read_batches
    from tasks.annotation import with_doc_id
    from tasks.sign import SignConfig, sign_documents, signatures_table

    config = SignConfig()
    declared = with_doc_id(signatures_table(config))
    signed_path = output.with_name(f"{output.name}-signatures.parquet")

    def deduplicate(documents: Path) -> int:
        with TableWriter(signed_path, declared) as writer:
            for batch in read_batches(documents, ["id", "text"], BATCH):
                signed = sign_documents(batch.select(["text"]), config)
                columns = [batch.column("id"), *signed.columns]
                writer.write(pa.RecordBatch.from_arrays(columns, schema=declared.schema))
        made = decide(signed_path)
        stays = made.filter(made.column("kept")).column("doc_id")
        output.write_text(json.dumps(stays.to_pylist()), encoding="utf-8")
        return made.num_rows

    def prepared(documents: Path) -> Path:
        prepare(pq.read_table(documents, columns=["id"]).column("id").to_pylist())
        return documents

    one = output.with_name(f"{output.name}-one")
    duplicate_texts.write(one, ["A warm mill grinds."])
    deduplicate(prepared(one / "documents" / "00000.parquet"))  # loads what is compiled, and what is imported late
    documents = prepared(folder / "documents" / "00000.parquet")
    return lambda: deduplicate(documents)


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """What each one drops, by the exact similarity of a document to the most similar one before it."""
    folder = next(iter(outputs.values())).parent.parent / "inputs"
    texts = pq.read_table(folder / "documents" / "00000.parquet").column("text").to_pylist()
    n_planted = len(duplicate_texts.LEVELS) * duplicate_texts.PAIRS
    pages, truth = slice(0, len(texts) - 2 * n_planted), np.zeros((2, len(texts)))
    earlier, later, similarity = duplicate_texts.similar_pairs(texts, 0.01)
    np.maximum.at(truth[0], later, similarity)  # the most similar one before
    np.maximum.at(truth[1], earlier, similarity)
    dropped = {}
    for name, path in outputs.items():
        stays = np.array([int(one) for one in json.loads(path.read_text(encoding="utf-8"))], np.int64)
        gone = np.ones(len(texts), bool)
        gone[stays] = False
        dropped[name] = gone
    curve = np.where(truth[0] > 0, 1 - (1 - truth[0] ** 8) ** 14, 0)
    characters, words = np.mean([*map(len, texts)]), np.mean([len(text.split()) for text in texts])
    lines = [
        f"{len(texts) - 2 * n_planted:,} pages of debdocs and {n_planted:,} planted pairs, {characters:,.0f} "
        f"characters and {words:,.0f} words each. Similarity is exact: sets of 5-grams compared by brute force. Of the "
        "documents whose most similar predecessor is that similar, so many per cent are dropped:",
        "",
    ]
    for title, rows in (
        ("planted pairs", slice(len(texts) - n_planted, len(texts))),
        ("pages of debdocs", pages),
    ):
        nearest = truth[0][rows]
        names = [*dropped]
        lines += [
            f"| {title} | documents | the curve | " + " | ".join(names) + " |",
            "|---|---|---|" + "---|" * len(names),
        ]
        for low, high in zip(BINS, [*BINS[1:], 1.01], strict=True):
            inside = (nearest >= low) & (nearest < high)
            if not inside.any():
                continue
            label = "1" if low == 1 else f"{low:.1f} to {high:.1f}"
            cells = " | ".join(f"{dropped[name][rows][inside].mean():.1%}" for name in names)
            lines.append(f"| {label} | {inside.sum():,} | {curve[rows][inside].mean():.1%} | {cells} |")
        lines.append("")
    most = truth.max(axis=0)
    lines += [
        "| who | recall from 0.8 on | precision: dropped with another at 0.5 or more | dropped |",
        "|---|---|---|---|",
    ]
    for name, gone in dropped.items():
        recall, right = gone[truth[0] >= 0.8].mean(), (most[gone] >= ALIKE).mean()
        lines.append(f"| {name} | {recall:.2%} | {right:.2%} | {gone.sum():,} |")
    return lines


CONTEST = Contest(
    name="near_duplicates",
    title="MinHash deduplication, whole",
    unit="documents",
    contestants=[
        Contestant(OURS, "gristmill"),
        Contestant(DECIDED, "gristmill_decided"),
        Contestant(PEER, "datatrove", peer=True),
        Contestant(RENSA, "rensa_shingles", peer=True),
        Contestant(RHO, "rensa_rho", peer=True),
        Contestant(DATASKETCH, "datasketch", peer=True),
    ],
    prepare=prepare,
    baseline=PEER,
    compare=compare,
    notes="One process each. Documents are read from one Parquet file, packed with zstd as `extract` writes it, and "
    "the ids of those that stay are written; signatures go through files where a tool works so (gristmill, "
    "datatrove). 5-grams of words, 14 bands of 8 rows. rensa's rho pipeline is its fastest: it samples words, "
    "so it answers another question. Through the stage that decides, as in a run, documents are joined with their "
    "scores, too, and each gets a row with its reason, cluster and similarity to the one that stays for it, which no "
    "other tool writes. Asked for: 200 times datatrove, 8 times rensa.",
    rounds=3,
)
