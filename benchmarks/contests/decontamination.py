"""Decontamination beside datatrove's NGramsDecontFilter: the same documents, GSM8K's test set, 13 words."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from benchmarks import curation_texts
from benchmarks.harness import Contest, Contestant

OURS, PEER = "gristmill", "datatrove, NGramsDecontFilter"
NGRAM = 13


def prepare(folder: Path) -> None:
    """Write the documents, an item planted in the middle of one in EVERY of them, and the items."""
    items = curation_texts.items()
    texts = curation_texts.texts()
    for place in range(0, len(texts), curation_texts.EVERY):
        text, item = texts[place], items[place % len(items)]
        texts[place] = f"{text[: len(text) // 2]}\n\n{item}\n\n{text[len(text) // 2 :]}"
    curation_texts.write(folder, texts)
    (folder / "items.json").write_text(json.dumps(items), encoding="utf-8")


def gristmill(folder: Path, output: Path) -> Callable[[], int]:
    """The stage's function: every item with every place, and no stop at the first n-gram."""
    from tasks.contamination.items import ItemText, index_texts
    from tasks.contamination.stage import ContaminationConfig, find_contamination

    config = ContaminationConfig(ngram=NGRAM, min_words=NGRAM)
    items = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    given = [ItemText("gsm8k", str(number), item) for number, item in enumerate(items)]
    benchmarks = index_texts(given, config.ngram, config.min_words, config.max_items)
    texts = curation_texts.read(folder)
    documents = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})
    return curation_texts.counted(
        lambda batch: find_contamination.fn(batch, config, benchmarks), documents, "n_contaminated_items", output
    )


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """Documents on which both agree, and how many of the planted ones each finds."""
    ours, theirs = (json.loads(outputs[name].read_text(encoding="utf-8")) for name in (OURS, PEER))
    pairs = list(zip(ours, theirs, strict=True))
    same = sum(one == two for one, two in pairs)
    planted = range(0, len(pairs), curation_texts.EVERY)
    found = [sum(which[place] for place in planted) for which in (ours, theirs)]
    others = [sum(which) - count for which, count in zip((ours, theirs), found, strict=True)]
    return [
        f"- {same} of {len(pairs)} decisions are the same. Of {len(planted)} planted items gristmill finds {found[0]}, "
        f"datatrove {found[1]}; in other documents they find {others[0]} and {others[1]}."
    ]


CONTEST = Contest(
    name="decontamination",
    title="Decontamination",
    unit="documents",
    contestants=[Contestant(OURS, "gristmill"), Contestant(PEER, "decontaminate", peer=True)],
    prepare=prepare,
    baseline=PEER,
    compare=compare,
    notes="The questions of GSM8K's test set, 13 words, an item planted in one document of twenty. datatrove's filter "
    "stops at the first n-gram that it finds; gristmill gives every item with every place.",
    rounds=2,
)
