"""datatrove's PIIFormatter over the documents of the contest."""

import json
from collections.abc import Callable
from pathlib import Path

from datatrove.pipeline.formatters import PIIFormatter


def formatter(folder: Path, output: Path) -> Callable[[], int]:
    """The formatter; the places of what it replaces are found beforehand with its own patterns, for the comparison."""
    texts = [json.loads(line) for line in (folder / "texts.jsonl").read_text(encoding="utf-8").split("\n") if line]
    made = PIIFormatter()
    spans = []
    for text in texts:
        found = []
        for kind, replacer in (("email", made.emails_replacer), ("ip", made.ip_replacer)):
            for match in replacer.regex.finditer(text):
                if replacer.validator is None or replacer.validator(match.group(0)):
                    found.append((*match.span(), kind))
        spans.append(sorted(found))
    output.write_text(json.dumps(spans), encoding="utf-8")

    def work() -> int:
        for text in texts:
            made.format(text)
        return len(texts)

    return work
