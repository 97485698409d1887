"""What a recipe learns from its sources before it scores documents: classifiers, and the reference of a perplexity.

Each has a name in the lake, `<recipe>/<its name>`, and is trained only while no artifact has that name, as the
tokenizer is: a refresh that finds new files retrains nothing. A recipe that wants a new one gives it a new name. What
another version of its stage trained is trained again: what it reads of a text would not be what it learned from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from models.language import ModelMissing, check_file
from storage import names
from storage.artifact import Artifact
from tasks.classify import NAME, NamedModel
from tasks.config import StageConfig
from tasks.examples import read_examples
from tasks.ingest import Source, ingest
from tasks.perplexity import NgramFile
from tasks.run import current_run
from tasks.stage import Stage
from tasks.train_classifier import MODEL_FILE, ClassifierConfig, model_of, train_classifier
from tasks.train_reference import MODEL_FILE as REFERENCE_FILE
from tasks.train_reference import ReferenceConfig, train_reference

if TYPE_CHECKING:
    from flows.recipe import Recipe

Read = Callable[[Source, "Recipe"], list[Artifact]]
"""The documents of a source."""


class Classifier(StageConfig):
    """A classifier that the recipe trains: where its positive and negative texts, or its labels, come from."""

    name: str = Field(pattern=NAME, description="Its column is <name>_score, its name in the lake <recipe>/<name>.")
    positive: tuple[str, ...] = Field(
        default=(), description="Sources, of documents or of examples, all of whose texts are positive."
    )
    negative: tuple[str, ...] = Field(default=(), description="The same of negative texts, such as a random crawl.")
    labelled: tuple[str, ...] = Field(
        default=(),
        description="Sources of examples with labels: words (training.positive_labels) or, for ridge, numbers.",
    )
    training: ClassifierConfig = ClassifierConfig()


class Reference(StageConfig):
    """The reference of a perplexity."""

    name: str = Field(default="reference", pattern=NAME, description="Its name in the lake is <recipe>/<name>.")
    sources: tuple[str, ...] = Field(
        min_length=1, description="Sources, of documents or of examples, that text is to be like."
    )
    training: ReferenceConfig = ReferenceConfig()


def expected(recipe: "Recipe") -> "Recipe":
    """The recipe with a stand-in for everything it will learn: what its stages will write can be told."""
    models = [
        NamedModel(name=one.name, **model_of(one.training, "", "").model_dump(exclude={"path"}))
        for one in recipe.classifiers
    ]
    return _filled(recipe, models, NgramFile(sha256="") if recipe.reference else None)


def learn(recipe: "Recipe", read: Read) -> "Recipe":
    """The recipe with the classifiers and the reference that it names: found in the lake, or trained now.

    Raises: flows.recipe.RecipeError if a name means something else.
    """
    models = []
    for one in recipe.classifiers:
        roles = {"positive": one.positive, "negative": one.negative, "labelled": one.labelled}
        model = _found(recipe, one.name, train_classifier, one.training, roles, read)
        config = ClassifierConfig.model_validate(model.manifest.identity.config)
        file, sha256 = _file(model, MODEL_FILE[config.method])
        asked = model_of(config, file, sha256)
        embedding = one.training.embedding or config.embedding  # the recipe knows where the folder is on this machine
        about = asked.model_dump() | {"path": file, "embedding": embedding}
        models.append(NamedModel(name=one.name, **about))
    ngrams = None
    if recipe.reference:
        roles = {"texts": recipe.reference.sources}
        found = _found(recipe, recipe.reference.name, train_reference, recipe.reference.training, roles, read)
        path, sha256 = _file(found, REFERENCE_FILE)
        ngrams = NgramFile(sha256=sha256, path=path)
    return _filled(recipe, models, ngrams)


def check_learned(recipe: "Recipe") -> Iterator[str]:
    """Mistakes in what is to be learned: sources that are not there, names that stand twice, sets that are missing."""
    holds = {source.name: source.holds for source in recipe.sources}
    columns = [one.name for one in recipe.classifiers] + [one.name for one in recipe.classify.models]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    yield from (f"classifiers.{name}: two classifiers would write the column {name}_score." for name in twice)
    for one in recipe.classifiers:
        for role, named in (("positive", one.positive), ("negative", one.negative), ("labelled", one.labelled)):
            allowed = ("examples",) if role == "labelled" else ("documents", "examples")
            yield from _check_named(f"classifiers.{one.name}.{role}", named, holds, allowed)
        ridge = one.training.method == "ridge"
        if ridge and (one.positive or one.negative or not one.labelled):
            yield f"classifiers.{one.name}: ridge learns from `labelled` sources of examples, whose labels are numbers."
        if not ridge and not one.labelled and not (one.positive and one.negative):
            yield f"classifiers.{one.name}: it needs `positive` and `negative` sources, or `labelled` ones."
    given = [(f"classify.models.{one.name}", one.path, one.sha256) for one in recipe.classify.models]
    if recipe.perplexity.model:
        given.append(("perplexity.model", recipe.perplexity.model.path, recipe.perplexity.model.sha256))
    for one in recipe.classifiers:
        if embedding := one.training.embedding:
            given.append((f"classifiers.{one.name}.training.embedding", embedding.path or "", embedding.sha256))
    for where, path, sha256 in given:
        try:
            check_file(path, sha256)
        except ModelMissing as error:
            yield f"{where}: {error}"
    if recipe.reference and recipe.perplexity.model:
        yield "perplexity.model: the recipe has a `reference` to train too; there is one column of perplexity."
    if recipe.reference:
        allowed = ("documents", "examples")
        yield from _check_named("reference.sources", recipe.reference.sources, holds, allowed)


def _check_named(where: str, named: Sequence[str], holds: dict[str, str], allowed: Sequence[str]) -> Iterator[str]:
    from flows.mistakes import nearest

    for name in named:
        if name not in holds:
            yield f"{where}: there is no source {name!r}{nearest(name, list(holds))}."
        elif holds[name] not in allowed:
            yield f"{where}: {name} holds {holds[name]}; named here are sources of {' or '.join(allowed)}."


def _filled(recipe: "Recipe", models: Sequence[NamedModel], ngrams: NgramFile | None) -> "Recipe":
    classify = recipe.classify.model_copy(update={"models": (*recipe.classify.models, *models)})
    perplexity = recipe.perplexity.model_copy(update={"model": ngrams}) if ngrams else recipe.perplexity
    return recipe.model_copy(update={"classify": classify, "perplexity": perplexity})


def _found(
    recipe: "Recipe", name: str, stage: Stage[Any], wanted: StageConfig, roles: Mapping[str, Sequence[str]], read: Read
) -> Artifact:
    """The artifact that the lake knows as <recipe>/<name>, trained now on these sources by role if it knows none.

    Or if it knows one that another version of the stage has trained.
    """
    from flows.recipe import RecipeError

    run, full = current_run(), f"{recipe.name}/{name}"
    known = names.latest(run.lake, full)
    if known is not None and known.manifest.kind != stage.kind:
        raise RecipeError(f"{full} means {known} in this lake, which is no {stage.kind}. Give it another name.")
    earlier = known.manifest.identity.version if known is not None else stage.version
    if earlier != stage.version:
        run.console.line(
            f"{full} was trained by version {earlier} of {stage.name}, and this is version {stage.version}: "
            "it is trained again"
        )
    if known is None or earlier != stage.version:
        inputs = {role: _read(recipe, sources, read) for role, sources in roles.items()}
        known = stage(wanted, **inputs)
        names.assign(run.lake, full, known)
        return known
    trained = known.manifest.identity.config
    for key, value in wanted.model_dump(mode="json").items():
        if trained.get(key) != value:
            run.console.line(
                f"{full} was trained with {key} {trained.get(key)} (the recipe says {value}); "
                "give it another name to train a new one"
            )
    run.reuse(known)
    return known


def _read(recipe: "Recipe", wanted: Sequence[str], read: Read) -> list[Artifact]:
    found: list[Artifact] = []
    for source in (source for source in recipe.sources if source.name in wanted):
        if source.holds == "examples":
            config = recipe.examples.model_copy(update={"fields": dict(recipe.examples.fields) | source.fields})
            found += [read_examples(config, snapshot=snapshot) for snapshot in ingest(source)]
        else:
            found += read(source, recipe)
    return found


def _file(artifact: Artifact, name: str) -> tuple[str, str]:
    """The path and SHA-256 of a file of an artifact."""
    (part,) = [part for part in artifact.manifest.parts if part.name == name]
    return str(artifact.file(name)), part.sha256
