"""Redecide: other thresholds on what is read and scored already, as a new version of the corpus."""

from flows.orchestrate import flow
from flows.parameters import (
    CorpusName,
    LakePath,
    MinLanguageProbability,
    MinWords,
    RecipeName,
    Settings,
    Workers,
    turn,
)
from flows.recipe import Recipe
from flows.session import name_corpus, named, session, without_excluded
from storage import names
from storage.artifact import Artifact
from tasks.compose import compose
from tasks.decide.stage import decide
from tasks.run import current_run
from tasks.tokenize import fitting, tokenize


@flow(log_prints=False, persist_result=False)
def redecide(
    recipe: RecipeName = "sample",
    corpus: CorpusName = None,
    min_words: MinWords = None,
    min_language_probability: MinLanguageProbability = None,
    settings: Settings = [],  # noqa: B006 (Prefect's form)
    lake: LakePath = None,
    workers: Workers = None,
) -> Artifact:
    """Decide again on everything that a corpus was made from (default: the recipe's newest), and compose from that.

    Sources are not looked at: what is new in them waits for the next refresh.
    """
    settings = turn(settings, min_words=min_words, min_language_probability=min_language_probability)
    with session("redecide", recipe, settings, lake, workers) as (plan, _):
        return decide_again(plan, corpus)


def decide_again(recipe: Recipe, corpus: str | None = None) -> Artifact:
    """The corpus of a recipe over another one's inputs; takes the name `<recipe>/corpus`, unless a refresh saw more."""
    before = named(f"{recipe.name}/corpus", f"refresh {recipe.name}", corpus).input("decisions")
    inputs = {one.role: before.inputs(one.role) for one in before.manifest.identity.inputs}
    decisions = decide(without_excluded(recipe), **inputs)
    made = compose(recipe.mixture, decisions=decisions, documents=before.inputs("documents"))
    tokenize_known(recipe, made)
    name_corpus(f"{recipe.name}/corpus", made)
    return made


def tokenize_known(recipe: Recipe, corpus: Artifact) -> Artifact | None:
    """The tokens of a corpus, as pretraining takes them, if the lake has the recipe's tokenizer; else None."""
    tokenizer = names.latest(current_run().lake, recipe.tokenizer_name)
    return tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer) if tokenizer else None
