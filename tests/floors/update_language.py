"""`python -m tests.floors.update_language`: write the accuracies reached now as floors; refuses to lower one."""

import json
import os
import sys
from pathlib import Path

from tests.tasks.test_language import FLOORS, accuracy, joined, labelled


def main() -> None:
    """Measure, compare with the floors there are, and write."""
    sha256, rows = labelled(Path(os.environ["GRISTMILL_TEST_DATA"]))
    new = {
        "corpus_sha256": sha256,
        "sentences": accuracy(rows),
        "documents of 20 sentences": accuracy(joined(rows, 20)),
    }
    old = json.loads(FLOORS.read_text(encoding="utf-8")) if FLOORS.exists() else new
    lower = [
        f"{what}, {language}: {new[what].get(language)} is below {floor}"
        for what in ("sentences", "documents of 20 sentences")
        for language, floor in old[what].items()
        if new[what].get(language, 0) < floor
    ]
    if lower or old["corpus_sha256"] != sha256:
        sys.exit("\n".join(["The floors stay as they are:", *lower, f"corpus {sha256}"]))
    FLOORS.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
