"""What `gristmill forget` says would change."""

from collections.abc import Callable, Sequence

from rich.console import Console

from flows.forget import Change, Plan
from storage import names
from storage.artifact import Artifact
from storage.forget.leftovers import quoting_reports
from storage.forget.rows import READ
from storage.forget.tombstones import Tombstone
from storage.lake import Lake
from storage.remote.mirror import mirror_folder
from storage.sql import connect

MOST = 10
Say = Callable[[str], None]


def print_plan(lake: Lake, tombstones: Sequence[Tombstone], plan: Plan, console: Console) -> None:
    """List it: rows, duplicates that come in, corpora, tokens, models with their steps, evaluations, files."""

    def say(what: str) -> None:
        console.print(what, markup=False)

    said = [
        f"{len(ids):,} of {_count(plan.rows[kind], kind.removesuffix('s'))}" for kind, ids in plan.named.items() if ids
    ]
    say(f"{', '.join(map(str, tombstones))}: {', '.join(said) or 'nothing'}")
    for kind, ids in plan.named.items():
        _say_rows(lake, kind, ids, say)
    if not said:
        say("  Nothing that was read so far: it would hold for what is read later.")
    for one, ids in plan.holders.read.items():
        say(_line(one, f"{_count(len(ids), 'text')} would go, a successor takes its place"))
    if plan.copies:
        say(f"These {len(plan.copies):,} say the same and stay: name them too, if they are to go.")
        _say_rows(lake, "conversations", plan.copies, say)
    for change in plan.changes:
        _say_change(lake, change, say)
    _say_holders(lake, plan, say)
    _say_files(lake, plan, say)


def _say_change(lake: Lake, change: Change, say: Say) -> None:
    said = f"{change.name} moves on, {_count(len(change.out), 'document')} out, {len(change.promoted):,} in"
    if change.other_parts:
        said += f", {len(change.other_parts):,} with other parts cut out"
    say(_line(change.corpus, said))
    _say_rows(lake, "documents", change.promoted, say, "comes in, a duplicate until now: ")


def _say_holders(lake: Lake, plan: Plan, say: Say) -> None:
    """Corpora that no name moves on from, tokens, models, evaluations, and what else learned from it."""
    holders, called = plan.holders, _names(lake)
    what = {"corpus": "a version of the corpus", "evaluation": "samples of a model that has read it"}
    for one in holders.texts:
        if all(change.corpus != one for change in plan.changes):
            said = what.get(one.manifest.kind) or _count(len(one.paths()), "token shard")
            say(_line(one, f"{said}{called(one)}"))
    for reading in holders.models:
        said = "what its base has read"
        if reading.steps:
            shown = ", ".join(map(str, reading.steps[:MOST])) + (", …" if len(reading.steps) > MOST else "")
            said = f"read {_count(reading.texts, 'text')} of these in {_count(len(reading.steps), 'step')}: {shown}"
        say(_line(reading.model, f"{said}{called(reading.model)}"))
    for one in holders.learned:
        say(_line(one, f"learned from it{called(one)}"))
    for one in holders.compared:
        say(_line(one, "documents were compared with it: the next run compares them again"))


def _say_files(lake: Lake, plan: Plan, say: Say) -> None:
    """What lies beside artifacts: reports and copies, which gc deletes, and the user's own files, which stay."""
    mirror = mirror_folder(lake.root)
    for path in quoting_reports(lake, plan.holders.deleted):
        say(f"{'report':<13} {path.relative_to(lake.root)}: may quote it, goes with the next gc")
    ours = {path for path in plan.files if path.is_relative_to(mirror) and path.is_relative_to(lake.root)}
    for path in sorted(ours):
        say(f"{'copy':<13} {path.relative_to(lake.root)}: of a remote file in which it stands, goes with the next gc")
    yours = [(path, rows) for path, rows in plan.files.items() if path not in ours]
    for path, rows in yours[:MOST]:
        say(f"{'your file':<13} {path}: {_count(rows, 'row')} of these. It stays as it is, and is yours to change")
    if len(yours) > MOST:
        say(f"{'':<13} and {len(yours) - MOST:,} more of your files")


def _line(one: Artifact, said: str) -> str:
    return f"{one.manifest.kind:<13} {one}: {said}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _names(lake: Lake) -> Callable[[Artifact], str]:
    latest = {name: names.latest(lake, name) for name in names.all_names(lake)}

    def called(one: Artifact) -> str:
        found = [name for name, meant in latest.items() if meant == one]
        return f" ({', '.join(found)})" if found else ""

    return called


def _say_rows(lake: Lake, kind: str, ids: Sequence[str], say: Say, before: str = "") -> None:
    """The first of these rows: id, source, and URL or own id."""
    if not ids:
        return
    view = "extract" if kind == "documents" else kind
    named = {"documents": "coalesce(url, record_id)", "examples": "null"}.get(kind, "record_id")
    rows = connect(lake).execute(
        f"select distinct {READ[kind].id}, source, {named} from {view} "
        f"where {READ[kind].id} in (select unnest($1)) order by all",
        [list(ids[:MOST])],
    )
    for row, source, address in rows.fetchall():
        say(f"  {before}{row}  {source}  {address or ''}".rstrip())
    if len(ids) > MOST:
        say(f"  and {len(ids) - MOST:,} more")
