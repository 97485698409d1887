"""`--commit`: the recipe with its dials turned is a new file, and what it decides a new version of the corpus."""

import io
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.cli.app import prepare_environment
from flows.cli.whatif.answer import Answer, Stored
from flows.cli.whatif.question import Question
from flows.recipe_file import PRESETS, turn_dial
from storage.artifact import Artifact
from storage.statements import Refused
from tasks.decide.whatif.tokens import estimate_beside
from tasks.decide.whatif.verdicts import stored_verdicts


@dataclass(frozen=True)
class Made:
    """What a commit made, and what came of the estimate."""

    recipe: Path
    corpus: Artifact
    decisions: Artifact
    documents_estimated: int
    documents: int
    differing: int
    corpus_documents: int
    corpus_bytes: int
    corpus_tokens_estimated: int | None
    corpus_tokens: int | None

    def lines(self) -> list[str]:
        """The same as sentences."""
        same = "as told" if not self.differing else f"{self.differing:,} of them decided otherwise than told"
        return [
            f"New recipe: {self.recipe}",
            f"New corpus: {self.corpus} of {self.decisions}",
            f"Kept: {self.documents:,} documents, {self.documents_estimated:,} were told ({same}).",
            f"Composed: {self.corpus_documents:,} documents, {self.corpus_bytes:,} bytes of text, as mixed.",
            self._said_of_tokens(),
        ]

    def _said_of_tokens(self) -> str:
        if self.corpus_tokens is None or self.corpus_tokens_estimated is None:
            return "Tokens are known when they are made: the lake has no tokenizer of this recipe (gristmill pretrain)."
        off = self.corpus_tokens_estimated / max(self.corpus_tokens, 1) - 1
        return (
            f"Tokens of the corpus: {self.corpus_tokens:,}, where {self.corpus_tokens_estimated:,} were estimated "
            f"({off:+.1%})."
        )

    def plain(self) -> dict[str, Any]:
        """The same as JSON has it."""
        named = {name: str(getattr(self, name)) for name in ("recipe", "corpus", "decisions")}
        return asdict(self) | named


def make_it_so(
    question: Question, answer: Answer, stored: Stored, to: Path | None, lake: Path, workers: int | None
) -> Made:
    """Write the new recipe, decide and compose by it, and compare what came of it with what was told.

    Raises: Refused where there is no recipe to change, nothing to change, or no place for the new file.
    """
    path = place(question, to)
    assert question.recipe is not None
    assert question.corpus is not None
    _write(question.recipe, question.settings, path)
    with ExitStack() as undo:
        undo.callback(path.unlink, missing_ok=True)  # if nothing comes of it, the same command makes it again
        if not os.environ.get("GRISTMILL_PREPARED"):
            prepare_environment(lake)
        from flows.redecide import redecide
        from flows.session import checked

        checked(str(question.recipe), question.settings, workers)  # where it reads the sample, paths then name that
        _check_same(question.recipe, question.settings, path)

        parent = question.corpus.fingerprint
        corpus = redecide(recipe=str(path), corpus=parent, lake=str(question.lake.root), workers=workers)
        undo.pop_all()
    decisions = corpus.input("decisions")
    _, realised = stored_verdicts(decisions, question.new)
    rows = corpus.read(["text_bytes", "copies"])
    size = int((rows.column("text_bytes").to_numpy() * rows.column("copies").to_numpy()).sum())
    made = [one for one in question.lake.artifacts(kind="tokens") if corpus in one.inputs("corpus")]
    paths = [str(path) for path in made[-1].paths()] if made else []
    estimated, tokens = estimate_beside(paths, stored.ratio) if paths else (None, None)
    return Made(
        recipe=path,
        corpus=corpus,
        decisions=decisions,
        documents_estimated=answer.comparison.total.documents_after,
        documents=int(realised.kept.sum()),
        differing=int((realised.kept != answer.verdicts.kept).sum()),
        corpus_documents=rows.num_rows,
        corpus_bytes=size,
        corpus_tokens_estimated=estimated,
        corpus_tokens=tokens,
    )


def place(question: Question, to: Path | None) -> Path:
    """Where the new recipe goes.

    Raises: Refused where there is no recipe to change, nothing to change, or no place for the new file.
    """
    if question.recipe is None or question.corpus is None:
        raise Refused("--commit changes a recipe: name one instead of a corpus (gristmill whatif RECIPE --commit).")
    if not question.changes:
        raise Refused("--commit: nothing differs from the current decisions, so there is nothing to make.")
    recipe = question.recipe
    if to is not None:
        if to.exists() or to.suffix not in (".yaml", ".yml") or not to.absolute().parent.is_dir():
            raise Refused(f"--to {to}: give a new .yaml file in a folder that exists; nothing is overwritten.")
        return to
    folder = Path.cwd() if recipe.parent == PRESETS else recipe.parent
    stem, _, last = recipe.stem.rpartition("-")
    stem, number = (stem, int(last)) if stem and last.isdigit() else (recipe.stem, 1)
    return next(
        path
        for n in range(number + 1, number + 100_000)
        if not (path := folder / f"{stem}-{n}{recipe.suffix}").exists()
    )


def _write(recipe: Path, settings: tuple[str, ...], path: Path) -> None:
    """The recipe with its dials turned, comments kept. Raises: Refused if it can't be written there."""
    made_by = " ".join(f"# Made by gristmill whatif --commit from {recipe.name}: {', '.join(settings)}".split())
    text = turned_text(recipe.read_text(encoding="utf-8"), settings)
    try:
        path.write_text(f"{made_by}\n{text}", encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} can't be written: {error.strerror or error}. Name another place: --to FILE.") from error


def _check_same(recipe: Path, settings: tuple[str, ...], path: Path) -> None:
    """Raises: Refused where the new file does not say from its place what the old one does with its dials turned."""
    from flows.recipe import load_recipe

    if load_recipe(str(path)) != load_recipe(str(recipe), settings):
        raise Refused(
            f"{path} would not mean what {recipe} with these dials does: paths in a recipe are below its own "
            f"folder. Write it there: --to {recipe.parent}/NAME.yaml"
        )


def _null(representer: Any, value: None) -> Any:
    """`null` as recipes write it, where ruamel.yaml would leave the place empty."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def turned_text(text: str, settings: tuple[str, ...]) -> str:
    """The text of a recipe with dials turned: comments, order and quotes as they were."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.representer.add_representer(type(None), _null)
    yaml.width = 4096  # lines stay as long as they are
    content = yaml.load(text)
    for setting in settings:
        turn_dial(content, setting)
    written = io.StringIO()
    yaml.dump(content, written)
    return written.getvalue()
