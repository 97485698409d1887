"""datatrove's C4BadWordsFilter over the documents of the contest, with the list that lies beside them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import C4BadWordsFilter


def bad_words(folder: Path, output: Path) -> Callable[[], int]:
    """The filter; its pattern is made here as its own code makes it, for it would load the list from the net."""
    texts = [json.loads(line) for line in (folder / "texts.jsonl").read_text(encoding="utf-8").split("\n") if line]
    words = [line.strip() for line in (folder / "ldnoobw" / "en.txt").read_text(encoding="utf-8").split("\n")]
    pattern = "|".join(re.escape(word) for word in words if word)
    made = C4BadWordsFilter(default_language="en")
    made._badwords_regex["en"] = re.compile(rf"(?:\W|^)({pattern})(?:\W|$)")
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]

    def work() -> int:
        found = [made.filter(document) is not True for document in documents]
        output.write_text(json.dumps(found), encoding="utf-8")
        return len(documents)

    return work
