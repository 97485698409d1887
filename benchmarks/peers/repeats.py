"""datatrove's SentenceDedup over lines: signatures, their duplicates, and the texts without them."""

import importlib
import itertools
import json
import struct
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datatrove


def _steps() -> Any:
    """The module of the steps; its package would import tokenizers, which line deduplication does not need."""
    folder = Path(datatrove.__file__).parent / "pipeline" / "dedup"
    package = types.ModuleType("datatrove.pipeline.dedup")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    return importlib.import_module("datatrove.pipeline.dedup.sentence_dedup")


def sentence_dedup(folder: Path, output: Path) -> Callable[[], int]:
    """One sentence is one line; what counts as the same line is set as near to ours as its settings allow."""
    from datatrove.data import Document
    from datatrove.utils.text import TextNormConfig

    steps = _steps()
    norm = TextNormConfig(
        lowercase=True,
        norm_whitespace=True,
        remove_punctuation=False,
        norm_unicode_diacritics=False,
        norm_numbers=False,
        norm_weekdays=False,
        norm_monthnames=False,
    )
    config = steps.SentDedupConfig(
        n_sentences=1, split_sentences=False, min_doc_words=0, min_num_sentences=0, norm_config=norm
    )
    texts = folder / "texts.jsonl"
    size, places = 0, []  # where each line begins: what is compared
    with texts.open(encoding="utf-8") as file:
        for text in map(json.loads, file):
            size += len(text.encode())
            places.append([0, *itertools.accumulate(len(line) + 1 for line in text.split("\n"))])

    def read() -> list[Document]:
        lines = texts.read_text(encoding="utf-8").split("\n")
        return [Document(text=json.loads(line), id=str(number)) for number, line in enumerate(lines) if line]

    def work() -> int:
        with tempfile.TemporaryDirectory(prefix="gristmill-peer-") as scratch:
            signatures, duplicates = f"{scratch}/signatures", f"{scratch}/duplicates"
            steps.SentenceDedupSignature(signatures, config=config).run(iter(read()))
            steps.SentenceFindDedups(signatures, duplicates, config=config).run()
            kept = steps.SentenceDedupFilter(duplicates, config=config).run(iter(read()))
            with open(f"{scratch}/texts.jsonl", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(document.text) + "\n" for document in kept)
            found = []
            for path in Path(duplicates).rglob("*.*"):
                pairs = struct.iter_unpack("<IH", path.read_bytes())
                found += [[number, places[number][line]] for number, line in pairs]
        output.write_text(json.dumps(sorted(found)), encoding="utf-8")
        return round(size / 1e6)

    return work
