"""What `gc`, `verify` and `du` found, as tables and sentences."""

from collections import defaultdict

import pyarrow as pa

from flows.cli.rows import Format, write_rows
from storage.gc import Plan


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
    by_stage: dict[str, list[int]] = defaultdict(list)
    for artifact in plan.delete:
        by_stage[artifact.stage].append(plan.graph.nodes[artifact].bytes)
    goes = [{"goes": stage, "artifacts": len(of), "bytes": sum(of)} for stage, of in sorted(by_stage.items())]
    why: dict[str, list[int]] = defaultdict(list)
    for one in plan.leftovers:
        why[f"left over: {one.why}"].append(one.bytes)
    goes += [{"goes": said, "artifacts": len(of), "bytes": sum(of)} for said, of in sorted(why.items())]
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
