"""Commands that look after the catalog: gc, verify, du."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.app import DEFAULT_LAKE, Json, Lake, app, check_writable
from flows.cli.look import FormatOption, JsonRows, existing_lake
from flows.cli.rows import Format, write_json
from storage.lake import Lake as LakeFolder

if TYPE_CHECKING:
    from storage.gc import Keeping, Plan

Versions = Annotated[int, typer.Option("--keep", min=1, help="Keep so many last versions of each name.")]
Runs = Annotated[int, typer.Option("--runs", min=0, help="Keep what so many last runs used or made.")]
Readings = Annotated[
    bool,
    typer.Option(
        "--readings/--no-readings",
        help="Keep the newest reading of each snapshot though nothing uses it: its files may be gone.",
    ),
]
StagingDays = Annotated[
    float, typer.Option(min=0, help="Unfinished work that nobody touched for so many days is abandoned.")
]
Yes = Annotated[bool, typer.Option("--yes", "--delete", help="Do it. Without this, what would go is listed.")]


@app.command("gc")
def collect_garbage(
    yes: Yes = False,
    keep: Versions = 1,
    runs: Runs = 3,
    readings: Readings = True,
    staging_days: StagingDays = 7.0,
    as_json: Json = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Delete artifacts that nothing leads to any more. Without --yes it only lists what would go.

    Kept: what each name means now, with all it was made from; what runs that go on use; all snapshots, so that a
    refresh reads no old file again, and what was read of them last; what the last runs used or made. What
    `gristmill forget` has superseded is kept for names and for runs that go on alone.

    \b
    gristmill gc                        # what would go, and why the rest stays
    gristmill gc --runs 0 --yes
    gristmill gc --keep 3               # the last three corpora of each name stay

    Costs: a look at manifests, and the deletion of files.

    Never: deletes anything without --yes, what a name means now, or a file of your own.
    """
    from flows.cli.catalog_rows import plan_as_values, print_plan
    from storage import gc

    folder = existing_lake(lake, reads=False)
    if yes:
        check_writable(lake)
    keeping = gc.Keeping(keep, runs, readings, staging_days)
    found = _collect(folder, keeping) if yes else gc.plan(folder, keeping)
    if as_json:
        write_json(plan_as_values(found, deleted=yes))
    else:
        print_plan(found, deleted=yes)


def _collect(folder: LakeFolder, keeping: "Keeping") -> "Plan":
    """Delete, and say how far it is."""
    from storage import gc
    from storage.sql import refresh_catalog
    from tasks.console import Console, Progress

    progress = Progress(Console(), "gc", 0, 0, "deleted", pieces="folders")

    def say(done: int, of: int) -> None:
        progress.shards, progress.size = of, max(of, 1)
        progress.update(done, done, done)

    found = gc.collect(folder, keeping, say)
    refresh_catalog(folder)
    return found


Quick = Annotated[bool, typer.Option("--quick", help="Compare sizes and hash nothing.")]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="First make the registry again from the manifests.")]


@app.command()
def verify(quick: Quick = False, rebuild: Rebuild = False, as_json: Json = False, lake: Lake = DEFAULT_LAKE) -> None:
    """Find damage: hash every file again and compare.

    Parts are compared with their manifests, manifests with the registry and the lineage; names, runs, tombstones, marks
    and sources are read. Says what is damaged, and which command makes it again or what to do. The exit code is 1 if
    anything is.

    \b
    gristmill verify
    gristmill verify --quick            # sizes alone
    gristmill verify --rebuild          # the registry was lost

    Costs: one reading of every artifact, on all cores; --quick looks at sizes alone.

    Never: mends or deletes an artifact. --rebuild writes the registry, and nothing else.
    """
    from flows.cli.catalog_rows import print_damages, repairs, size
    from storage.catalog.verify import verify as look
    from tasks.console import Console, Progress

    folder = existing_lake(lake, reads=False)
    if rebuild:
        check_writable(lake)
        said = sys.stderr if as_json else sys.stdout
        made = folder.registry.rebuild()
        left = (
            f" Left out, for their manifests are damaged: {', '.join(map(str, made.left_out))}."
            if made.left_out
            else ""
        )
        print(f"The registry was made again from {made.listed:,} manifests.{left}", file=said)
    progress: list[Progress] = []

    def say(read: int, done: int, of: int, total: int) -> None:
        if not progress:
            progress.append(Progress(Console(), "verify", of, total, "bytes", pieces="files"))
        progress[0].update(read, done, read)

    found = look(folder, quick, say)
    if as_json:
        write_json(found.plain() | {"repairs": repairs(folder, found.damages)})
        raise typer.Exit(1 if found.damages else 0)
    how = "sizes compared" if quick else "hashed again"
    print(f"{found.artifacts:,} artifacts, {found.parts:,} parts, {size(found.bytes)} {how}.")
    if found.in_trash:
        print(f"{found.in_trash:,} artifacts lie in the trash of a collection that was stopped: gristmill gc --yes.")
    for other in found.foreign:
        print(f"{other} is not of this lake, though a manifest.json is in it: its name is no fingerprint. Leave it.")
    if found.damages:
        print_damages(folder, found.damages)
        raise typer.Exit(1)
    print("Nothing is damaged.")


@app.command()
def du(
    runs: Runs = 3,
    keep: Versions = 1,
    readings: Readings = True,
    staging_days: StagingDays = 7.0,
    form: FormatOption = Format.table,
    as_json: JsonRows = False,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Where the bytes are: by stage, by name and by recipe.

    What a name alone leads to, what it shares with others, and what gc would free.

    \b
    gristmill du
    gristmill du --keep 3               # as `gristmill gc --keep 3` would leave it

    Costs: a look at manifests and at the sizes of files.

    Never: deletes anything.
    """
    from flows.cli.catalog_rows import print_usage
    from storage import gc
    from storage.catalog.usage import usage

    folder = existing_lake(lake, reads=False)
    print_usage(usage(folder, gc.Keeping(keep, runs, readings, staging_days)), Format.json if as_json else form)
