"""A lake of the mill: pages of our own, some of them copies, decided on and composed."""

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.cli.whatif.command import whatif
from flows.grow import grow_corpus
from flows.pretrain import find_tokenizer
from flows.recipe import check_recipe, load_recipe
from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from tasks.run import running
from tasks.tokenize import fitting, tokenize
from tests.acceptance.world import german, sentence

RECIPE = """\
# The mill's own recipe.
name: mill
sources: [{name: pages, path: pages.jsonl, license: CC0-1.0}]
parts: {lines: true}
decide:
  language: {min_probability: 0.3}  # lenient
  gopher: {min_words: 60, min_stop_words: 0}
  repetition: null
  validation_share: 0.1
tokenizer: {training: {vocabulary_size: 512}}
"""


@dataclass(frozen=True)
class Mill:
    """The recipe's file and the lake."""

    recipe: Path
    lake: Lake

    def refresh(self, recipe: Path | None = None) -> Artifact:
        """Grow the corpus as a refresh does."""
        with running(self.lake, "refresh", workers=0, quiet=True):
            return grow_corpus(check_recipe(load_recipe(str(recipe or self.recipe))))

    def tokenize(self) -> Artifact:
        """Train the recipe's tokenizer and tokenize its corpus, as pretraining does first."""
        plan = check_recipe(load_recipe(str(self.recipe)))
        with running(self.lake, "pretrain", workers=0, quiet=True):
            corpus = names.latest(self.lake, "mill/corpus")
            assert corpus is not None
            tokenizer = find_tokenizer(plan, corpus)
            return tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer)

    def ask(self, capsys: pytest.CaptureFixture[str], *settings: str, **options: Any) -> dict[str, Any]:
        """What-if's answer as JSON."""
        given = {"subject": str(self.recipe), "samples": 0, "lake": self.lake.root, "workers": 1, **options}
        whatif(settings=list(settings), as_json=True, **given)
        return json.loads(capsys.readouterr().out)

    def commit(
        self, capsys: pytest.CaptureFixture[str], told: dict[str, Any], *settings: str, **options: Any
    ) -> Artifact:
        """The corpus that a commit gives; what it says, and the corpus has, is what was told."""
        found = self.ask(capsys, *settings, commit=True, **options)
        made = found.pop("commit")
        assert {key: value for key, value in found.items() if key != "samples"} == {
            key: value for key, value in told.items() if key != "samples"
        }
        assert (made["documents"], made["differing"]) == (told["total"]["documents_after"], 0)
        assert round(made["corpus_bytes"] / 4) == told["total"]["estimated_tokens_after"]
        corpus = names.latest(self.lake, "mill/corpus")
        assert corpus is not None
        return corpus

    def files(self) -> dict[str, int]:
        """Every file of the lake with the time of its last change, but for what any reader makes again."""
        found = [path for path in self.lake.root.rglob("*") if path.is_file()]
        marks = {".index", ".prefect", ".holds"}  # what any reader leaves
        return {str(path): path.stat().st_mtime_ns for path in found if not marks & set(path.parts)}


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a mill that is grown once."""
    folder = tmp_path_factory.mktemp("whatif")
    draw, rows = random.Random(5), []
    for number in range(120):
        say = german if number % 5 == 4 else sentence
        text = " ".join(say(draw) for _ in range(1 + number % 10))
        text += "\nAll rights to the mill." if number % 3 == 0 else ""
        rows.append({"id": str(number), "text": text, "url": f"https://mill.example/{number}"})
    for number in range(0, 120, 7):  # a near copy of some, a few words longer
        text = rows[number]["text"] + " It goes on, as before, at the mill by the river in the morning."
        rows.append({"id": f"copy-{number}", "text": text, "url": f"https://copy.example/{number}"})
    (folder / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "mill.yaml").write_text(RECIPE, encoding="utf-8")
    Mill(folder / "mill.yaml", Lake(folder / "lake")).refresh()
    return folder


@pytest.fixture
def mill(grown: Path, tmp_path: Path) -> Mill:
    """A mill of the test's own."""
    folder = tmp_path / "mill"
    shutil.copytree(grown, folder)
    return Mill(folder / "mill.yaml", Lake(folder / "lake"))
