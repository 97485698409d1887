"""The members of a cluster of duplicates: how alike they are, who stays, and why, by the recipe's policy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb

from storage.artifact import Artifact
from tasks.lineage.find import Listed, limited
from tasks.lineage.values import values_of

STAYS = {
    "first_seen": "none was captured before it ({value})",
    "newest": "none was captured after it ({value})",
    "longest": "none is longer ({value} bytes of text)",
    "best": "none has more {column} ({value})",
}
"""Why one stays, by the policy `duplicates.keep`."""
FOUND = {
    "exact": "another has the same text",
    "url": "another has the same canonical URL",
    "near": "near another by its buckets",
    "simhash": "near another by its simhash",
    "semantic": "near another by its embedding",
}
"""By which kind a copy is connected with one that is before it."""


def read_members(
    connection: duckdb.DuckDBPyConnection, decisions: Artifact, cluster: str, asked: str, most: int | None
) -> Listed[dict[str, Any]]:
    """The members of a cluster: who stays, the document that is `asked` about, then others by their doc_id."""
    rows = connection.execute(
        f"""select doc_id, kept, dropped_by, kept_as, jaccard, content_hash, count(*) over () as total
        from read_parquet($files, union_by_name = true) where cluster = $cluster
        order by kept_as is null desc, doc_id = $asked desc, doc_id {limited(most)}""",
        {"files": [str(path) for path in decisions.paths()], "cluster": cluster, "asked": asked},
    )
    names = [one[0] for one in rows.description]
    members = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    total = members[0]["total"] if members else 0
    rules = decisions.manifest.identity.config.get("duplicates") or {}
    wanted = {name: None for name in ("url", "capture_date", "text_bytes", rules.get("keep_by")) if name}
    values = values_of(decisions, [one["doc_id"] for one in members], wanted)
    hashes = {one["doc_id"]: one["content_hash"] for one in members}
    told = []
    for one in members:
        about = values.get(one["doc_id"], {})
        same = hashes[one["doc_id"]] is not None and hashes[one["doc_id"]] == hashes.get(one["kept_as"])
        shown = {name: one[name] for name in ("doc_id", "kept", "dropped_by", "kept_as", "jaccard")}
        told.append(shown | {"url": about.get("url"), "why": _why(one, about, rules, same)})
    return Listed(told, total)


def _why(member: Mapping[str, Any], about: Mapping[str, Any], rules: Mapping[str, Any], same: bool) -> str:
    """Why a member stays or goes. `same`: it has the text of the one that stays."""
    if member["kept_as"] is None:
        stays = _stays(about, rules)
        return f"stays: {stays}" if member["kept"] else f"stood for all, and goes by {member['dropped_by']}: {stays}"
    group, _, kind = member["dropped_by"].partition(".")
    found = FOUND[kind] if group == "duplicates" else member["dropped_by"]
    stays = member["kept_as"]
    if same:
        return f"goes: the same text as {stays}, which stays"
    alike = ""
    if member["jaccard"] is not None:
        measured = "Jaccard" if rules.get("min_exact_jaccard") is not None else "estimated Jaccard"
        alike = f", {measured} {member['jaccard']:.3f}"
    return f"goes: {found}; {stays} stays{alike}"


def _stays(about: Mapping[str, Any], rules: Mapping[str, Any]) -> str:
    policy = rules.get("keep", "first_seen")
    column = {"longest": "text_bytes", "best": rules.get("keep_by")}.get(policy) or "capture_date"
    value = about.get(column)
    if value is None:
        return f"none has a {column}, and of those that were captured first its doc_id is the smallest"
    return STAYS[policy].format(value=_shown(value), column=column)


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
