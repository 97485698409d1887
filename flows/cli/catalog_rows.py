"""What `gc`, `verify` and `du` found, as tables and sentences."""

import shlex
from collections import defaultdict
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from flows.cli.rows import Format, write_rows
from flows.recipe_file import RecipeError, find_recipe
from storage import runs
from storage.artifact import Artifact
from storage.catalog.damage import LINEAGE, REGISTRY, Damage
from storage.catalog.usage import Usage
from storage.gc import Plan
from storage.lake import Lake
from tasks.console import size
from tasks.report.flow import lake_option

COMMANDS = {"data_to_model": "run", "redecide": "refresh"}
"""The commands of flows that are called otherwise."""


def print_plan(plan: Plan, deleted: bool) -> None:
    """What goes, by stage, what is left over, and why the rest stays."""
    for name, one in plan.still_named.items():
        print(f"{name} still means {one.artifact}, which was superseded ({one.why}): it stays until the name moves on.")
    for artifact in plan.without_successor:
        print(f"{artifact} holds forgotten text, and nothing stands for it yet: forget again, or run its recipe.")
    told = plan_as_values(plan, deleted)
    for rows in ([one for one in told["goes"] if one["bytes"]], told["stays"]):
        _print_table(rows)
    if not plan.delete and not plan.bytes:
        print("Nothing to delete: something leads to every artifact.")
    elif deleted:
        print(f"Deleted: {size(plan.bytes)} are free.")
    else:
        print(f"Nothing was deleted. `gristmill gc --yes` with the same options frees {size(plan.bytes)}.")


def plan_as_values(plan: Plan, deleted: bool) -> dict[str, Any]:
    """The same as plain values, for a program; with the artifacts that go."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for artifact in sorted(plan.delete, key=lambda one: one.stage):
        sizes[artifact.stage].append(plan.graph.nodes[artifact].bytes)
    for one in sorted(plan.leftovers, key=lambda one: one.why):
        sizes[f"left over: {one.why}"].append(one.bytes)
    return {
        "deleted": deleted,
        "bytes": plan.bytes,
        "goes": [{"goes": said, "number": len(of), "bytes": sum(of)} for said, of in sizes.items()],
        "stays": [
            {"stays": why, "number": len(of), "bytes": plan.graph.bytes(of)} for why, of in plan.kept.items() if of
        ],
        "artifacts": sorted(f"{one.stage}/{one.fingerprint}" for one in plan.delete),
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    """Rows with columns of bytes; nothing where there are none."""
    if rows:
        write_rows(pa.Table.from_pylist(rows), Format.table, None, sizes=("bytes", "exclusive", "freed"))


def print_damages(lake: Lake, damages: list[Damage]) -> None:
    """What is damaged, and the command that makes each artifact again."""
    rows = [
        {"artifact": str(one.artifact) if one.artifact else None, "where": one.where, "what": one.what}
        for one in damages
    ]
    write_rows(pa.Table.from_pylist(rows), Format.table, None)
    print(f"{len(damages):,} {'damage' if len(damages) == 1 else 'damages'}.")
    for line in repairs(lake, damages):
        print(line)


def repairs(lake: Lake, damages: list[Damage]) -> list[str]:
    """What to do about damages, a sentence each."""
    inside = [one.artifact for one in damages if one.artifact and one.where not in (REGISTRY, LINEAGE)]
    gone = [one.artifact for one in damages if one.where == LINEAGE and one.artifact]
    gone += [one.artifact for one in damages if one.where == REGISTRY and one.artifact and not one.artifact.exists]
    said = [f"{one}: delete {one.folder}, then {_how_made(lake, one)}." for one in dict.fromkeys(inside)]
    said += [
        f"What is not there is made again: {made}." for made in dict.fromkeys(_how_made(lake, one) for one in gone)
    ]
    if any(one.where == REGISTRY for one in damages):
        said.append(
            f"The registry is made again from what is there: gristmill verify --rebuild{lake_option(lake.root)}"
        )
    return said + [f"{one.where}: {one.remedy}." for one in damages if one.remedy]


def _how_made(lake: Lake, artifact: Artifact) -> str:
    """The command of the newest run that used or made an artifact, and whose recipe is there, as a person types it."""
    named, gone = f"{artifact.stage}/{artifact.fingerprint}", None
    for about in reversed(runs.all_runs(lake, whole=True)):
        if named in about["artifacts"]:
            given = about["parameters"]
            if "recipe" not in given:
                break
            if not _is_there(given["recipe"]):
                gone = gone or given["recipe"]
                continue
            sets = "".join(f" --set {shlex.quote(one)}" for one in given.get("settings", []))
            command = COMMANDS.get(about["flow"], about["flow"])
            return f"gristmill {command} {shlex.quote(given['recipe'])}{sets}{lake_option(lake.root)}"
    why = f"its recipe {gone} is not there, seen from here" if gone else "no run that is known lists it"
    return f"run again what made it ({why})"


def _is_there(recipe: str) -> bool:
    """Whether a recipe can still be read: a file, or one that ships with Gristmill."""
    try:
        find_recipe(recipe)
    except RecipeError:
        return False
    return True


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
    for by, of in parts.items():
        rows = [asdict(one) for one in of]
        _print_table([{by if key in ("stage", "name") else key: value for key, value in row.items()} for row in rows])
    _print_table([{"beside artifacts": name, "bytes": count} for name, count in used.beside.items()])
    total = sum(one.bytes for one in used.stages)
    print(f"{size(total)} in artifacts; `gristmill gc` with the same options would free {size(used.freed)}.")
