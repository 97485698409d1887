"""A recipe: everything a run depends on, in one YAML file, checked whole before any work starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from flows.change import RefreshConfig
from flows.checks import find_mistakes, find_mixture_mistakes
from flows.drift import Drift
from flows.learned import Classifier, Reference
from flows.mistakes import sentences
from flows.paths import put_below
from flows.recipe_file import PRESETS, RecipeError, find_recipe, read_content, turn_dial
from storage.names import check_name
from tasks.classify import ClassifyConfig
from tasks.config import StageConfig
from tasks.contamination.stage import ContaminationConfig
from tasks.conversations import ConversationsConfig
from tasks.decide.rules import DecideConfig
from tasks.edits import EditsConfig
from tasks.embed import EmbedConfig
from tasks.evaluate import EvaluateConfig
from tasks.examples import ExamplesConfig
from tasks.extract.config import ExtractConfig
from tasks.finetune import FinetuneConfig
from tasks.ingest import Source
from tasks.language import LanguageConfig
from tasks.mixture_config import ComposeConfig
from tasks.pack import PackConfig
from tasks.parts.stage import PartsConfig
from tasks.perplexity import PerplexityConfig
from tasks.phrases import PhrasesConfig
from tasks.pretrain import PretrainConfig
from tasks.quality.stage import QualityConfig
from tasks.questions import QuestionsConfig
from tasks.redact.stage import RedactConfig
from tasks.sign import SignConfig
from tasks.source import resolve_path
from tasks.train_tokenizer import TokenizerConfig
from tasks.urls.lists import BlockList, pin
from tasks.urls.stage import UrlsConfig
from tasks.word_lists.stage import WordListsConfig

__all__ = ["PRESETS", "Recipe", "RecipeError", "check_mixture", "check_recipe", "find_recipe", "load_recipe"]


class NamedTokenizer(StageConfig):
    """The tokenizer of a recipe: one that the lake knows by this name, else one trained as `training` says."""

    name: str | None = Field(
        default=None,
        description="Its name in the lake. It is trained only while no tokenizer has this name. "
        "Null: <recipe's name>/tokenizer.",
    )
    training: TokenizerConfig = TokenizerConfig()


class Recipe(StageConfig):
    """What is run: sources, what the stages measure, thresholds, mixture, model, training, evaluation."""

    name: str = Field(description="Names of the lake begin with it: <name>/corpus, <name>/base, <name>/tuned.")
    sources: tuple[Source, ...] = Field(min_length=1, description="Where records come from: a list, one section each.")
    extract: ExtractConfig = ExtractConfig()
    language: LanguageConfig = LanguageConfig()
    quality: QualityConfig = QualityConfig()
    sign: SignConfig = SignConfig()
    embed: EmbedConfig = EmbedConfig()
    parts: PartsConfig = PartsConfig()
    urls: UrlsConfig = UrlsConfig()
    redact: RedactConfig = RedactConfig()
    examples: ExamplesConfig = ExamplesConfig()
    classifiers: tuple[Classifier, ...] = Field(
        default=(), description="Classifiers that the recipe trains once, each a column <name>_score: a list."
    )
    classify: ClassifyConfig = ClassifyConfig()
    reference: Reference | None = Field(
        default=None, description="The text that perplexity is measured against. Null: it is not measured."
    )
    perplexity: PerplexityConfig = PerplexityConfig()
    word_lists: WordListsConfig = WordListsConfig()
    contamination: ContaminationConfig = ContaminationConfig()
    phrases: PhrasesConfig = PhrasesConfig()
    decide: DecideConfig = DecideConfig()
    drift: Drift | None = Field(
        default=Drift(), description="When a new snapshot is unlike the earlier ones. Null: they are not compared."
    )
    mixture: ComposeConfig = ComposeConfig()
    refresh: RefreshConfig = RefreshConfig()
    tokenizer: NamedTokenizer = NamedTokenizer()
    packing: PackConfig = PackConfig()
    training: PretrainConfig = PretrainConfig()
    conversations: ConversationsConfig = ConversationsConfig()
    finetuning: FinetuneConfig = FinetuneConfig()
    questions: QuestionsConfig = QuestionsConfig()
    evaluation: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        check_name(self.name)
        check_name(self.tokenizer_name)
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called {twice[0]!r}: a source's name is part of every doc_id")
        return self

    @property
    def tokenizer_name(self) -> str:
        """What the lake calls this recipe's tokenizer."""
        return self.tokenizer.name or f"{self.name}/tokenizer"

    @property
    def edits(self) -> EditsConfig:
        """What `mixture` says of changing texts, for the stage that finds out what is left of them."""
        return EditsConfig(remove=self.mixture.remove, redact=self.mixture.redact)

    @property
    def benchmarks(self) -> list[Source]:
        """The sources of evaluation sets that documents are compared with."""
        known = [source for source in self.sources if source.holds in ("questions", "benchmarks")]
        chosen = self.contamination.benchmarks
        return [source for source in known if chosen is None or source.name in chosen]

    def holding(self, what: str) -> list[Source]:
        """The sources that hold documents, conversations or questions."""
        return [source for source in self.sources if source.holds == what]


def load_recipe(name: str, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe, turn the dials of `settings` ("decide.gopher.min_words=40"), and check all of it.

    Relative paths are below the recipe's folder; environment variables and `~` are resolved.
    Raises: RecipeError with every mistake.
    """
    path = find_recipe(name)
    content = read_content(path)
    # a section whose every line is commented out is read as null: it has its defaults
    content = {key: value for key, value in content.items() if value is not None or key not in Recipe.model_fields}
    for setting in settings:
        turn_dial(content, setting)
    put_below(content, path.parent)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        mistakes = "\n".join(f"  {one}" for one in sentences(error.errors(), Recipe, content))
        raise RecipeError(f"{path} cannot be run:\n{mistakes}") from error
    except ValueError as error:
        raise RecipeError(f"{path} cannot be run: {error}") from error
    sources = tuple(_resolve(source, path.parent) for source in recipe.sources)
    block_lists = tuple(
        _pin(one.model_copy(update={"path": resolve_path(one.path, path.parent)})) for one in recipe.urls.block_lists
    )
    urls = recipe.urls.model_copy(update={"block_lists": block_lists})
    return recipe.model_copy(update={"sources": sources, "urls": urls})


def _pin(block_list: BlockList) -> BlockList:
    """The list with its fingerprint, or as it is where `check_recipe` will say what is wrong with it."""
    try:
        return pin(block_list)
    except FileNotFoundError:
        return block_list


def check_recipe(recipe: Recipe) -> Recipe:
    """Check what a recipe needs of this machine: files of its sources, models, columns that its rules read.

    Raises: RecipeError with every mistake.
    """
    mistakes = [f"  {one}" for one in find_mistakes(recipe)]
    if mistakes:
        raise RecipeError("\n".join([f"The recipe {recipe.name} cannot be run:", *mistakes]))
    return recipe


def check_mixture(recipe: Recipe) -> Recipe:
    """The same for the section `mixture` alone; files of sources and models need not be here.

    Raises: RecipeError with every mistake.
    """
    mistakes = [f"  {one}" for one in find_mixture_mistakes(recipe)]
    if mistakes:
        raise RecipeError("\n".join([f"The mixture of the recipe {recipe.name} cannot be planned:", *mistakes]))
    return recipe


def _resolve(source: Source, folder: Path) -> Source:
    """The source with its paths as this machine has them: variables and `~` put in, relative ones below the folder."""
    update: dict[str, Any] = {}
    if source.path is not None:
        update["path"] = resolve_path(source.path, folder)
    if source.common_crawl is not None and source.common_crawl.records is not None:
        records = resolve_path(source.common_crawl.records, folder)
        update["common_crawl"] = source.common_crawl.model_copy(update={"records": records})
    return source.model_copy(update=update)
