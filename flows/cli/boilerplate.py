"""The command `boilerplate`: the lines and paragraphs that stand in many documents, by name."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import DEFAULT_LAKE, Lake, app
from flows.cli.look import JsonRows, existing_lake
from flows.cli.rows import Format, write_rows
from storage.statements import Refused

SHOWN = 100  # characters of a line in a table


@app.command()
def boilerplate(
    corpus: Annotated[
        str | None, typer.Argument(help="A corpus, or decisions, by name or fingerprint (default: the newest corpus).")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many, those in most documents first.")] = 20,
    form: Annotated[Format, typer.Option("--format", help="How rows are written; a table cuts long lines.")] = (
        Format.table
    ),
    as_json: JsonRows = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """The lines and paragraphs that many documents of a corpus share.

    How many documents and domains hold each, and what it says. They are found where a recipe asks for them:
    parts.lines and decide.repeated_lines, parts.paragraphs and decide.repeated_paragraphs (gristmill recipe
    --section parts). The lake keeps hashes and places alone; the text is read from the first document that holds
    it.

    \b
    gristmill boilerplate
    gristmill boilerplate sample/corpus --rows 100 --format csv -o lines.csv
    gristmill sql "from decide_removals"        # what goes of each document

    Costs: a look at the table of lines, and at the texts that hold those shown.

    Never: changes anything.
    """
    import duckdb

    from storage.sql import decisions_of, newest_corpus

    form = Format.json if as_json else form
    folder = existing_lake(lake)
    named = folder.get(corpus) if corpus is not None else newest_corpus(folder)
    if named is None:
        raise Refused(f"There is no corpus in {folder.root}: gristmill refresh makes one.")
    decisions = decisions_of(named)
    paths = decisions.paths("boilerplate")
    if not paths:
        raise Refused(
            f"{decisions} looked for no repeated lines or paragraphs: set parts.lines to true and "
            "decide.repeated_lines to {min_documents: 10} in the recipe, and run gristmill refresh."
        )
    said = "substring(d.text, b.start + 1, b.end - b.start)"
    if form is Format.table:
        plain = f"trim(regexp_replace({said}, '\\s+', ' ', 'g'))"
        said = f"case when length({plain}) > {SHOWN} then {plain}[:{SHOWN - 1}] || '…' else {plain} end"
    query = f"""with b as (from read_parquet($paths) order by documents desc, kind, hash limit $rows),
        d as (select doc_id, text from read_parquet($texts) where doc_id in (select doc_id from b))
        select b.documents, b.domains, b.occurrences, replace(b.kind, 'repeated_', '') as part, b.doc_id, {said} as text
        from b join d using (doc_id) order by b.documents desc, b.kind, b.hash"""
    texts = [str(path) for one in decisions.inputs("documents") for path in one.paths()]
    with duckdb.connect() as connection:
        given = {"paths": [str(path) for path in paths], "texts": texts, "rows": rows}
        found = connection.execute(query, given).to_arrow_table()
    if form is Format.table and not found.num_rows:
        print("No line or paragraph stands in as many documents and domains as the recipe asks for.", file=sys.stderr)
    else:
        write_rows(found, form, output)
