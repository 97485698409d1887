"""Word lists beside datatrove's C4BadWordsFilter: the same documents, the same English list."""

import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from benchmarks import curation_texts
from benchmarks.harness import Contest, Contestant

OURS, PEER = "gristmill", "datatrove, C4BadWordsFilter"


def prepare(folder: Path) -> None:
    """Write the documents and the list."""
    curation_texts.write(folder, curation_texts.texts())
    with tarfile.open(curation_texts.data() / "filters" / "ldnoobw.tar.gz") as archive:
        archive.extractall(folder, filter="data")


def gristmill(folder: Path, output: Path) -> Callable[[], int]:
    """The stage's function: counts, and no stop at the first word."""
    from tasks.word_lists.stage import WordListsConfig, count_listed_words, read_lists

    lists = [{"name": "bad", "path": str(folder / "ldnoobw" / "en.txt"), "language": "en"}]
    config = WordListsConfig.model_validate({"lists": lists})
    texts = curation_texts.read(folder)
    columns = {"text": pa.array(texts, pa.large_string()), "language": pa.array(["en"] * len(texts), pa.string())}
    documents = pa.RecordBatch.from_pydict(columns)
    prepared = read_lists(config, {})
    return curation_texts.counted(
        lambda batch: count_listed_words.fn(batch, config, prepared), documents, "n_listed_words", output
    )


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """Documents on which both agree."""
    ours, theirs = (json.loads(outputs[name].read_text(encoding="utf-8")) for name in (OURS, PEER))
    pairs = list(zip(ours, theirs, strict=True))
    same = sum(one == two for one, two in pairs)
    return [
        f"- {same} of {len(pairs)} decisions are the same; {sum(ours)} documents hold a listed word. Only gristmill "
        f"finds one in {sum(one and not two for one, two in pairs)} (a phrase whose words stand on two lines or with a "
        f"hyphen), only datatrove in {sum(two and not one for one, two in pairs)}."
    ]


CONTEST = Contest(
    name="word_lists",
    title="Word lists",
    unit="documents",
    contestants=[Contestant(OURS, "gristmill"), Contestant(PEER, "bad_words", peer=True)],
    prepare=prepare,
    baseline=PEER,
    compare=compare,
    notes="LDNOOBW's English list on all documents. datatrove's filter stops at the first word that it finds; "
    "gristmill counts all of them.",
)
