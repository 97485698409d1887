"""Crawl: pages of the recipe's crawled sources come into their folders as WARC files; `refresh` reads them there."""

from typing import Annotated

from pydantic import Field

from flows.orchestrate import flow
from flows.parameters import LakePath, Settings
from flows.recipe import load_recipe
from storage.lake import Lake
from tasks.crawl.run import Crawled, crawl_source, crawled_sources
from tasks.run import running

CrawledRecipe = Annotated[
    str,
    Field(
        title="Recipe", description="The path of a recipe whose sources have a section `crawl`; the sample has none."
    ),
]
CrawledSources = Annotated[
    list[str], Field(title="Sources", description="Only these sources of the recipe. Empty: all that are crawled.")
]


@flow(log_prints=False, persist_result=False)
def crawl(
    recipe: CrawledRecipe = "sample",
    sources: CrawledSources = [],  # noqa: B006 (Prefect's form)
    settings: Settings = [],  # noqa: B006
    lake: LakePath = None,
) -> list[Crawled]:
    """Fetch pages politely, each of them again only if it has changed. The lake only remembers the run."""
    loaded = load_recipe(recipe, settings)
    chosen = crawled_sources(loaded.sources, sources)
    parameters = {"recipe": recipe, "sources": list(sources), "settings": list(settings)}
    with running(Lake(lake) if lake else Lake.default(), "crawl", parameters=parameters) as run:
        return [crawl_source(source, run.console) for source in chosen]
