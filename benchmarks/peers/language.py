"""datatrove's FT176 (whole texts, all labels), and the fastText library on the first 1,000 characters."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

SETS = ("sentences", "joined", "documents")


def _run(folder: Path, output: Path, label: Callable[[list[str]], list[str]]) -> Callable[[], int]:
    texts = {name: pq.read_table(folder / f"{name}.parquet").column("text").to_pylist() for name in SETS}
    found = {name: label(texts[name]) for name in SETS if name != "documents"}

    def timed() -> int:
        found["documents"] = label(texts["documents"])
        output.write_text(json.dumps(found), encoding="utf-8")
        return len(found["documents"])

    return timed


def whole(folder: Path, output: Path) -> Callable[[], int]:
    """`FT176LID` as it is, with the model's file from a local path."""
    from datatrove.data import Document
    from datatrove.utils.lid import FT176LID
    from fasttext.FastText import _FastText

    identifier = FT176LID()
    identifier._model = _FastText(str(folder / "lid.176.ftz"))

    def label(texts: list[str]) -> list[str]:
        return [identifier.predict(Document(text=text, id="0"))[0][0] for text in texts]

    return _run(folder, output, label)


def start(folder: Path, output: Path) -> Callable[[], int]:
    """The library's own prediction, one list of texts at once."""
    from fasttext.FastText import _FastText

    model = _FastText(str(folder / "lid.176.ftz"))

    def label(texts: list[str]) -> list[str]:
        given = [text[:1000].replace("\n", " ") for text in texts]
        return [model.predict(one, k=2)[0][0].removeprefix("__label__") for one in given]

    return _run(folder, output, label)
