"""Damage of the files beside artifacts: names, runs, tombstones, marks, what was superseded, sources, the lake's id.

Nothing makes these again from anything else, so each damage says what to do, and what is then lost.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from storage import names, runs, sources
from storage.artifact import TOMBSTONES, Artifact, committed
from storage.catalog import superseded
from storage.catalog.damage import Damage
from storage.files import Damaged, read_fields
from storage.forget import marks, tombstones
from storage.forget.holders import read_tombstones
from storage.forget.tombstones import Tombstone
from storage.lake import RUNS, Lake
from storage.registry import REGISTRY_URL, SETTINGS

OF_RUNS = {
    runs.STARTED: "delete its folder: the record of this one run is lost, and nothing else",
    runs.ENDED: "delete it: the run then counts as one that died, and gc keeps nothing for its sake",
}
AGAIN = (
    "delete it, and look at gristmill gc: that writes it again where forgotten text is still held, or was learned from"
)
CLAIMED = "delete it, and refresh each recipe of this lake: each writes its sources into it again"
OF_LAKE = (
    "write it again: {} where the registry is SQLite's; where it is PostgreSQL's, the `id` that its schema gristmill_… "
    f"ends in, and its URL as `registry` unless {REGISTRY_URL} names it"
)


def damaged_beside(lake: Lake, there: Collection[Artifact]) -> Iterator[Damage]:
    """Every file beside artifacts that cannot be read, and names that mean what is not `there`."""
    for name in names.all_names(lake):
        yield from _name(lake, name, there)
    for path in sorted((lake.root / RUNS).glob("*/[!.]*.json")):
        yield from _unreadable(lake, path, runs.read_run_file, OF_RUNS.get(path.name, "delete it: nothing reads it"))
    yield from _tombstones(lake)
    for path in marks.files(lake):
        yield from _unreadable(lake, path, partial(marks.read_mark, lake), AGAIN)
    for path in superseded.files(lake):
        yield from _unreadable(lake, path, partial(superseded.read_superseded, lake), AGAIN)
    yield from _unreadable(lake, lake.root / sources.CLAIMS, sources.read_claims, CLAIMED)
    yield from _unreadable(lake, lake.root / SETTINGS, read_fields, OF_LAKE)


def _unreadable(lake: Lake, path: Path, read: Callable[[Path], object], remedy: str) -> Iterator[Damage]:
    """The damage of one file, if it is there and has one."""
    try:
        read(path)
    except FileNotFoundError:
        return
    except Damaged as error:
        yield Damage(None, _below(lake, path), error.what, remedy)


def _below(lake: Lake, path: Path) -> str:
    return str(path.relative_to(lake.root))


def _name(lake: Lake, name: str, there: Collection[Artifact]) -> Iterator[Damage]:
    """Entries that are missing or cannot be read, and what the name means now that is not there."""
    files = names.files(lake, name)
    damaged: dict[int, Damaged] = {}
    entries: dict[int, Artifact | None] = {}
    for path in files:
        try:
            entries[int(path.stem)] = names.read_entry(lake, path).artifact
        except Damaged as error:
            damaged[int(path.stem)] = error
    newest = max(entries, default=0)
    for number in range(1, int(files[-1].stem) + 1 if files else 1):
        if number in entries:
            continue
        what = damaged[number].what if number in damaged else "it is missing"
        if number < newest:
            remedy = (
                f"let it hold the one line {names.NOTHING}: the name means what it did, and {name}@{number} nothing"
            )
        elif number in damaged:
            remedy = f"delete it: the name then means {_meaning(entries, newest)}, until the next run gives it again"
        else:
            remedy = "nothing is to be done once the entries after it are deleted"
        yield Damage(None, f"names/{name}/{number:06d}.json", what, remedy)
    meant = entries.get(newest)
    if meant is not None and meant not in there and not meant.exists:
        yield Damage(
            None, f"names/{name}", f"it means {meant}, which is not there", "run again the recipe that gives this name"
        )


def _meaning(entries: dict[int, Artifact | None], number: int) -> str:
    return str(entries.get(number) or "nothing")


def _tombstones(lake: Lake) -> Iterator[Damage]:
    """Tombstones that cannot be read, and those that are in none of the files though texts were forgotten by them."""
    damages, readable = list[Damage](), set[Tombstone]()
    for path in tombstones.files(lake):
        try:
            readable.add(tombstones.read_entry(path).tombstone)
        except FileNotFoundError:
            continue
        except Damaged as error:
            remedy = "delete it, and forget the same again (gristmill forget), before anything is refreshed"
            damages.append(Damage(None, _below(lake, path), error.what, remedy))
    yield from damages
    for one in sorted(_obeyed(committed(lake.root, TOMBSTONES)) - readable):
        what = f"{one} is in none of its files that can be read, and texts were forgotten by it"
        yield Damage(None, tombstones.FOLDER, what, f"gristmill forget {shlex.quote(str(one))} --yes")


def _obeyed(listings: Iterable[Artifact]) -> set[Tombstone]:
    """Every tombstone under which anything was read, as far as the artifacts that list them can be read."""
    found = set[Tombstone]()
    for listed in listings:
        with suppress(OSError, ValueError):
            found.update(read_tombstones(listed))
    return found
