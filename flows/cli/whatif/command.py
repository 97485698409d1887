"""The command `whatif`."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.app import DEFAULT_LAKE, Json, Lake, Settings, Workers, app, check_writable
from flows.cli.look import existing_lake
from flows.cli.pictures import Picture, check_picture, write_picture
from flows.cli.rows import terminal, write_json
from storage.statements import Refused


@app.command()
def whatif(
    subject: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE|CORPUS", help="A recipe, or a corpus by name. Default: the newest corpus."),
    ] = None,
    settings: Settings = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where", help="SQL over the columns of `documents`: keep only where it is true, besides the rules."
        ),
    ] = None,
    clusters: Annotated[
        bool | None,
        typer.Option(
            "--clusters/--no-clusters",
            help="Form clusters of copies again, or count by rules alone, which is the default of a --curve.",
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=0, help="Documents shown on each side of the line (0: none).")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="The same seed shows the same documents.")] = 0,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve", help="Turn one dial through a range: decide.gopher.min_words=10:200:10, or a list 10,50."
        ),
    ] = None,
    picture: Picture = None,
    as_json: Json = False,
    commit: Annotated[
        bool, typer.Option("--commit", help="Make it so: a new recipe, new decisions, a new version of the corpus.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--to", help="With --commit: the new recipe's file (default: beside the old one).")
    ] = None,
    lake: Lake = DEFAULT_LAKE,
    workers: Workers = None,
) -> None:
    """What other thresholds would keep and drop, from stored scores.

    Copies are found anew among what would pass, so that the counts are those that --commit gives. Tokens are estimates
    until then: bytes per token, as the recipe's tokenizer came to in this lake. In SQL the same is a table function:
    whatif(a rule's name, what it would drop).

    \b
    gristmill whatif sample --set decide.gopher.min_words=40
    gristmill whatif --where "n_words >= 40 and language = 'en'" --no-clusters
    gristmill whatif sample --curve decide.gopher.min_words=10:200:10 --picture words.svg
    gristmill whatif sample --set decide.gopher.min_words=40 --commit
    gristmill sql "from whatif('gopher.min_words', n_words < 40)"

    Costs: the scores that the turned rules read; clusters are formed again unless --no-clusters. --commit decides and
    composes.

    Never: reads a source or scores a document again; writes anything without --commit, or over a recipe with it.
    """
    from flows.cli.whatif.answer import Stored, parse_curve
    from flows.cli.whatif.printing import answer_as_json, curve_as_json, draw_curve, print_answer, print_curve
    from flows.cli.whatif.question import ask

    check_picture(picture)
    if picture is not None and curve is None:
        raise Refused("--picture draws a curve: give --curve too.")
    if commit and (curve is not None or clusters is False):
        raise Refused("--commit makes one configuration so, clusters and all: leave --curve and --no-clusters out.")
    if to is not None and not commit:
        raise Refused("--to names the recipe that --commit writes: give --commit too.")
    if commit:
        check_writable(lake)
    question = ask(existing_lake(lake), subject, settings or [], where)
    if commit:
        from flows.cli.whatif.commit import place

        place(question, to)  # a mistake is said before the answer is sought
    stored = Stored(question)
    if curve is not None:
        dial, values = parse_curve(curve)
        if picture is not None and not all(type(one) in (int, float) for one in values):
            raise Refused(f"--picture: only numbers can be drawn, and {dial} is to take {values[0]!r}.")
        points = stored.curve(dial, values, bool(clusters), _progress(len(values)))
        total, of = float(stored.documents.tokens(stored.before).sum()), len(stored.documents.size)
        if as_json:
            write_json(curve_as_json(dial, points, bool(clusters), stored.ratio))
        else:
            print_curve(dial, points, _now(question.old, dial), bool(clusters), of, stored.ratio)
        if picture is not None:
            write_picture(picture, draw_curve(dial, points, of, total), dial)
        return
    answer = stored.answer(clusters is not False, samples, seed)
    if as_json and not commit:
        write_json(answer_as_json(question, answer, stored.ratio))
    elif not as_json:
        print_answer(question, answer, stored.ratio, terminal())
    if commit:
        from flows.cli.whatif.commit import make_it_so

        made = make_it_so(question, answer, stored, to, lake, workers)
        if as_json:
            write_json(answer_as_json(question, answer, stored.ratio) | {"commit": made.plain()})
        else:
            for line in made.lines():
                print(line)


def _progress(points: int) -> Any:
    """Says on the error output how far a curve with clusters is, and what is left of it."""
    first = 0.0  # before it is what all points share

    def said(done: int) -> None:
        nonlocal first
        now = time.monotonic()
        first = now if done == 1 else first
        left = f", about {(now - first) / (done - 1) * (points - done):.0f} s more" if done > 1 else ""
        print(f"point {done} of {points}{left}", file=sys.stderr)

    return said


def _now(config: Any, dial: str) -> Any:
    """Where a dial stands, or None."""
    value = config.model_dump(mode="json")
    for step in dial.split(".")[1:]:
        value = value.get(step) if isinstance(value, dict) else None
    return value
