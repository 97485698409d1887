"""Phrases that burst: n-grams of words that a new snapshot holds on many domains, and the earlier ones hardly held.

Which n-grams are common now and were rare before is asked of the hashed counts (`phrases`). Only the new snapshot's
text is read again, and only if there are any: for where they stand, on which domains, in which kept documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from storage.shards import read_batches
from tasks.drift.chance import tail
from tasks.drift.config import BurstConfig
from tasks.ngrams import hash_ngrams, undated
from tasks.urls.index import split_url
from tasks.urls.suffixes import registered
from tasks.words import hash_words

MOST_CANDIDATES = 20_000
"""N-grams that are looked up in texts, those of most documents first. A new language would bring all of its words."""
MOST_BURSTS = 50
MOST_PLACES = 50
DOCUMENTS_AT_ONCE = 1024


class Candidates(NamedTuple):
    """N-grams that were rare, sorted by hash: counts of documents now and before; `compared`: of how many."""

    hashes: np.ndarray
    documents: np.ndarray
    known: np.ndarray
    compared: int


@dataclass(frozen=True)
class Burst:
    """A phrase that bursts: its most widespread n-gram's counts, and a stretch of each document that holds it."""

    documents: int
    domains: int
    known: int
    p: float
    places: tuple[dict[str, Any], ...]


def find_candidates(
    new: Sequence[str], known: Sequence[str], of: int, known_of: int, config: BurstConfig, threads: int = 2
) -> Candidates:
    """What stands in enough documents of the new snapshot, and in so much smaller a share of the earlier ones.

    Args: `new`, `known` files of PHRASES; `of`, `known_of` how many documents they were counted in.
    """
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {threads}")
        connection.execute(
            """create temp table often as select phrase, sum(documents)::bigint as n from read_parquet($new)
            group by phrase having sum(documents) >= $least""",
            {"new": list(new), "least": config.min_documents},
        )
        compared = connection.execute("select count(*) from often").fetchall()[0][0]
        rows = connection.execute(
            """with before as (
                select phrase, sum(documents)::bigint as n from read_parquet($known) semi join often using (phrase)
                group by phrase
            )
            select phrase, o.n as documents, coalesce(b.n, 0) as known from often o left join before b using (phrase)
            where o.n / $of >= $ratio * coalesce(b.n, 0) / $known_of
            order by documents desc, phrase limit $most""",
            {
                "known": list(known),
                "of": float(of),
                "known_of": float(known_of),
                "ratio": config.min_ratio,
                "most": MOST_CANDIDATES,
            },
        ).to_arrow_table()
    rows = rows.sort_by("phrase")
    phrases, documents, before = (rows.column(name).to_numpy() for name in ("phrase", "documents", "known"))
    return Candidates(phrases, documents, before, compared)


class Hits(NamedTuple):
    """Where candidates stand in kept documents, sorted by document and place: numbers of candidate and document."""

    candidate: np.ndarray
    document: np.ndarray
    start: np.ndarray
    end: np.ndarray
    doc_ids: list[str]
    domains: list[str]


def locate(paths: Sequence[Path], kept: pa.Array, candidates: Candidates, ngrams: Sequence[int]) -> Hits:
    """Every place of the candidates in the kept documents of these files."""
    found: list[tuple[np.ndarray, ...]] = []
    doc_ids: list[str] = []
    domains: list[str] = []
    for path in paths:
        for batch in read_batches(path, ["doc_id", "url", "text"]):
            stays = pc.is_in(batch.column("doc_id"), value_set=kept)  # type: ignore[attr-defined]
            rows = batch.filter(pc.and_(stays, batch.column("text").is_valid()))  # type: ignore[attr-defined]
            for first in range(0, rows.num_rows, DOCUMENTS_AT_ONCE):
                some = rows.slice(first, DOCUMENTS_AT_ONCE)
                words = hash_words([undated(text) for text in some.column("text").to_pylist()])
                for n in ngrams:
                    grams = hash_ngrams(words, n)
                    at = np.searchsorted(candidates.hashes, grams.hashes)
                    hit = np.flatnonzero(candidates.hashes[np.minimum(at, len(candidates.hashes) - 1)] == grams.hashes)
                    found.append((at[hit], grams.documents[hit] + len(doc_ids), grams.starts[hit], grams.ends[hit]))
                doc_ids += some.column("doc_id").to_pylist()
                domains += map(domain_of, some.column("url").to_pylist(), some.column("doc_id").to_pylist())
    empty = (np.zeros(0, np.int64),) * 4
    candidate, document, start, end = map(np.concatenate, zip(empty, *found, strict=True))
    order = np.lexsort((-end, start, document))
    return Hits(candidate[order], document[order], start[order], end[order], doc_ids, domains)


def domain_of(url: str | None, doc_id: str) -> str:
    """The registered domain of a URL, else its host; a document without one is a place of its own."""
    address = split_url(url) if url else None
    return (registered(address.host) or address.host) if address else doc_id


def find_bursts(
    hits: Hits, candidates: Candidates, of: int, known_of: int, config: BurstConfig, level: float
) -> list[Burst]:
    """The candidates that burst in kept documents, those of one phrase together; most documents first.

    Args: `of` the kept documents of the snapshot; `known_of` those in which the earlier ones were counted; `level` the
    chance allowed to one of them.
    """
    pairs = np.unique(np.stack([hits.candidate, hits.document]), axis=1)
    documents = np.bincount(pairs[0], minlength=len(candidates.hashes))
    _, domain = np.unique(np.array(hits.domains, dtype=object).astype(str), return_inverse=True)
    sites = np.unique(np.stack([pairs[0], domain[pairs[1]]]), axis=1) if len(domain) else pairs
    domains = np.bincount(sites[0], minlength=len(candidates.hashes))
    chances = {
        number: p
        for number in np.flatnonzero((documents >= config.min_documents) & (domains >= config.min_domains)).tolist()
        if documents[number] / of >= config.min_ratio * candidates.known[number] / known_of
        and (p := tail(int(documents[number]), of, int(candidates.known[number]), known_of)) < level
    }
    of_burst = np.isin(hits.candidate, list(chances))
    places = (hits.candidate[of_burst], hits.document[of_burst], hits.start[of_burst], hits.end[of_burst])
    hits = Hits(*places, hits.doc_ids, hits.domains)
    phrase = _join(hits, documents)
    found = []
    for number in np.unique(phrase[list(chances)]).tolist() if chances else []:
        members = [one for one in chances if phrase[one] == number]
        widest = max(members, key=lambda one: (documents[one], domains[one], -one))
        counts = int(documents[widest]), int(domains[widest]), int(candidates.known[widest])
        found.append(Burst(*counts, chances[widest], _places(hits, phrase, number)))
    return sorted(found, key=lambda one: (-one.documents, one.places[0]["doc_id"], one.places[0]["start"]))[
        :MOST_BURSTS
    ]


def _join(hits: Hits, documents: np.ndarray) -> np.ndarray:
    """The phrase that each candidate belongs to: those that touch in half of the rarer one's documents are one."""
    size = len(documents)
    reach = hits.document.astype(np.int64) << 32 | hits.end
    # of each place the one before it in its document that reaches furthest: a word may lie within an earlier n-gram
    furthest = np.maximum.accumulate(np.where(reach == np.maximum.accumulate(reach), np.arange(len(reach)), 0))[:-1]
    touching = (hits.document[1:] == hits.document[furthest]) & (hits.start[1:] <= hits.end[furthest] + 2)
    left, right = hits.candidate[furthest][touching], hits.candidate[1:][touching]
    rows = np.unique(np.stack([left, right, hits.document[1:][touching]]), axis=1)
    pairs, counts = np.unique(rows[:2], axis=1, return_counts=True)
    enough = 2 * counts >= np.minimum(documents[pairs[0]], documents[pairs[1]])
    edges = pairs[:, enough]
    graph = coo_array((np.ones(edges.shape[1], np.int8), (edges[0], edges[1])), shape=(size, size))
    return connected_components(graph, directed=False)[1]


def _places(hits: Hits, phrase: np.ndarray, number: int) -> tuple[dict[str, Any], ...]:
    """The longest stretch of the phrase in each document, by doc_id; the first of equal ones."""
    longest: dict[str, tuple[int, int]] = {}
    current: tuple[int, int, int] | None = None
    rows = np.flatnonzero(phrase[hits.candidate] == number)
    for document, start, end in zip(
        hits.document[rows].tolist(), hits.start[rows].tolist(), hits.end[rows].tolist(), strict=True
    ):
        if current and current[0] == document and start <= current[2] + 2:
            current = (document, current[1], max(current[2], end))
        else:
            current = (document, start, end)
        doc_id, known = hits.doc_ids[document], longest.get(hits.doc_ids[document], (0, 0))
        if current[2] - current[1] > known[1] - known[0]:
            longest[doc_id] = current[1:]
    chosen = sorted(longest.items())[:MOST_PLACES]
    return tuple({"doc_id": doc_id, "start": start, "end": end} for doc_id, (start, end) in chosen)
