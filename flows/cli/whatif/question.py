"""What is asked: which decisions, and by which other configuration.

Of a recipe only `decide` is checked here, so that an answer need not wait for all that a run imports.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.mistakes import source_mistakes
from flows.recipe_file import PRESETS, RecipeError, check_section, find_recipe, read_content, turn_dial
from storage import names
from storage.artifact import Artifact, flatten
from storage.lake import Lake
from storage.sql import decisions_of, newest_corpus
from storage.statements import Refused
from tasks.decide.predicates import check_predicate
from tasks.decide.rules import DecideConfig
from tasks.decide.whatif.tokens import BytesPerToken, realised, stated

SECTION = "decide"
WHERE = "where"
"""The rule that `--where` makes: `rules.where`, or `rules.where_2` beside one that was committed."""


@dataclass(frozen=True)
class Question:
    """The current decisions and their corpus; the recipe that asks, if one does; both configurations; the settings."""

    lake: Lake
    corpus: Artifact | None
    decisions: Artifact
    recipe: Path | None
    called: str
    settings: tuple[str, ...]
    content: dict[str, Any]
    old: DecideConfig
    new: DecideConfig

    def turned(self, setting: str) -> DecideConfig:
        """The new configuration with one more dial turned. Raises: RecipeError."""
        return _configure(self.content, [*self.settings, setting], self.called)

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Every key of `decide` in which the configurations differ: its value now, and its new one."""
        before, after = (flatten(one.model_dump(mode="json"), SECTION) for one in (self.old, self.new))
        keys = dict.fromkeys([*before, *after])
        return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def ask(lake: Lake, subject: str | None, settings: Sequence[str], where: str | None = None) -> Question:
    """The question that a command line asks.

    `subject`: a recipe (its newest corpus is asked), or a corpus or decisions by name or fingerprint; None: the newest
    corpus. Raises: Refused, RecipeError or NotFound, each a sentence.
    """
    recipe = _recipe(lake, subject)
    if recipe is not None:
        content = read_content(recipe)
        corpus = _corpus_of(lake, content, str(subject))
        decisions = corpus.input("decisions")
        called = str(recipe)
    else:
        corpus, decisions = _artifact(lake, subject)
        content = {SECTION: decisions.manifest.identity.config}
        called = str(subject or corpus)
    if where is not None:
        check_predicate("--where", where)
        end = "\n" if "--" in where else ""  # which ends a comment
        settings = [*settings, f"decide.rules.{_free(content)}={json.dumps(f'NOT coalesce(({where}{end}), false)')}"]
    _only_decide(settings, decisions, recipe)
    old = DecideConfig.model_validate(decisions.manifest.identity.config)
    new = _configure(content, settings, called)
    _check_sources(content, decisions, new)
    return Question(lake, corpus, decisions, recipe, called, tuple(settings), content, old, new)


def bytes_per_token(question: Question) -> BytesPerToken:
    """What the recipe's tokenizer came to in this lake, or the last one on this corpus, or any; else what is stated."""
    lake, mixture = question.lake, question.content.get("mixture") or {}
    named = names.latest(lake, _tokenizer_name(question.content)) if question.recipe else None
    made = lake.artifacts(kind="tokens")
    by_tokenizer = [one for one in made if named is not None and named in one.inputs("tokenizer")]
    of_corpus = [one for one in made if question.corpus is not None and question.corpus in one.inputs("corpus")]
    for tokens in [*reversed(by_tokenizer), *reversed(of_corpus), *reversed(made if named is None else [])]:
        found = realised([str(path) for path in tokens.paths()], str(tokens))
        if found is not None:
            return found
    return stated(mixture.get("bytes_per_token") if isinstance(mixture, dict) else None)


def _tokenizer_name(content: dict[str, Any]) -> str:
    tokenizer = content.get("tokenizer")
    own = tokenizer.get("name") if isinstance(tokenizer, dict) else None
    return own or f"{content.get('name')}/tokenizer"


def _recipe(lake: Lake, subject: str | None) -> Path | None:
    """The file of the recipe that is meant, or None where an artifact is."""
    if subject is None:
        return None
    path = Path(subject).expanduser()
    if path.is_file() or path.suffix in (".yaml", ".yml") or (PRESETS / f"{subject}.yaml").exists():
        return find_recipe(subject)
    return None


def _corpus_of(lake: Lake, content: dict[str, Any], subject: str) -> Artifact:
    name = f"{content.get('name')}/corpus"
    corpus = names.latest(lake, name)
    if corpus is None:
        raise Refused(
            f"No decisions yet: the lake {lake.root} has no {name}. Make it first: gristmill refresh {subject}"
        )
    return corpus


def _artifact(lake: Lake, subject: str | None) -> tuple[Artifact | None, Artifact]:
    """The corpus (or None) and the decisions that are meant."""
    if subject is None:
        corpus = newest_corpus(lake)
        if corpus is None:
            raise Refused(
                f"No decisions yet: the lake {lake.root} has no corpus. Make one first: gristmill refresh RECIPE"
            )
        return corpus, corpus.input("decisions")
    found = lake.get(subject)
    return (found if found.manifest.kind == "corpus" else None), decisions_of(found)


def _configure(content: dict[str, Any], settings: Sequence[str], called: str) -> DecideConfig:
    """The `decide` section of a recipe's content with dials turned, and the sources that the recipe excludes.

    Raises: RecipeError with every mistake in it.
    """
    turned = {"sources": copy.deepcopy(content.get("sources"))}
    for setting in (one for one in settings if _excludes(one)):
        turn_dial(turned, setting)
    settings = [one for one in settings if not _excludes(one)]
    config = check_section(DecideConfig, SECTION, content, settings, f"{called} cannot be asked that")
    marked = {one["name"] for one in turned["sources"] or () if isinstance(one, dict) and one.get("excluded")}
    return config.model_copy(update={"excluded": tuple(sorted(marked.union(config.excluded)))})


def _excludes(setting: str) -> bool:
    """Whether this is the dial of one source that sets it apart: sources.NAME.excluded."""
    key = setting.partition("=")[0].strip()
    return key.startswith("sources.") and key.endswith(".excluded")


def _check_sources(content: dict[str, Any], decisions: Artifact, new: DecideConfig) -> None:
    """Raises: RecipeError where rules are of sources that are neither in the recipe nor among what was decided on."""
    listed = [one for one in content.get("sources") or () if isinstance(one, dict)]
    holds = {str(one.get("name")): str(one.get("holds", "documents")) for one in listed}
    snapshots = [one for read in decisions.inputs("documents") for one in read.inputs("snapshot") if one.exists]
    holds |= {str(one.manifest.identity.config["source"]): "documents" for one in snapshots}
    documents = [name for name, held in holds.items() if held == "documents"]
    others = {name: held for name, held in holds.items() if held != "documents"}
    named = [("decide.sources", name) for name in new.sources]
    if documents and (mistakes := source_mistakes(named, new.excluded, documents, others)):
        raise RecipeError("\n".join(mistakes))


def _free(content: dict[str, Any]) -> str:
    """A name for the rule of `--where` that the recipe has not."""
    section = content.get(SECTION) or {}
    known = section.get("rules") or {} if isinstance(section, dict) else {}
    return next(name for n in range(1, len(known) + 2) if (name := WHERE if n == 1 else f"{WHERE}_{n}") not in known)


def _only_decide(settings: Sequence[str], decisions: Artifact, recipe: Path | None) -> None:
    """Raises: Refused where a dial outside of `decide` is turned, with what that would cost."""
    for setting in settings:
        key = setting.partition("=")[0].strip()
        section = key.split(".")[0]
        if key == "decide.preset" and recipe is None:
            raise Refused(
                "--set decide.preset: decisions name every threshold themselves, and a preset lies under those. "
                "Ask with the recipe instead of a corpus."
            )
        if _excludes(setting) and recipe is None:
            raise Refused(
                f"--set {key}: decisions name all excluded sources themselves. Ask with the recipe instead of a "
                "corpus, or turn decide.excluded."
            )
        if section == SECTION or "=" not in setting or _excludes(setting):
            continue
        from flows.recipe import Recipe

        if section not in Recipe.model_fields:
            from flows.mistakes import nearest

            raise Refused(
                f"--set {key}: a recipe has no section {section!r}{nearest(section, list(Recipe.model_fields))}."
            )
        raise Refused(f"--set {key}: whatif turns dials of decide alone. {_cost(section, decisions, recipe)}")


def _cost(section: str, decisions: Artifact, recipe: Path | None) -> str:
    """What another value of a key in this section would ask for."""
    from flows.annotations import ANNOTATIONS

    command = f"gristmill refresh {recipe or 'RECIPE'} --set …"
    stage = next(
        (stage.name for stage, of in ANNOTATIONS if of == section), "extract" if section == "extract" else None
    )
    made = [one for role in ("documents", "annotations") for one in decisions.inputs(role) if one.stage == stage]
    if made:
        seconds = sum(one.provenance.get("ended", 0) - one.provenance.get("started", 0) for one in made)
        rows = sum(one.rows() for one in made)
        all_of_it = " and everything after it" if stage == "extract" else ""
        return (
            f"{section} says what is measured: another value scores {rows:,} documents again{all_of_it}, which took "
            f"{seconds:,.0f} s the last time. To do that: {command}"
        )
    if stage is not None or section in ("sources", "classifiers", "reference"):
        return f"{section} says what is read and measured: another value scores documents anew. To do that: {command}"
    command = f"gristmill mixture {recipe or 'RECIPE'} --set …" if section == "mixture" else command
    return f"{section} comes after the decisions and changes none of them. To see what it does: {command}"
