"""What `gristmill forget` says would change."""

from collections.abc import Callable, Sequence

from rich.console import Console

from flows.forget import Plan
from storage import names
from storage.artifact import Artifact
from storage.forget.leftovers import quoting_files
from storage.forget.tombstones import Tombstone
from storage.lake import Lake
from storage.sql import connect

MOST = 10


def print_plan(lake: Lake, tombstones: Sequence[Tombstone], plan: Plan, console: Console) -> None:
    """List it: documents, duplicates that come in, corpora, tokens, models with their steps, evaluations, files."""

    def say(what: str) -> None:
        console.print(what, markup=False)

    called = _names(lake)
    say(f"{', '.join(map(str, tombstones))}: {len(plan.named):,} of {plan.documents:,} documents")
    _say_documents(lake, plan.named, say)
    if not plan.named:
        say("  Nothing that was read so far: it would hold for what is read later.")
    holders = plan.holders
    for one, doc_ids in holders.documents.items():
        say(f"documents    {one}: {_count(len(doc_ids), 'text')} would go, a successor takes its place")
    for change in plan.changes:
        said = f"{change.name} moves on, {_count(len(change.out), 'document')} out, {len(change.promoted):,} in"
        say(f"corpus       {change.corpus}: {said}")
        _say_documents(lake, change.promoted, say, "comes in, a duplicate until now: ")
    for one in holders.texts:
        kind = one.manifest.kind
        if kind == "corpus" and any(change.corpus == one for change in plan.changes):
            continue
        what = {"corpus": "a version of the corpus", "tokens": _count(len(one.paths()), "token shard")}
        say(f"{kind:<12} {one}: {what.get(kind, 'samples of a model that has read it')}{called(one)}")
    for reading in holders.models:
        said = "what its base has read"
        if reading.steps:
            shown = ", ".join(map(str, reading.steps[:MOST])) + (", …" if len(reading.steps) > MOST else "")
            steps = _count(len(reading.steps), "step")
            said = f"read {_count(reading.documents, 'document')} of these in {steps}: {shown}"
        say(f"model        {reading.model}: {said}{called(reading.model)}")
    for one in holders.learned:
        say(f"{one.manifest.kind:<12} {one}: learned from it{called(one)}")
    for path in quoting_files(lake, holders):
        say(f"file         {path.relative_to(lake.root)}: may quote a forgotten page, goes with the next gc")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _names(lake: Lake) -> Callable[[Artifact], str]:
    latest = {name: names.latest(lake, name) for name in names.all_names(lake)}

    def called(one: Artifact) -> str:
        found = [name for name, meant in latest.items() if meant == one]
        return f" ({', '.join(found)})" if found else ""

    return called


def _say_documents(lake: Lake, doc_ids: Sequence[str], say: Callable[[str], None], before: str = "") -> None:
    rows = (
        connect(lake).execute(
            "select distinct doc_id, source, url from extract where doc_id in (select unnest($1)) order by all",
            [list(doc_ids[:MOST])],
        )
        if doc_ids
        else None
    )
    for doc_id, source, url in rows.fetchall() if rows else ():
        say(f"  {before}{doc_id}  {source}  {url or ''}")
    if len(doc_ids) > MOST:
        say(f"  and {len(doc_ids) - MOST:,} more")
