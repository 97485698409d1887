"""Commands that look into a lake: sql, artifacts, show, explain, report."""

import atexit
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.cli.app import DEFAULT_LAKE, Json, Lake, app
from flows.cli.rows import Format, write_json, write_rows
from storage import names
from storage import sql as views
from storage.catalog.holds import Hold
from storage.forget import marks
from storage.index import list_artifacts
from storage.lake import Lake as LakeFolder
from storage.lake import NoLake
from storage.statements import Refused, restrict, run_query

FormatOption = Annotated[Format, typer.Option("--format", help="How rows are written.")]
JsonRows = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
At = Annotated[
    str | None, typer.Option("--at", help="`documents` as of this corpus (name or fingerprint), not the newest.")
]


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One SELECT. Without it, standard input or a prompt.")] = None,
    form: FormatOption = Format.table,
    as_json: JsonRows = False,
    at: At = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Stop a query after so many seconds.")] = 60.0,
    memory: Annotated[str, typer.Option(help="Memory a query may use.")] = "2GB",
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Ask the lake anything. Views: documents, losses, tokens, training, training_rows, training_conversations,
    evaluations, classifiers, artifacts, lineage, names, runs, and one for each stage and table.

    \b
    gristmill sql "select dropped_by, count(*) from documents group by all order by 2 desc"
    gristmill sql "show tables"
    gristmill sql "select column_name, comment from duckdb_columns() where table_name = 'documents'"
    gristmill sql -o kept.parquet --format parquet "select doc_id, text from documents where kept"

    Costs: what the query costs; --seconds and --memory are its limits.

    Never: changes anything in the lake, or reads a file outside of it.
    """
    form = Format.json if as_json else form
    folder = existing_lake(lake)
    connection = views.connect(folder, at)
    restrict(connection, folder.root, memory)
    typed = query is None and sys.stdin.isatty()
    queries = [query] if query is not None else [] if typed else list(read_queries(sys.stdin))
    if output is not None and len(queries) != 1:
        asked = "this is a prompt" if typed else f"there are {len(queries)}"
        raise Refused(
            f"--output takes the rows of one query, and {asked}: "
            'give the query behind `sql`, as in gristmill sql --output FILE "select 1".'
        )
    for one in queries:
        write_rows(run_query(connection, one, seconds), form, output)
    if typed:
        prompt(lambda text: write_rows(run_query(connection, text, seconds), form, None))


def prompt(answer: Callable[[str], None]) -> None:
    """Read queries line by line (up to a semicolon) and answer each; ends with Ctrl-D, `exit` or `quit`."""
    import duckdb

    importlib.import_module("readline")  # arrow keys and history at the prompt

    print("One SELECT at a time, ended by ';'. `show tables;` lists the views. Ctrl-D ends.", file=sys.stderr)
    waiting = ""
    while True:
        try:
            line = input("gristmill> " if not waiting else "      ...> ")
        except EOFError:
            return
        except KeyboardInterrupt:
            waiting = ""
            print()
            continue
        if not waiting and line.strip().rstrip(";").lower() in ("exit", "quit"):
            return
        waiting = f"{waiting}\n{line}".strip()
        if not waiting.endswith(";"):
            continue
        try:
            answer(waiting.rstrip(";"))
        except (Refused, duckdb.Error) as error:
            print(error, file=sys.stderr)
        waiting = ""


def read_queries(lines: Iterable[str]) -> Iterator[str]:
    """The queries in lines of text: each ends with a semicolon at the end of a line, the last with the text."""
    waiting = ""
    for line in lines:
        waiting = f"{waiting}\n{line}".strip()
        if waiting.endswith(";"):
            yield waiting.rstrip(";")
            waiting = ""
    if waiting:
        yield waiting


@app.command()
def artifacts(
    stage: Annotated[str | None, typer.Argument(help="Only those of this stage.")] = None,
    form: FormatOption = Format.table,
    as_json: JsonRows = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """List the artifacts that the lake holds.

    Stage, fingerprint, rows, size, names, when; and which hold forgotten text, or learned from it.

    \b
    gristmill artifacts
    gristmill artifacts compose

    Costs: a look at the registry; no artifact is opened.

    Never: changes anything.
    """
    folder = existing_lake(lake)
    found = list_artifacts(folder, stage)
    if stage is not None and not found.num_rows:
        known = sorted({row[1] for row in folder.registry.rows()})
        raise Refused(f"No stage {stage!r} has made anything in {folder.root}. Stages: {', '.join(known)}.")
    write_rows(found, Format.json if as_json else form, None)


@app.command()
def show(
    artifact: Annotated[str, typer.Argument(help="A name (sample/corpus), a fingerprint, or the start of one.")],
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Everything about one artifact, as JSON.

    Configuration, inputs, parts, where and when it was made, its names and marks.

    \b
    gristmill show sample/corpus
    gristmill show sample/corpus@1      # what the name meant first

    Costs: a look at its manifest.

    Never: changes anything.
    """
    folder = existing_lake(lake)
    found = folder.get(artifact)
    manifest, provenance = found.manifest, found.provenance
    called = [name for name in names.all_names(folder) if names.latest(folder, name) == found]
    about = {
        "artifact": f"{found.stage}/{found.fingerprint}",
        "kind": manifest.kind,
        "version": manifest.identity.version,
        "names": called,
        "marks": [str(one) for one in marks.marks_of(folder, found)],
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "folder": str(found.folder),
        "inputs": [f"{one.role}: {one.stage}/{one.fingerprint}" for one in manifest.identity.inputs],
        "config": manifest.identity.config,
        "parts": [
            f"{part.name}  {part.rows:,} rows  {part.bytes:,} bytes  sha256 {part.sha256[:16]}…"
            for part in manifest.parts
        ],
        "provenance": provenance,
    }
    sys.stdout.write(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


@app.command()
def explain(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="URL|ID",
            help="A URL; the id of a document, a conversation or a question, or its first 6 or more signs; the id that "
            "a row of conversations or questions itself has.",
        ),
    ],
    everything: Annotated[bool, typer.Option("--all", help="Cut no list.")] = False,
    as_json: Json = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """The path of one document through every stage.

    What each said of it, every rule with its limit, its copies and which stays, the corpora and token shards that
    hold it, and the training steps of every model that read it. Of a conversation: the models that were tuned on it,
    and their steps. Of a question: the evaluations that asked it. A URL may have several documents: all are explained,
    the newest first. Give a doc_id for one of them.

    \b
    gristmill explain https://docs.example.org/page
    gristmill explain 5f0c2e --json

    Costs: a look into every stage's table for one row.

    Never: prints the document's text, or changes anything.
    """
    from flows.cli.explain import print_told
    from tasks.lineage.explain import explain as explained

    told = explained(existing_lake(lake), asked, everything=everything)
    if as_json:
        write_json(told)
    else:
        print_told(Console(), told, everything=everything)


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="A run's id (default: the newest that has a report).")] = None,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Print the path of a run's report.

    It is one HTML file that needs nothing else.

    \b
    gristmill report
    xdg-open "$(gristmill report)"

    Costs: nothing; the run wrote it.

    Never: writes a report. `gristmill run` and `gristmill refresh` do.
    """
    folder = existing_lake(lake)
    reports = sorted((folder.root / "reports").glob("*.html"), key=lambda path: path.stat().st_mtime)
    wanted = [path for path in reports if run is None or path.stem == run]
    if not wanted:
        known = ", ".join(path.stem for path in reports[-5:]) or "none"
        raise Refused(
            f"There is no report{f' of the run {run}' if run else ''} in {folder.root}. "
            f"Reports: {known}. `gristmill run` writes one."
        )
    print(wanted[-1])


def existing_lake(lake: Path, reads: bool = True) -> LakeFolder:
    """The lake of `--lake`; while this process `reads` it, `gristmill gc` deletes nothing there.

    Raises: Refused, with what to do, if there is none.
    """
    try:
        folder = LakeFolder(lake).check()
    except NoLake as error:
        raise Refused(f"{error} Or name another: --lake FOLDER.") from error
    if reads and os.access(folder.root, os.W_OK):
        folder.hold = Hold(folder.root, everything=True)
        atexit.register(folder.hold.release)
    return folder
