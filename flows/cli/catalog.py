"""Commands that look after the catalog: gc, verify, du."""

from typing import Annotated

import typer

from flows.cli.app import DEFAULT_LAKE, Lake, app, check_writable
from flows.cli.look import FormatOption, existing_lake
from flows.cli.rows import Format

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
Delete = Annotated[bool, typer.Option("--delete", "--yes", help="Delete. Without it, what would go is listed.")]


@app.command("gc")
def collect_garbage(
    delete: Delete = False,
    keep: Versions = 1,
    runs: Runs = 3,
    readings: Readings = True,
    staging_days: StagingDays = 7.0,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Delete artifacts that nothing leads to any more. Without --delete it only lists what would go.

    Kept: what each name means now, with all it was made from; what runs that go on use; all snapshots, so that a
    refresh reads no old file again, and what was read of them last; what the last runs used or made. What
    `gristmill forget` has superseded is kept for names and for runs that go on alone.

    gristmill gc --runs 0 --delete
    """
    from flows.cli.catalog_rows import print_plan
    from storage import gc

    folder = existing_lake(lake, reads=False)
    check_writable(lake)
    keeping = gc.Keeping(keep, runs, readings, staging_days)
    if not delete:
        print_plan(gc.plan(folder, keeping), deleted=False)
        return
    from storage.sql import refresh_catalog
    from tasks.console import Console, Progress

    progress = Progress(Console(), "gc", 0, 0, "folders")

    def say(done: int, of: int) -> None:
        progress.shards, progress.size = of, max(of, 1)
        progress.update(done, done, done)

    found = gc.collect(folder, keeping, say)
    refresh_catalog(folder)
    print_plan(found, deleted=True)


Quick = Annotated[bool, typer.Option("--quick", help="Compare sizes and hash nothing.")]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="First make the registry again from the manifests.")]


@app.command()
def verify(quick: Quick = False, rebuild: Rebuild = False, lake: Lake = DEFAULT_LAKE) -> None:
    """Hash every part again and compare it with its manifest, the manifests with the registry, names, runs, lineage.

    Says what is damaged and which command makes it again. The exit code is 1 if anything is.
    """
    from flows.cli.catalog_rows import print_damages, size
    from storage.catalog.verify import verify as look
    from tasks.console import Console, Progress

    folder = existing_lake(lake, reads=False)
    if rebuild:
        check_writable(lake)
        print(f"The registry was made again from {folder.registry.rebuild():,} manifests.")
    progress: list[Progress] = []

    def say(read: int, done: int, of: int, total: int) -> None:
        if not progress:
            progress.append(Progress(Console(), "verify", of, total, "bytes"))
        progress[0].update(read, done, read)

    found = look(folder, quick, say)
    how = "sizes compared" if quick else "hashed again"
    print(f"{found.artifacts:,} artifacts, {found.parts:,} parts, {size(found.bytes)} {how}.")
    if found.in_trash:
        print(f"{found.in_trash:,} artifacts lie in the trash of a collection that was stopped: gristmill gc --delete.")
    if found.damages:
        print_damages(folder, found.damages)
        raise typer.Exit(1)
    print("Nothing is damaged.")


@app.command()
def du(
    runs: Runs = 3,
    keep: Versions = 1,
    readings: Readings = True,
    form: FormatOption = Format.table,
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Bytes by stage and by name: what a name alone leads to, what it shares with others, and what gc would free."""
    from flows.cli.catalog_rows import print_usage
    from storage import gc
    from storage.catalog.usage import usage

    folder = existing_lake(lake, reads=False)
    print_usage(usage(folder, gc.Keeping(keep, runs, readings)), form)
