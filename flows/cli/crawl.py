"""The command `crawl`: pages of the web into WARC files, politely."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import DEFAULT_LAKE, Lake, Settings, app, check_writable, prepare_environment
from storage.statements import Refused

Several = list[str] | None


@app.command()
def crawl(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe whose sources have a section `crawl`. Or give --seed.")
    ] = None,
    source: Annotated[Several, typer.Option("--source", help="Only this source of the recipe. Repeatable.")] = None,
    settings: Settings = None,
    seed: Annotated[Several, typer.Option("--seed", help="Without a recipe: a page to begin with. Repeatable.")] = None,
    sitemap: Annotated[
        Several, typer.Option("--sitemap", help="Without a recipe: a sitemap to begin with. Repeatable.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option("--contact", help="Your e-mail address or page: it stands in the user agent.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="Without a recipe: the folder for the WARC files.")] = Path(
        "crawl"
    ),
    depth: Annotated[int, typer.Option(min=0, help="How many links away from the seeds.")] = 3,
    max_pages: Annotated[int, typer.Option(min=1, help="At most so many pages.")] = 1000,
    delay: Annotated[float, typer.Option(min=0.0, help="Seconds between two requests to a host.")] = 2.0,
    allow_private: Annotated[
        Several, typer.Option("--allow-private", help="A network that is not public: 10.1.0.0/16. Repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read robots.txt and sitemaps alone, and list what would be fetched.")
    ] = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Fetch pages of the web politely, into WARC files.

    A source reads those. robots.txt is obeyed, and nobody is hurried. What a crawl may do stands in a recipe, in
    the section `crawl` of a source (gristmill recipe --section sources); for a first look, --seed and --contact are
    enough. Run again, only what has changed is fetched. Ctrl-C ends it with whole files.

    \b
    gristmill crawl --seed https://docs.example.org/ --contact you@example.org --dry-run
    gristmill crawl mine.yaml
    gristmill refresh mine.yaml        # reads what was fetched

    Costs: a page each --delay seconds from a host, at most --max-pages of them.

    Never: fetches what robots.txt forbids, or from a private network unless --allow-private names it.
    """
    if bool(recipe) == bool(seed or sitemap):
        raise Refused("Say what to crawl: a recipe, or --seed URL --contact YOU@EXAMPLE.ORG. One of the two.")
    if recipe:
        _crawl_recipe(recipe, source or [], settings or [], lake, dry_run)
        return
    if not contact:
        raise Refused("Say who you are: --contact, an e-mail address or a page. It stands in the crawler's user agent.")
    from pydantic import ValidationError

    from flows.mistakes import sentences
    from tasks.console import Console
    from tasks.crawl.config import CrawlConfig
    from tasks.crawl.run import crawl_into

    asked = {
        "contact": contact, "seeds": tuple(seed or ()), "sitemaps": tuple(sitemap or ()),
        "depth": depth, "allow_private": tuple(allow_private or ()), "max_pages": max_pages, "delay": delay,
    }  # fmt: skip
    try:
        config = CrawlConfig.model_validate(asked)
    except ValidationError as error:
        raise Refused(" ".join(sentences(error.errors(), CrawlConfig, asked))) from error
    _list(crawl_into(config, output, output.resolve().name, Console(), dry_run).would)


def _crawl_recipe(recipe: str, sources: list[str], settings: list[str], lake: Path, dry_run: bool) -> None:
    check_writable(lake)
    prepare_environment(lake)
    from flows.recipe import load_recipe
    from tasks.console import Console
    from tasks.crawl.run import crawl_source, crawled_sources

    chosen = crawled_sources(load_recipe(recipe, settings).sources, sources)  # a mistake is said before a server starts
    if dry_run:
        _list([url for one in chosen for url in crawl_source(one, Console(), dry_run=True).would])
        return
    from flows.crawl import crawl as flow

    for found in flow(recipe=recipe, sources=sources, settings=settings, lake=str(lake)):
        for path in found.files:
            print(path)


def _list(urls: list[str]) -> None:
    for url in urls:
        print(url)
