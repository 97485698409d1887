"""Commands that look after the catalog: gc, verify, du."""

from typing import Annotated

import typer

from flows.cli.app import DEFAULT_LAKE, Lake, app, check_writable
from flows.cli.look import existing_lake

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
