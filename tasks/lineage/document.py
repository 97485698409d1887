"""What the lake knows of one document beyond its scores: decisions rule by rule, cluster, corpora, tokens, readers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import duckdb

from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from tasks.lineage.limits import check_document

ID_LENGTH = 32
SHORTEST_PREFIX = 6
MOST_FOUND = 50
MOST_MEMBERS = 50
PORTS = {"http": ":80", "https": ":443"}
DECIDED = "kept, dropped_by, failed, cluster, cluster_size, kept_as, jaccard, split"


@dataclass(frozen=True)
class Found:
    """A document that was asked for."""

    doc_id: str
    url: str | None
    source: str
    captured: str | None


def find_documents(connection: duckdb.DuckDBPyConnection, asked: str) -> list[Found]:
    """The documents of a URL (in any of its `spellings`), a doc_id or the start of one, the newest capture first."""
    hexadecimal = all(sign in "0123456789abcdef" for sign in asked)
    by_id = hexadecimal and SHORTEST_PREFIX <= len(asked) <= ID_LENGTH
    where = "starts_with(doc_id, $asked)" if by_id else "list_contains($urls, url)"
    rows = connection.execute(
        f"""select distinct doc_id, url, source, strftime(capture_date, '%Y-%m-%d %H:%M:%S'), capture_date
        from extract where {where} order by capture_date desc nulls last, doc_id limit {MOST_FOUND}""",
        {"asked": asked} if by_id else {"urls": spellings(asked)},
    ).fetchall()
    return [Found(*row[:4]) for row in rows]


def spellings(url: str) -> list[str]:
    """Ways of writing the same URL: host in lower case, no fragment, no usual port, with and without the last slash,
    http and https."""
    try:
        parts = urlsplit(url if "//" in url else f"https://{url}")
        if not parts.hostname:
            return [url]
    except ValueError:
        return [url]
    host = parts.netloc.lower().removesuffix(PORTS.get(parts.scheme.lower(), ""))
    paths = {parts.path, parts.path.rstrip("/"), parts.path.rstrip("/") + "/"}
    found = {
        urlunsplit((scheme, host, path, parts.query, ""))
        for scheme in {parts.scheme.lower(), "http", "https"}
        for path in paths
    }
    return [url, *sorted(found - {url})]


def path_of(lake: Lake, connection: duckdb.DuckDBPyConnection, doc_id: str) -> dict[str, Any]:
    """Decisions, corpora, token spans and readers of one document, as plain values."""
    artifacts = lake.artifacts()
    tokens = [span for one in artifacts if one.manifest.kind == "tokens" for span in _tokens(connection, one, doc_id)]
    corpora = [
        held for one in artifacts if one.manifest.kind == "corpus" for held in _held(lake, connection, one, doc_id)
    ]
    decided = [
        told
        for one in artifacts
        if one.manifest.kind == "decisions"
        for told in _decided(lake, connection, one, doc_id)
    ]
    return {
        "decisions": decided[::-1],
        "corpora": corpora,
        "tokens": tokens,
        "models": readers(lake, connection, doc_id),
    }


def _rows(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Any], columns: str, where: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rows of Parquet files, as mappings. The columns are named, so that no text is read."""
    if not files:
        return []
    found = connection.execute(
        f"select {columns} from read_parquet($files, union_by_name = true) where {where}",
        {"files": [str(path) for path in files]} | values,
    )
    listed = [one[0] for one in found.description]
    return [dict(zip(listed, row, strict=True)) for row in found.fetchall()]


def _decided(
    lake: Lake, connection: duckdb.DuckDBPyConnection, decisions: Artifact, doc_id: str
) -> list[dict[str, Any]]:
    asked = {"doc_id": doc_id}
    told = _rows(connection, decisions.paths(), f"source, {DECIDED}", "doc_id = $doc_id", asked)
    if not told:
        return []
    (decision,) = told
    files = [path for one in decisions.inputs("documents") for path in one.paths()]
    known: dict[str, Any] = {"source": decision.pop("source")}
    for annotation in decisions.inputs("annotations"):
        hidden = "exclude (signature, buckets)" if annotation.stage == "sign" else ""
        for row in _rows(connection, annotation.paths(), f"* {hidden}", "doc_id = $doc_id", asked):
            known = row | known
    for row in _rows(connection, files, "* exclude (text)", "doc_id = $doc_id", asked):
        known = row | known
    rules = [asdict(one) for one in check_document(decisions.manifest.identity.config, known)]
    for rule in rules:
        rule["drops"] = rule["rule"] in decision["failed"]
    members = []
    if decision["cluster"] and decision["cluster_size"] > 1:
        members = _rows(
            connection,
            decisions.paths(),
            "doc_id, kept, dropped_by, kept_as, jaccard",
            f"cluster = $cluster order by kept desc, doc_id limit {MOST_MEMBERS}",
            {"cluster": decision["cluster"]},
        )
        ids = {"ids": [one["doc_id"] for one in members]}
        urls = {
            one["doc_id"]: one
            for one in _rows(connection, files, "doc_id, url, capture_date", "list_contains($ids, doc_id)", ids)
        }
        for member in members:
            member["url"] = urls.get(member["doc_id"], {}).get("url")
            member["why"] = _why(member)
    about = {"artifact": f"{decisions.stage}/{decisions.fingerprint}"}
    return [about | decision | {"rules": rules, "members": members}]


def _why(member: dict[str, Any]) -> str:
    """Why a member of a cluster stays or goes."""
    if member["kept"]:
        return "stays: the first seen of those that pass every other rule"
    if member["dropped_by"] == "duplicates.exact":
        return f"goes: the same text as {member['kept_as']}"
    return f"goes: near copy of {member['kept_as']}, Jaccard {member['jaccard']:.3f}"


def names_of(lake: Lake, artifact: Artifact) -> list[str]:
    """Every name that an artifact has or had, with its number: sample/corpus@3."""
    return [
        f"{name}@{number}"
        for name in names.all_names(lake)
        for number, named, _ in names.history(lake, name)
        if named.fingerprint == artifact.fingerprint
    ]


def _held(lake: Lake, connection: duckdb.DuckDBPyConnection, corpus: Artifact, doc_id: str) -> list[dict[str, Any]]:
    found = _rows(connection, corpus.paths(), "split, copies", "doc_id = $doc_id", {"doc_id": doc_id})
    about = {"artifact": f"{corpus.stage}/{corpus.fingerprint}", "names": names_of(lake, corpus)}
    return [about | one for one in found]


def _tokens(connection: duckdb.DuckDBPyConnection, tokens: Artifact, doc_id: str) -> list[dict[str, Any]]:
    found = _rows(connection, tokens.paths(), "shard, start, length", "doc_id = $doc_id", {"doc_id": doc_id})
    return [{"artifact": f"{tokens.stage}/{tokens.fingerprint}"} | one for one in found]


def readers(lake: Lake, connection: duckdb.DuckDBPyConnection, doc_id: str) -> list[dict[str, Any]]:
    """The models that read a document: a base by its steps and rows, a tuned one through its base."""
    found = connection.execute(
        """select fingerprint, step, place, row, position, shard, start, length from training_rows
        where doc_id = $1 order by fingerprint, step, place, position""",
        [doc_id],
    ).fetchall()
    keys = ("step", "place", "row", "position", "shard", "start", "length")
    reads: dict[str, list[dict[str, Any]]] = {}
    for fingerprint, *values in found:
        reads.setdefault(fingerprint, []).append(dict(zip(keys, values, strict=True)))
    told = []
    for model in lake.artifacts(kind="model"):
        base = model
        while parents := base.inputs("model"):
            (base,) = parents
        if base.fingerprint in reads:
            about = {"artifact": f"{model.stage}/{model.fingerprint}", "names": names_of(lake, model)}
            own = (
                {"reads": reads[model.fingerprint]}
                if model == base
                else {"through": f"{base.stage}/{base.fingerprint}"}
            )
            told.append(about | own)
    return told
