"""The command `gristmill forget`."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from flows.cli.app import DEFAULT_LAKE, Lake, Workers, app, check_writable
from flows.cli.look import existing_lake
from storage.statements import Refused


@app.command()
def forget(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="A URL, a domain (with its subdomains), a pattern with * over whole addresses, or the id of a "
            "document, conversation, question or example. Where one could be read as another: url:…, domain:…, glob:…, "
            "regex:…, doc_id:…. By what the source calls it: record:SOURCE/ID (with *), or all of it: source:SOURCE.",
            metavar="URL|DOMAIN|PATTERN|ID",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this, what would change is listed.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Allow what names every row of a kind.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the tombstones that the lake has.")] = False,
    lake: Lake = DEFAULT_LAKE,
    workers: Workers = None,
) -> None:
    """Forget documents and other rows: their text goes, ids and scores stay.

    Rows of instruction sets, of evaluation sets and of examples are forgotten as documents are. What is read of them
    later has no text either. First it lists what would change: rows, duplicates that come in for them, corpora, token
    shards, models that have read them, and which of your files they stand in. With --yes it writes tombstones, makes
    what was read and the named corpora again without the text, and marks models. The next run makes tokens and models
    anew; `gristmill gc` deletes what holds the text. Models stay and are marked, for what they learned stands in their
    weights. Your own files are yours: what is read from them is left out, what stands in them stays.

    \b
    gristmill forget https://example.org/page            # what would change
    gristmill forget example.org --yes                   # a whole domain
    gristmill forget "regex:/users/[0-9]+" --yes
    gristmill forget "record:talks/user-17-*" --yes      # conversations, by their own ids

    Costs: to look, the decisions formed once more without these documents; with --yes, what was read and named corpora
    are written again. Nothing is scored again.

    Never: touches your own files or a model's weights, or changes anything without --yes.
    """
    console = Console(highlight=False, soft_wrap=True)
    folder = existing_lake(lake)
    from storage.forget.tombstones import BadTombstone, entries, fits_everything, parse

    if listed:
        if not (known := entries(folder)):
            print("No tombstone: nothing was forgotten in this lake.", file=sys.stderr)
        for entry in known:
            console.print(f"{entry.number:>6}  {_when(entry.written)}  {entry.tombstone}", markup=False)
        return
    if not targets:
        raise Refused("Forget what? Give a URL, a domain, a pattern with * or an id; --list shows the tombstones.")
    try:
        wanted = [parse(target) for target in targets]
    except BadTombstone as error:
        raise Refused(str(error)) from error
    from flows.cli.forgetting import print_plan
    from flows.forget import forget as flow
    from flows.forget import plan_forgetting

    plan = plan_forgetting(folder, wanted)
    print_plan(folder, wanted, plan, console)
    everything = [one for one in wanted if fits_everything(one)]
    if (everything or plan.everything) and not force:
        which = f"{everything[0]} fits everything" if everything else f"This names all {plan.everything[0]} of the lake"
        raise Refused(f"{which}. If that is what you want: the same with --force.")
    if not yes:
        console.print("\nNothing was changed. To forget: the same command with --yes.")
        return
    check_writable(lake)
    flow(folder, wanted, workers=workers)
    console.print("\nForgotten. `gristmill gc` deletes what holds the text; the next run makes tokens and models anew.")


def _when(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
