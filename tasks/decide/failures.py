"""Evaluates every rule on every document: one join of all scores in DuckDB, in bounded memory, without the text."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.schemas.documents import FORGOTTEN
from tasks.decide.predicates import PredicateError, literal, quoted
from tasks.decide.rule_group import limit_name
from tasks.decide.rules import DecideConfig, Rule, check_rules, compile_rules, percentiles
from tasks.extract.reasons import SKIPPED

EXCLUDED = "source.excluded"
TEXT_MISSING = "extract.text_missing"
EMPTIED = "edits.emptied"
BLOCKED = "urls.blocked"
TOMBSTONE = "forget.tombstone"
LOST = ".lost"
"""How the reason ends that a stage could not finish a document."""
UNDATED = np.iinfo(np.int64).max  # seen after all that have a date
PLACED = {"sign": "signature", "embed": "embedding"}
"""Columns that are read from their files afterwards, by row, under the names of where they lie."""
# What no rule can read: the text, because scores decide, and lists of hashes, which say nothing by themselves.
UNRULED = frozenset({"text", "signature", "buckets", "lines", "paragraphs", "anchors"})


class DecideError(ValueError):
    """Inputs that no decision can be made from: what does not fit, and what to do."""


@dataclass(frozen=True)
class Failures:
    """What each document failed.

    `documents`: sorted by doc_id, with source, content_hash, `seen` (capture date in microseconds, the largest number
    if there is none), `sign_file` and `sign_row` (where the signature lies in the files of `signed_by`),
    `embed_file` and `embed_row` (the same of an embedding and `embedded_by`, where there is one), and what the
    rules of duplicates read, each column under `read_NAME`. `reasons`: the names of all rules, in order.
    `failed`: (documents, reasons) bool.
    """

    documents: pa.Table
    reasons: tuple[str, ...]
    failed: np.ndarray
    signed_by: str
    embedded_by: str | None = None

    def passing(self) -> np.ndarray:
        """Whether each document passes all of it, (documents,) bool."""
        return ~np.asarray(self.failed.any(axis=1))

    def before_rules(self, after: Collection[str]) -> np.ndarray:
        """Whether each has a text to look at, and fails none of these groups and rules, (documents,) bool."""
        looked_at = [
            number
            for number, name in enumerate(self.reasons)
            for group in [name.split(".")[0]]
            if name in (EXCLUDED, TEXT_MISSING, TOMBSTONE, *after)
            or group in after
            or (name.endswith(LOST) and group != "rules")
        ]
        fails = np.asarray(self.failed[:, looked_at].any(axis=1))
        return ~fails & self.documents.column("content_hash").is_valid().to_numpy()


def find_failures(
    documents: Sequence[str],
    annotations: Mapping[str, Sequence[str]],
    config: DecideConfig,
    tombstones: Sequence[str],
    lost: Mapping[str, Sequence[str]],
    threads: int,
    memory_limit: str,
    folder: Path | None = None,
) -> Failures:
    """All rules but those of duplicates, evaluated. Arguments and errors: as of `decisions.decide_documents`."""
    rules = compile_rules(config)
    with tempfile.TemporaryDirectory(prefix="gristmill-decide-", dir=folder) as spill, duckdb.connect() as connection:
        connection.execute("SET threads = ?", [threads])
        connection.execute("SET memory_limit = ?", [memory_limit])
        connection.execute("SET temp_directory = ?", [spill])
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET TimeZone = 'UTC'")
        columns = _open(connection, documents, annotations)
        check_rules(
            config,
            {"doc_id": "VARCHAR", **{name: kind for name, (_, kind) in columns.items() if name not in UNRULED}},
        )
        _check_rows(connection, annotations)
        if columns.get("emptied", ("",))[0] == "edits":
            rules = [Rule(EMPTIED, quoted("emptied")), *rules]
        # In an order that does not depend on the order of the inputs.
        marks = {**{_lost_by(stage): lost[stage] for stage in sorted(lost)}, TOMBSTONE: tombstones}
        rows, reasons, failed = _score(
            connection,
            annotations,
            columns,
            config.excluded,
            rules,
            marks,
            percentiles(config),
            config.duplicates.columns(),
        )
    return Failures(rows, reasons, failed, columns["signature"][0], columns.get("embedding", (None,))[0])


def _lost_by(stage: str) -> str:
    return f"{stage}{LOST}"


def _open(
    connection: duckdb.DuckDBPyConnection, documents: Sequence[str], annotations: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, str]]:
    """Make a view of each input. Returns: the input and the DuckDB type of each column."""
    columns: dict[str, tuple[str, str]] = {}
    for name, paths in {"documents": documents, **annotations}.items():
        if not paths:
            raise DecideError(f"decide was given no file of {name}: it needs one row of it for each document.")
        files = f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"
        found = connection.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()
        # Where a document's signature, or embedding, lies: which file, which row of it.
        place = "".join(
            f", file_index AS {kind}_file, file_row_number AS {kind}_row"
            for kind, needed in PLACED.items()
            if needed in [row[0] for row in found]
        )
        connection.execute(f"CREATE VIEW {quoted(f'input_{name}')} AS SELECT *{place} FROM {files}")
        for column_name, kind, *_ in found:
            if column_name == "doc_id":
                continue
            if column_name in columns:
                raise DecideError(
                    f"Both {columns[column_name][0]} and {name} have a column {column_name}: "
                    "a rule could not tell which it reads. Rename one."
                )
            columns[column_name] = (name, kind)
    for needed in ("source", "capture_date"):
        if columns.get(needed, ("", ""))[0] != "documents":
            raise DecideError(f"The documents have no column {needed}, which decide needs.")
    for needed in ("content_hash", "signature", "buckets"):
        if needed not in columns:
            raise DecideError(f"No annotation has the column {needed}: decide needs the sign stage's output.")
    return columns


def _check_rows(connection: duckdb.DuckDBPyConnection, annotations: Mapping[str, Sequence[str]]) -> None:
    """Raises: DecideError where an annotation of more rows than documents repeats a doc_id.

    One of as many rows as there are documents repeats one only if another is missing, which the join finds.
    """
    ((n,),) = connection.execute("SELECT count(*) FROM input_documents").fetchall()
    for name in annotations:
        ((rows,),) = connection.execute(f"SELECT count(*) FROM {quoted(f'input_{name}')}").fetchall()
        if rows > n:
            _check_repeats(connection, name)


def _check_repeats(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Raises: DecideError where an input has several rows of one document."""
    ((repeated, example),) = connection.execute(
        "SELECT count(*), min(doc_id) FROM "
        f"(SELECT doc_id FROM {quoted(f'input_{name}')} GROUP BY doc_id HAVING count(*) > 1)"
    ).fetchall()
    if repeated:
        raise DecideError(
            f"{name} has more than one row for {repeated} documents, such as {example}: give each snapshot once."
        )


def _check_matches(result: pa.Table, annotations: Mapping[str, Sequence[str]]) -> None:
    """Raises: DecideError where a document has no row in an annotation."""
    for number, name in enumerate(annotations):
        missing = result.filter(pc.field(f"found_{number}") == pc.scalar(False)).column("doc_id").to_pylist()
        if missing:
            raise DecideError(
                f"{name} has no row for {len(missing)} documents, such as {min(missing)}: "
                "annotate the same snapshots that are decided."
            )


def _score(
    connection: duckdb.DuckDBPyConnection,
    annotations: Mapping[str, Sequence[str]],
    columns: Mapping[str, tuple[str, str]],
    excluded: Sequence[str],
    rules: Sequence[Rule],
    marks: Mapping[str, Sequence[str]],
    limits: Sequence[tuple[str, float]],
    carried: Collection[str],
) -> tuple[pa.Table, tuple[str, ...], np.ndarray]:
    """Evaluate all rules, some of which are compared with `limits` (column, percentile) of a source and language.

    Returns: the documents sorted by doc_id, with the `carried` columns, the names of all reasons, and (documents,
    reasons) bool: what each failed.
    """
    joins = []
    found = []
    for number, name in enumerate(annotations):
        view = quoted(f"input_{name}")
        joins.append(f"LEFT JOIN {view} USING (doc_id)")
        found.append(f"{view}.doc_id IS NOT NULL AS found_{number}")
    found_marks = []
    for number, ids in enumerate(marks.values()):
        connection.register(f"marked_{number}", pa.table({"doc_id": pa.array(sorted(set(ids)), type=pa.string())}))
        joins.append(f"LEFT JOIN (SELECT doc_id, true AS mark_{number} FROM marked_{number}) USING (doc_id)")
        found_marks.append(f"coalesce(mark_{number}, false)")
    # A column by its bare name must be the one of its own input, so rules see a subquery with nothing else in it.
    # No hash: there is no text, or the stage that hashes it lost the document.
    unhashed = dict(zip(marks, found_marks, strict=True)).get(_lost_by(columns["content_hash"][0]), "false")
    extracted = "extractor" in columns
    skipped = f"coalesce(extractor = {literal(SKIPPED)}, false)" if extracted else "false"
    forgotten = found_marks[list(marks).index(TOMBSTONE)]
    forgotten = f"({forgotten} OR coalesce(extractor = {literal(FORGOTTEN)}, false))" if extracted else forgotten
    textless = f"content_hash IS NULL AND NOT {unhashed}"
    reasons = {EXCLUDED: f"source IN ({', '.join(map(literal, sorted(excluded)))})"} if excluded else {}
    reasons |= {TEXT_MISSING: f"{textless} AND NOT {skipped}", **dict(zip(marks, found_marks, strict=True))}
    reasons |= {rule.name: f"coalesce((\n{rule.drop_when}\n), false)" for rule in rules}
    # A text that was never extracted can't stay, whether the recipe still drops by the list or not.
    reasons[BLOCKED] = f"({textless} AND {skipped}) OR {reasons.get(BLOCKED, 'false')}"
    # What was said of a text before it was forgotten counts for nothing: the same as if it had never been read.
    reasons = {name: f"(({reason}) AND NOT {forgotten})" for name, reason in reasons.items()} | {TOMBSTONE: forgotten}
    taken = [name for name in columns if name not in UNRULED]
    limited = _limits(joins, limits, forgotten)
    if limited:
        joins.append(f"LEFT JOIN ({limited}) ON source = limit_source AND language IS NOT DISTINCT FROM limit_language")
    placed = [kind for kind, needed in PLACED.items() if needed in columns]
    places = [f"{kind}_{what}" for kind in placed for what in ("file", "row")]
    query = (
        f"SELECT doc_id, source, if({forgotten}, NULL, content_hash) AS content_hash, {', '.join(places)}, "
        f"coalesce(epoch_us(capture_date), {UNDATED}) AS seen, "
        + "".join(f"{quoted(name)} AS {quoted(f'read_{name}')}, " for name in carried)
        + ", ".join(f"found_{number}" for number in range(len(found)))
        + "".join(f", {reason} AS failed_{number}" for number, reason in enumerate(reasons.values()))
        + f" FROM (SELECT doc_id, {', '.join(places)}, {', '.join(found)}"
        + "".join(f", {name}" for name in [*(f"mark_{number}" for number in range(len(marks))), *map(quoted, taken)])
        + "".join(f", {quoted(limit_name(*limit))}" for limit in limits)
        + f" FROM input_documents {' '.join(joins)})"
    )
    try:
        result = connection.sql(query).to_arrow_table()
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
        raise PredicateError(
            f"A rule under decide.rules cannot be computed for some document: {str(error).splitlines()[0]} "
            "Guard it, as with try_cast."
        ) from error
    _check_matches(result, annotations)
    # Sorted here and not by DuckDB, which would carry fifty columns through it (2 s more for a million documents).
    order = pc.call_function("sort_indices", [result.column("doc_id")], pc.SortOptions([("doc_id", "ascending")]))
    failed = np.empty((result.num_rows, len(reasons)), dtype=bool)
    for number in range(len(reasons)):
        failed[:, number] = result.column(f"failed_{number}").to_numpy()
    taken = ["doc_id", "source", "content_hash", "seen", *places, *(f"read_{name}" for name in carried)]
    rows = result.select(taken).combine_chunks().take(order)
    doc_id = rows.column("doc_id")
    if pc.call_function("any", [pc.call_function("equal", [doc_id[1:], doc_id[:-1]])]).as_py():
        for name in ("documents", *annotations):
            _check_repeats(connection, name)
    return rows, tuple(reasons), failed[order.to_numpy()]


def _limits(joins: Sequence[str], limits: Sequence[tuple[str, float]], forgotten: str) -> str | None:
    """A query for the percentiles of each source and language, if any are asked for: exact, whatever the order."""
    if not limits:
        return None
    found = ", ".join(
        f"quantile_disc({quoted(column)}, {percentile!r}) AS {quoted(limit_name(column, percentile))}"
        for column, percentile in limits
    )
    return (
        f"SELECT source AS limit_source, language AS limit_language, {found} "
        f"FROM input_documents {' '.join(joins)} WHERE NOT {forgotten} GROUP BY ALL"
    )
