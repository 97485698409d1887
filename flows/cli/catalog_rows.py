"""What `gc`, `verify` and `du` found, as tables and sentences."""

import shlex
from collections import defaultdict
from dataclasses import asdict

import pyarrow as pa

from flows.cli.rows import Format, write_rows
from storage import runs
from storage.artifact import Artifact
from storage.catalog.usage import Usage
from storage.catalog.verify import Damage
from storage.gc import Plan
from storage.lake import Lake


def size(count: float) -> str:
    """Bytes as a person says them: "512 B", "3.4 MB", "1.2 TB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def print_plan(plan: Plan, deleted: bool) -> None:
    """What goes, by stage, what is left over, and why the rest stays."""
    for name, one in plan.still_named.items():
        print(f"{name} still means {one.artifact}, which was superseded ({one.why}): it stays until the name moves on.")
    for artifact in plan.without_successor:
        print(f"{artifact} holds forgotten text, and nothing stands for it yet: forget again, or run its recipe.")
    by_stage: dict[str, list[int]] = defaultdict(list)
    for artifact in plan.delete:
        by_stage[artifact.stage].append(plan.graph.nodes[artifact].bytes)
    goes = [{"goes": stage, "artifacts": len(of), "bytes": sum(of)} for stage, of in sorted(by_stage.items())]
    why: dict[str, list[int]] = defaultdict(list)
    for one in plan.leftovers:
        why[f"left over: {one.why}"].append(one.bytes)
    # locks of work that a kill ended hold nothing: they go, and nobody needs to hear of it
    goes += [{"goes": said, "artifacts": len(of), "bytes": sum(of)} for said, of in sorted(why.items()) if sum(of)]
    if goes:
        write_rows(pa.Table.from_pylist(goes), Format.table, None)
    stays = [
        {"stays": reason, "artifacts": len(of), "bytes": plan.graph.bytes(of)} for reason, of in plan.kept.items() if of
    ]
    if stays:
        write_rows(pa.Table.from_pylist(stays), Format.table, None)
    if not goes:
        print("Nothing to delete: something leads to every artifact.")
    elif deleted:
        print(f"Deleted: {size(plan.bytes)} are free.")
    else:
        print(f"Nothing was deleted. `gristmill gc --delete` with the same options frees {size(plan.bytes)}.")


def print_damages(lake: Lake, damages: list[Damage]) -> None:
    """What is damaged, and the command that makes each artifact again."""
    rows = [
        {"artifact": str(one.artifact) if one.artifact else None, "where": one.where, "what": one.what}
        for one in damages
    ]
    write_rows(pa.Table.from_pylist(rows), Format.table, None)
    print(f"{len(damages):,} damages.")
    if any(one.where == "registry" for one in damages):
        print("The registry is made again from the manifests: gristmill verify --rebuild")
    broken = list(dict.fromkeys(one.artifact for one in damages if one.artifact and one.where != "registry"))
    for artifact in broken:
        print(f"{artifact}: delete {artifact.folder}, then {_how_made(lake, artifact)}.")


def _how_made(lake: Lake, artifact: Artifact) -> str:
    """The command of the newest run that used or made an artifact, as a person types it."""
    commands = {"data_to_model": "run"}
    named = f"{artifact.stage}/{artifact.fingerprint}"
    for about in reversed(runs.all_runs(lake)):
        if named in about["artifacts"]:
            given = about["parameters"]
            if "recipe" not in given:
                break
            sets = "".join(f" --set {shlex.quote(one)}" for one in given.get("settings", []))
            return f"gristmill {commands.get(about['flow'], about['flow'])} {shlex.quote(given['recipe'])}{sets}"
    return "run again what made it (no run that is known lists it)"


def print_usage(used: Usage, form: Format) -> None:
    """Tables by stage, name and recipe, and a sentence on what gc frees; other formats have the rows in one table."""
    parts = {"stage": used.stages, "name": used.names, "recipe": used.recipes}
    if form is not Format.table:
        rows = [{"by": by, **asdict(one)} for by, of in parts.items() for one in of]
        rows += [{"by": "beside", "name": name, "bytes": count} for name, count in used.beside.items()]
        columns = ("by", "stage", "name", "artifacts", "rows", "bytes", "exclusive", "freed")
        full = [{column: row.get(column) for column in columns} for row in rows]
        write_rows(pa.Table.from_pylist(full), form, None)
        return
    for of in parts.values():
        if of:
            write_rows(pa.Table.from_pylist([asdict(one) for one in of]), form, None)
    beside = [{"beside artifacts": name, "bytes": count} for name, count in used.beside.items()]
    if beside:
        write_rows(pa.Table.from_pylist(beside), form, None)
    total = sum(one.bytes for one in used.stages)
    print(f"{size(total)} in artifacts; `gristmill gc` with the same options would free {size(used.freed)}.")
