"""The command `mixture`: what a corpus would be made of, before it is composed."""

import os
from typing import Annotated, Any

import typer

from flows.cli.app import DEFAULT_LAKE, Lake, Recipe, Settings, app
from flows.cli.look import FormatOption, JsonRows, existing_lake
from flows.cli.rows import Format, write_rows
from storage.statements import Refused

SECTION = "mixture"


@app.command()
def mixture(
    recipe: Recipe = "sample",
    settings: Settings = None,
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="A corpus or decisions, by name or fingerprint, whose decisions are mixed."),
    ] = None,
    sizes: Annotated[
        bool,
        typer.Option("--sizes", help="How often documents count by the size of their cluster (mixture.rehydrate)."),
    ] = False,
    form: FormatOption = Format.table,
    as_json: JsonRows = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """The plan of a recipe's mixture, and which component runs out.

    What each component gives, how often, and of what share. The documents are those that the recipe's newest corpus
    was decided on; thresholds under `decide` are as they were then. Bytes are exact, tokens are estimated by
    `bytes_per_token` until a corpus is tokenized.

    \b
    gristmill mixture sample
    gristmill mixture sample --set mixture.components.books.weight=0.4
    gristmill mixture sample --set mixture.budget_bytes=50000000 --json

    Costs: a look at the columns that the components are made by; no text is read.

    Never: changes anything. `gristmill refresh` with the same settings composes it.
    """
    os.environ.setdefault("GRISTMILL_PREPARED", "1")  # no flow is run, so no settings of Prefect's are needed
    from flows.planning import plan_of

    _only_mixture(settings or [], recipe)
    plan = plan_of(existing_lake(lake), recipe, settings or [], corpus)
    if sizes and not plan.rehydration:
        raise Refused("--sizes shows what mixture.rehydrate weighs by, and this recipe does not set it.")
    shown = _weights(plan.rehydration) if sizes else _shown(plan.mixture)
    write_rows(shown, Format.json if as_json else form, None)


def _only_mixture(settings: list[str], recipe: str) -> None:
    """Raises: Refused where a dial of another section is turned, with the command that would look at it."""
    from flows.mistakes import nearest
    from flows.recipe import Recipe as Sections

    for setting in settings:
        key, separator, _ = (part.strip() for part in setting.partition("="))
        section = key.split(".")[0]
        if not separator or not key:
            raise Refused(f"--set takes key=value, such as mixture.max_epochs=2: {setting!r} has no key and '='.")
        if section == "decide":
            raise Refused(
                f"--set {key}: who stays is asked by gristmill whatif {recipe} --set {setting}; here it is as it was "
                "decided last."
            )
        if section not in Sections.model_fields:
            close = nearest(section, list(Sections.model_fields))
            raise Refused(f"--set {key}: a recipe has no section {section!r}{close}.")
        if section != SECTION:
            raise Refused(
                f"--set {key}: gristmill mixture turns dials of {SECTION} alone; the documents are as they were "
                f"measured and decided last. For a corpus with it: gristmill refresh {recipe} --set {setting}"
            )


def _shown(plan: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    rows = [
        {
            "phase": row["phase"],
            "component": row["component"],
            "kept": row["kept_documents"],
            "documents": row["documents"],
            "megabytes": round(row["bytes"] / 1e6, 2),
            "tokens": row["tokens"],
            "wanted": round(row["share_wanted"], 4),
            "share": round(row["share"], 4),
            "epochs": round(row["epochs"], 2),
            "runs out": row["exhausted"],
        }
        for row in plan
    ]
    if all(row["tokens"] is None for row in rows):
        rows = [{name: value for name, value in row.items() if name != "tokens"} for row in rows]
    return pa.Table.from_pylist(rows)


def _weights(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    rates = ("removal_rate", "usual_removal_rate", "clusters")
    return pa.Table.from_pylist([{**row, **{name: round(row[name], 4) for name in rates}} for row in rows])
