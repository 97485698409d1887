"""The command `lsh`: which near duplicates the bands and rows of a signature find."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.app import Json, Settings, app
from flows.cli.pictures import Picture, check_picture, write_picture
from flows.cli.rows import write_json
from storage.statements import Refused

if TYPE_CHECKING:
    from tasks.lsh_curve import Found
    from tasks.sign import SignConfig

SECTION = "sign"
STEPS = 20
BAR = 30


@app.command()
def lsh(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe whose section `sign` is asked. Default: the stage's defaults.")
    ] = None,
    settings: Settings = None,
    bands: Annotated[int | None, typer.Option("--bands", help="In place of sign.bands.")] = None,
    rows: Annotated[int | None, typer.Option("--rows", help="In place of sign.rows.")] = None,
    measured: Annotated[
        bool, typer.Option("--measure", help="Sign planted pairs of each similarity and say what share was found.")
    ] = False,
    pairs: Annotated[int, typer.Option(min=1, help="With --measure: pairs planted for each similarity.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="With --measure: the same seed plants the same pairs.")] = 0,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Which near copies the buckets of MinHash find: the curve.

    Two documents of Jaccard similarity s share a bucket with probability 1 - (1 - s^rows)^bands. More bands find
    more of what is less alike, more rows fewer false pairs; a document's signature has bands times rows values.
    --measure signs pairs of random words with the functions of the stage `sign`.

    \b
    gristmill lsh --bands 20 --rows 5
    gristmill lsh sample --set sign.rows=6 --picture curve.svg
    gristmill lsh sample --measure

    Costs: nothing for the curve; --measure signs 20 times --pairs pairs.

    Never: reads or writes a lake.
    """
    from tasks.lsh_curve import probability, similarity_found

    check_picture(picture)
    config = _configure(recipe, settings or [], {"bands": bands, "rows": rows})
    similarities = [step / STEPS for step in range(1, STEPS + 1)]
    curve = probability(similarities, config.bands, config.rows).tolist()
    half = similarity_found(0.5, config.bands, config.rows)
    found = _measure(config, similarities, pairs, seed) if measured else None
    if as_json:
        _print_json(config, similarities, curve, half, found)
    else:
        _print_table(config, similarities, curve, half, found)
    if picture is not None:
        write_picture(picture, _drawn(config, half, found), _title(config))


def _configure(recipe: str | None, settings: list[str], given: dict[str, int | None]) -> "SignConfig":
    """The section `sign` of a recipe, or the defaults, with dials turned. Raises: RecipeError with every mistake."""
    from flows.recipe_file import check_section, find_recipe, read_content
    from tasks.sign import SignConfig

    content = read_content(find_recipe(recipe)) if recipe is not None else {}
    turned = [*settings, *(f"{SECTION}.{key}={value}" for key, value in given.items() if value is not None)]
    for setting in turned:
        if not setting.strip().startswith(f"{SECTION}."):
            raise Refused(f"--set {setting}: only dials of {SECTION} change this curve, such as {SECTION}.bands=20.")
    return check_section(SignConfig, SECTION, content, turned, "Signatures cannot be made so")


def _measure(config: "SignConfig", similarities: list[float], pairs: int, seed: int) -> "list[Found]":
    """Planted pairs, signed and hashed into buckets by the stage's own functions."""
    from tasks.lsh_curve import measure
    from tasks.sign import hash_bands, sign_words

    found = []
    shape = {"bands": config.bands, "rows": config.rows, "ngram": config.ngram}
    for one in measure(
        lambda words, offsets: hash_bands(sign_words(words, offsets, config), config),
        similarities,
        **shape,
        pairs=pairs,
        seed=seed,
    ):
        found.append(one)
        print(f"similarity {len(found)} of {len(similarities)}: {pairs:,} pairs", file=sys.stderr)
    return found


def _title(config: "SignConfig") -> str:
    return f"Pairs found by {config.bands} bands of {config.rows} rows"


def _print_json(
    config: "SignConfig", similarities: list[float], curve: list[float], half: float, found: "list[Found] | None"
) -> None:
    points: list[dict[str, Any]] = [
        {"similarity": one, "probability": share} for one, share in zip(similarities, curve, strict=True)
    ]
    if found is not None:
        points = [point | {"measured": one._asdict()} for point, one in zip(points, found, strict=True)]
    answer = {"bands": config.bands, "rows": config.rows, "found_by_half": half, "points": points}
    write_json(answer)


def _print_table(
    config: "SignConfig", similarities: list[float], curve: list[float], half: float, found: "list[Found] | None"
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"{config.bands} bands of {config.rows} rows, {config.n_values:,} values a document: half of the pairs of "
        f"similarity {half:.3f} share a bucket.",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = ("similarity", "probability") if found is None else ("similarity", "probability", "found", "errors off")
    for name in columns:
        table.add_column(name, justify="right")
    if found is None:
        table.add_column("")
        for similarity, share in zip(similarities, curve, strict=True):
            table.add_row(f"{similarity:.2f}", f"{share:.4f}", "█" * round(BAR * share))
    for one in found or ():
        off = f"{(one.found - one.expected) / one.error:+.1f}" if one.error > 0 else "·"
        table.add_row(f"{one.similarity:.4f}", f"{one.expected:.4f}", f"{one.found:.4f}", off)
    console.print(table)
    if found is not None:
        console.print(
            "Similarities are the mean of the planted pairs' exact ones; errors are standard errors if the "
            "curve is right.",
            markup=False,
            soft_wrap=True,
        )


def _drawn(config: "SignConfig", half: float, found: "list[Found] | None") -> str:
    from tasks.lsh_curve import probability
    from tasks.report.charts import line_chart

    fine = [step / 100 for step in range(101)]
    shares = (100 * probability(fine, config.bands, config.rows)).tolist()
    series = {"curve": list(zip(fine, shares, strict=True))}
    if found is not None:
        series["found"] = [(one.similarity, 100 * one.found) for one in found]
    x_label = f"Jaccard similarity (half are found at {half:.3f})"
    return line_chart(series, title=_title(config), x_label=x_label, y_label="% of pairs that share a bucket")
