"""Two corpora side by side: what each holds, which documents came and went, by which rule, and what was configured
otherwise."""

from collections.abc import Iterator
from typing import Any

import duckdb

from storage.artifact import Artifact, flatten
from storage.statements import Refused

SAMPLE_CHARACTERS = 240
MOST_GROUPS = 20
DOMAIN = "lower(regexp_extract(url, '^[a-z]+://(?:[^/@]*@)?(?:www[.])?([^/:?#]+)', 1))"
GROUPED = {"source": "source", "language": "language", "domain": DOMAIN}
NOT_READ = "not read"
NOT_CHOSEN = "not chosen by the mixture"


def compare_corpora(first: Artifact, second: Artifact, samples: int = 10, seed: int = 0) -> dict[str, Any]:
    """Everything that differs, as plain values. `seed`: of which documents are shown.

    Raises: Refused where one of the two is no corpus.
    """
    for one in (first, second):
        if one.manifest.kind != "corpus":
            raise Refused(
                f"{one} is no corpus but of the kind {one.manifest.kind}. `gristmill artifacts compose` lists them."
            )
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '2GB'")
        for name, corpus in (("a", first), ("b", second)):
            columns = "doc_id, source, language, url, copies, text_bytes"
            _view(connection, name, corpus, columns)
            _view(connection, f"decided_{name}", corpus.input("decisions"), "doc_id, kept, dropped_by")
        sides = {"out": ("a", "b", first), "in": ("b", "a", second)}
        return {
            "a": _said(connection, "a", first),
            "b": _said(connection, "b", second),
            "both": _one(connection, "select count(*) from a semi join b using (doc_id)"),
            "groups": {name: _groups(connection, sql) for name, sql in GROUPED.items()},
            "moves": {side: _moves(connection, here, there) for side, (here, there, _) in sides.items()},
            "samples": {
                side: _samples(connection, here, there, corpus, samples, seed) if samples else []
                for side, (here, there, corpus) in sides.items()
            },
            "configuration": list(configured_otherwise(first, second)),
        }


def _view(connection: duckdb.DuckDBPyConnection, name: str, artifact: Artifact, columns: str) -> None:
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in artifact.paths())
    connection.execute(f"create table {name} as select {columns} from read_parquet([{files}], union_by_name = true)")


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _said(connection: duckdb.DuckDBPyConnection, name: str, corpus: Artifact) -> dict[str, Any]:
    counted = connection.execute(f"select count(*), coalesce(sum(text_bytes), 0)::bigint from {name}").fetchone()
    documents, size = counted if counted else (0, 0)
    return {"artifact": f"{corpus.stage}/{corpus.fingerprint}", "documents": documents, "bytes": size}


def _groups(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Documents of each side by group, those that came and those that went; the groups that moved most first."""
    rows = connection.execute(
        f"""with both_sides as (
            select coalesce(nullif(key, ''), 'unknown') as key, doc_id, in_a, in_b from (
                select {sql} as key, doc_id, true as in_a, doc_id in (select doc_id from b) as in_b from a
                union all
                select {sql} as key, doc_id, false, true from b where doc_id not in (select doc_id from a)
            )
        )
        select key, count(*) filter (in_a), count(*) filter (in_b), count(*) filter (in_a and not in_b) as went,
            count(*) filter (in_b and not in_a) as came
        from both_sides group by key order by went + came desc, count(*) desc, key limit {MOST_GROUPS}"""
    ).fetchall()
    return [dict(zip(("name", "a", "b", "out", "in"), row, strict=True)) for row in rows]


def _moves(connection: duckdb.DuckDBPyConnection, here: str, there: str) -> list[dict[str, Any]]:
    """Why the documents of one side are not on the other, by rule."""
    rows = connection.execute(
        f"""select {_reason(there)} as rule, count(*) as documents from {here} mine
        left join decided_{there} theirs using (doc_id)
        where doc_id not in (select doc_id from {there}) group by rule order by documents desc, rule"""
    ).fetchall()
    return [{"rule": rule, "documents": documents} for rule, documents in rows]


def _reason(there: str) -> str:
    return f"case when theirs.kept is null then '{NOT_READ}' else coalesce(theirs.dropped_by, '{NOT_CHOSEN}') end"


def _samples(
    connection: duckdb.DuckDBPyConnection, here: str, there: str, corpus: Artifact, count: int, seed: int
) -> list[dict[str, Any]]:
    """Some documents of one side that are not on the other, in the order of a seeded hash, with the start of each
    text."""
    chosen = connection.execute(
        f"""select doc_id, source, url, {_reason(there)} as rule from {here} mine
        left join decided_{there} theirs using (doc_id) where doc_id not in (select doc_id from {there})
        order by md5($1 || doc_id), doc_id limit $2""",
        [f"{seed} ", count],
    ).fetchall()
    texts = dict(
        connection.execute(
            f"""select doc_id, left(text, {SAMPLE_CHARACTERS}) from read_parquet($1, union_by_name = true)
            where list_contains($2, doc_id)""",
            [[str(path) for path in corpus.paths()], [row[0] for row in chosen]],
        ).fetchall()
    )
    keys = ("doc_id", "source", "url", "rule")
    return [dict(zip(keys, row, strict=True)) | {"text": texts[row[0]]} for row in chosen]


def configured_otherwise(first: Artifact, second: Artifact) -> Iterator[dict[str, Any]]:
    """Configuration fields, by stage, that differ between what two artifacts were made by."""
    before, after = _configurations(first), _configurations(second)
    for stage in dict.fromkeys([*before, *after]):
        old, new = before.get(stage, {}), after.get(stage, {})
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                yield {"stage": stage, "field": key, "a": old.get(key), "b": new.get(key)}


def _configurations(artifact: Artifact) -> dict[str, dict[str, list[Any]]]:
    """Of each stage that an artifact was made by, the values of each field and the version, over all its artifacts."""
    found: dict[str, dict[str, list[Any]]] = {}
    waiting, seen = [artifact], {artifact.fingerprint}
    while waiting:
        one = waiting.pop(0)
        identity = one.manifest.identity
        of_stage = found.setdefault(one.stage, {})
        for key, value in {"version": identity.version, **flatten(identity.config)}.items():
            values = of_stage.setdefault(key, [])
            if value not in values:
                values.append(value)
        for inner in one.inputs():
            if inner.fingerprint not in seen:
                seen.add(inner.fingerprint)
                waiting.append(inner)
    for of_stage in found.values():
        for values in of_stage.values():
            values.sort(key=repr)
    return found
