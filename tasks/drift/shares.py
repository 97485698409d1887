"""Shares of a new snapshot beside those of the earlier ones: what passes, what drops, what is lost, which languages.

All is counted by DuckDB from columns that are there: no text is read. What is forgotten counts on neither side: that
somebody forgot it says nothing of its source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from storage.schemas.documents import FORGOTTEN
from tasks.drift.chance import tail
from tasks.drift.config import DriftConfig

_IN_URL = r"^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?([^/:?#]+)"
HOST = rf"lower(regexp_replace(regexp_extract(url, '{_IN_URL}', 1), '^www\.', ''))"
"""SQL for the host of a column `url`, without www; empty where there is none."""


@dataclass(frozen=True)
class Files:
    """The Parquet files of some artifacts of documents: their rows and their losses."""

    documents: Sequence[str]
    losses: Sequence[str]


@dataclass(frozen=True)
class Share:
    """A share of the new snapshot and the same share of the earlier ones."""

    source: str
    metric: str
    scope: str
    name: str
    what: str | None
    count: int
    of: int
    known_count: int
    known_of: int

    @property
    def value(self) -> float:
        """The share now."""
        return self.count / self.of

    @property
    def expected(self) -> float:
        """The share before."""
        return self.known_count / self.known_of


def compare(
    new: Files,
    known: Files,
    decisions: Sequence[str],
    languages: Sequence[str],
    config: DriftConfig,
    threads: int = 2,
    memory_limit: str = "2GB",
) -> list[Share]:
    """Every share that is large enough to be compared, sorted."""
    with duckdb.connect() as connection:
        connection.execute(
            f"set threads = {threads}; set memory_limit = '{memory_limit}'; set preserve_insertion_order = false"
        )
        _read(connection, new, known, decisions, languages)
        rows = connection.execute(_SHARES, {"least": config.min_documents}).fetchall()
    return sorted(
        (Share(*row) for row in rows), key=lambda one: (one.source, one.metric, one.scope, one.name, one.what or "")
    )


def _read(
    connection: duckdb.DuckDBPyConnection,
    new: Files,
    known: Files,
    decisions: Sequence[str],
    languages: Sequence[str],
) -> None:
    def union(columns: str, table: str) -> tuple[str, dict[str, Any]]:
        named = {side: list(getattr(files, table)) for side, files in (("new", new), ("known", known))}
        selects = (
            f"select {side == 'new'} as is_new, {columns} from read_parquet(${side}, union_by_name = true)"
            for side, paths in named.items()
            if paths
        )
        return " union all ".join(selects), {side: paths for side, paths in named.items() if paths}

    query, named = union(f"doc_id, source, nullif({HOST}, '') as domain, text_bytes, extractor", "documents")
    language = "select null::varchar as doc_id, null::varchar as language where false"
    if languages:
        language, named["languages"] = "select doc_id, language from read_parquet($languages)", list(languages)
    connection.execute(
        f"""create temp table documents as
        select d.*, l.language, c.cluster is not null as passes, c.kept_as is not null as copy,
            if(c.cluster is null, c.dropped_by, null) as rule
        from ({query}) d join read_parquet($decisions) c using (doc_id) left join ({language}) l using (doc_id)
        where d.extractor is distinct from $forgotten""",
        named | {"decisions": list(decisions), "forgotten": FORGOTTEN},
    )
    query, named = union("source, reason", "losses")
    query = query or "select false as is_new, null::varchar as source, null::varchar as reason where false"
    connection.execute(f"create temp table losses as {query}", named)


_SHARES = """
with parts as (
    select is_new, source, unnest([
        {'scope': 'source', 'name': source}, {'scope': 'domain', 'name': domain},
        {'scope': 'language', 'name': language}
    ], recursive := true), passes, copy, rule from documents
), middle as (
    select source, median(text_bytes) as bytes from documents where not is_new and text_bytes is not null group by all
), seen as (
    -- what is a whole, one row each, and whether it counts, or as what
    select is_new, source, 'yield' as metric, scope, name, null as what, passes as counts from parts
    union all select is_new, source, 'drops', scope, name, rule, rule is not null from parts
    union all select is_new, source, 'copies', 'source', source, null, copy from documents
    union all select is_new, source, 'short', 'source', source, null, text_bytes < bytes
        from documents join middle using (source) where text_bytes is not null
    union all select is_new, source, 'language', 'source', source, language, true
        from documents where language is not null
    union all select is_new, source, 'losses', 'source', source, null, false from documents
    union all select is_new, source, 'losses', 'source', source, reason, true from losses
), wholes as (
    select is_new, source, metric, scope, name, count(*) as n from seen where name is not null
    group by all having n >= $least
), counted as (
    select is_new, source, metric, scope, name, what, count(*) filter (counts) as n from seen
    where counts or metric in ('yield', 'copies', 'short') group by all
)
select source, metric, scope, name, new.what, new.n, whole.n, coalesce(known.n, 0), before.n
from (from counted where is_new) new
join (from wholes where is_new) whole using (source, metric, scope, name)
join (from wholes where not is_new) before using (source, metric, scope, name)
left join (from counted where not is_new) known
    on (known.source, known.metric, known.scope, known.name) = (new.source, new.metric, new.scope, new.name)
    and known.what is not distinct from new.what
"""


def limit(share: Share, config: DriftConfig) -> float:
    """The share past which this one is a warning."""
    if share.metric == "yield":
        return share.expected * config.min_yield
    rises = {
        "drops": config.max_drop_rise,
        "copies": config.max_copies_rise,
        "losses": config.max_loss_rise,
        "short": config.max_short_rise,
        "language": config.max_language_rise,
    }
    return min(1.0, share.expected + rises[share.metric])


def judge(shares: Sequence[Share], config: DriftConfig) -> list[tuple[Share, float, float]]:
    """Those that are past their limits and past chance: (share, limit, p).

    The level of the test is divided by the number of shares given: give all of one snapshot.
    """
    found = []
    for share in shares:
        most = limit(share, config)
        if share.metric == "yield":
            past, failing = share.value < most, (share.of - share.count, share.known_of - share.known_count)
        else:
            past, failing = share.value > most, (share.count, share.known_count)
        if past and (p := tail(failing[0], share.of, failing[1], share.known_of)) < config.significance / len(shares):
            found.append((share, most, p))
    return found
