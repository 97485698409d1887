"""What a report asks about curation: extractors, learned scores, personal data, evaluation sets, rights, changes.

Each is SQL that a person can run again with `gristmill sql`, as those of `queries`.
"""

from collections.abc import Sequence

from storage.sql import identifier, quoted
from tasks.report.queries import dedented


def extractors() -> str:
    """What gave the texts: by extractor, documents with and without text, how long they are, and what stayed."""
    return dedented("""
        select coalesce(extractor, 'none: text and rows as they are') as extractor, count(*) as documents,
            count(*) filter (text_bytes is null) as without_text, count(truncated) as truncated,
            median(text_bytes)::bigint as median_bytes, coalesce(sum(text_bytes), 0)::bigint as bytes,
            count(*) filter (kept) as kept, coalesce(sum(text_bytes) filter (kept), 0)::bigint as kept_bytes
        from documents group by all order by bytes desc, extractor""")


def classifiers(fingerprints: Sequence[str]) -> str:
    """How the classifiers that scored these documents do on texts that were held out."""
    wanted = ", ".join(quoted(name) for name in fingerprints)
    return dedented(f"""
        select coalesce(name, stage || '/' || left(fingerprint, 12)) as classifier, method, examples, held_out,
            precision, recall, f1, auc, r2, spearman
        from classifiers where fingerprint in ({wanted}) order by classifier""")


def references(fingerprints: Sequence[str]) -> str:
    """The n-gram references that perplexity was measured against."""
    wanted = ", ".join(quoted(name) for name in fingerprints)
    return dedented(f"""
        select coalesce(name, 'train_reference/' || left(fingerprint, 12)) as reference, "order", documents, words,
            vocabulary, held_out_documents, held_out_perplexity
        from train_reference left join (
            select artifact, max(name) as name from names group by artifact
        ) on artifact = 'train_reference/' || fingerprint
        where fingerprint in ({wanted}) order by reference""")


def learned(columns: Sequence[str]) -> str:
    """How learned scores lie in each source: a tenth of its documents is below `low`, a tenth above `high`."""
    each = "\nunion all\n".join(
        f"select {quoted(name)} as score, source, count({identifier(name)}) as documents, "
        f"quantile_cont({identifier(name)}::double, 0.1) as low, median({identifier(name)}::double) as middle, "
        f"quantile_cont({identifier(name)}::double, 0.9) as high from documents group by source"
        for name in columns
    )
    return f"{each}\norder by score, source"


def personal() -> str:
    """Spans of personal data and secrets by kind, and the documents that hold them."""
    return dedented("""
        select span.kind as kind, count(*) as spans, count(distinct doc_id) as documents,
            count(distinct doc_id) filter (kept) as kept_documents
        from (select doc_id, kept, unnest(pii_spans) as span from documents where n_pii_spans > 0)
        group by all order by spans desc, kind""")


def contamination(annotations: Sequence[str]) -> str:
    """Of each evaluation set its items, why some are not looked for, those that documents share text with, and these.

    Args: `annotations` the fingerprints of the annotations that the decisions were made on.
    """
    wanted = ", ".join(quoted(name) for name in annotations)
    return dedented(f"""
        with sets as (
            select distinct benchmark, items, looked_for, too_short, common
            from contamination_benchmarks where fingerprint in ({wanted})
        ), touched as (
            select doc_id, kept, unnest(contaminated_by) as one from documents where n_contaminated_items > 0
        )
        select s.benchmark, s.items as set_items, s.looked_for, s.too_short, s.common,
            count(distinct t.one.item) as touched_items,
            count(distinct t.one.item) / nullif(any_value(s.looked_for), 0) as share,
            count(distinct t.doc_id) as documents, count(distinct t.doc_id) filter (t.kept) as kept_documents
        from sets s left join touched t on t.one.benchmark = s.benchmark
        group by s.benchmark, s.items, s.looked_for, s.too_short, s.common
        order by touched_items desc, s.benchmark""")


def cut_off() -> str:
    """What a corpus can know: the newest day that its documents state, and on which one was captured, by source."""
    return dedented("""
        select source, count(*) as documents, count(published) as dated, max(published) as published,
            max(capture_date)::date as captured,
            count(*) filter (published is null and capture_date is null) as undated
        from documents where kept group by source order by documents desc, source""")


def opt_outs() -> str:
    """What pages say against being used or shown: directives of robots metas and headers, and TDM reservations."""
    return dedented("""
        select what, count(*) as documents, count(*) filter (kept) as kept
        from (
            select 'robots: ' || unnest(robots) as what, kept from documents
            union all
            select 'TDM reservation' as what, kept from documents where tdm_reservation
        )
        group by what order by documents desc, what""")


def changes() -> str:
    """What composition does to the texts of kept documents: marks by kind, and stretches that are cut out."""
    return dedented("""
        select coalesce(edit.kind, 'cut out') as what, count(*) as places, count(distinct doc_id) as documents,
            sum(edit.end - edit.start)::bigint as characters
        from (select doc_id, unnest(edits) as edit from documents where kept)
        group by what order by places desc, what""")


def compared(drift: str) -> str:
    """New snapshots beside the earlier ones of their source: how much was compared, how much is a warning."""
    return dedented(f"""
        select source, snapshot, documents, known_documents, comparisons, warnings
        from drift_checked where fingerprint = {quoted(drift)} order by source, snapshot""")


def warnings(drift: str) -> str:
    """What is unlike in them; of a phrase that bursts where it stands, and no text."""
    return dedented(f"""
        select source, metric, scope, name, what, value, expected, "limit", count, "of", known_count, known_of, domains,
            p, places
        from drift where fingerprint = {quoted(drift)}
        order by metric = 'burst' desc, p, source, metric, scope, name""")
