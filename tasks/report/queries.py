"""The questions that a report asks the lake. Each is SQL that a person can run again with `gristmill sql`."""

from collections.abc import Sequence
from textwrap import dedent

from storage.sql import identifier, quoted


def dedented(text: str) -> str:
    """SQL as it is shown: without the indentation that it has here."""
    return dedent(text).strip()


def _read(decisions: str) -> str:
    """The artifacts of documents that decisions were made on."""
    return f"""
        with read as (
            select split_part(input, '/', 2) as fingerprint
            from lineage where artifact = {quoted(decisions)} and role = 'documents'
        )"""


def times(run: str) -> str:
    """Seconds of each stage of a run; the lake knows them once the run has ended."""
    return dedented(f"""
        select stage.key as stage, stage.value::double as seconds
        from runs, json_each(seconds) as stage
        where run = {quoted(run)} order by seconds desc""")


def losses(decisions: str) -> str:
    """Records that became no document, by reason."""
    return dedented(f"""{_read(decisions)}
        select reason, count(*) as records from losses
        where fingerprint in (select fingerprint from read)
        group by reason order by records desc, reason""")


def decided() -> str:
    """Documents by the rule that dropped them, or kept."""
    return dedented("""
        select coalesce(dropped_by, 'kept') as what, count(*) as documents
        from documents group by all order by documents desc, what""")


def rules() -> str:
    """Every rule: documents it dropped first, documents that fail it at all, and one of those it dropped."""
    return dedented("""
        select rule, count(*) filter (dropped_by = rule) as dropped, count(*) as failed,
            min(doc_id) filter (dropped_by = rule) as example
        from (select doc_id, dropped_by, unnest(failed) as rule from documents)
        group by rule order by dropped desc, failed desc, rule""")


def sources(decisions: str) -> str:
    """Records, documents and what stayed of them, by source."""
    return dedented(f"""{_read(decisions)},
        lost as (
            select source, count(*) as losses from losses
            where fingerprint in (select fingerprint from read) group by source
        ),
        counted as (
            select source, count(*) as documents, count(*) filter (kept) as kept,
                count(*) filter (starts_with(dropped_by, 'duplicates.')) as copies,
                coalesce(sum(text_bytes) filter (kept), 0)::bigint as kept_bytes
            from documents group by source
        )
        select source, coalesce(documents, 0) + coalesce(losses, 0) as records, coalesce(documents, 0) as documents,
            coalesce(documents - kept - copies, 0) as dropped, coalesce(copies, 0) as copies, coalesce(kept, 0) as kept,
            kept / nullif(documents, 0) as share, coalesce(kept_bytes, 0)::bigint as kept_bytes
        from counted full join lost using (source) order by kept_bytes desc, source""")


def languages() -> str:
    """Documents and what stayed of them, by language."""
    return dedented("""
        select coalesce(language, 'unknown') as language, count(*) as documents, count(*) filter (kept) as kept,
            count(*) filter (kept) / count(*) as share,
            coalesce(sum(text_bytes) filter (kept), 0)::bigint as kept_bytes,
            coalesce(sum(text_bytes) filter (not kept), 0)::bigint as dropped_bytes
        from documents group by all order by kept_bytes desc, documents desc, language""")


def copies() -> str:
    """How many clusters of copies there are, and what was dropped of them."""
    return dedented("""
        select count(distinct cluster) filter (cluster_size > 1) as clusters, max(cluster_size) as largest,
            count(*) filter (dropped_by = 'duplicates.exact') as exact,
            count(*) filter (dropped_by = 'duplicates.near') as near,
            count(*) filter (dropped_by = 'duplicates.url') as url,
            count(*) filter (dropped_by in ('duplicates.simhash', 'duplicates.semantic')) as alike,
            median(jaccard) filter (dropped_by = 'duplicates.near') as median_jaccard
        from documents""")


def ranges(columns: Sequence[str]) -> str:
    """The least value, the greatest, and that below which 99 of 100 documents are, of each score."""
    each = ", ".join(
        f"min({identifier(name)})::double as {identifier(name + ' least')}, "
        f"max({identifier(name)})::double as {identifier(name + ' most')}, "
        f"quantile_cont({identifier(name)}::double, 0.99) as {identifier(name + ' high')}"
        for name in columns
    )
    return f"select {each} from documents"


def histogram(column: str, low: float, step: float, bins: int, log: bool) -> str:
    """Documents by score, in `bins` bins of width `step` from `low`; the last holds all above it. `log`: of log10."""
    value = f"log10(greatest({identifier(column)}, 1))" if log else f"{identifier(column)}::double"
    return dedented(f"""
        select greatest(least(floor(({value} - {low!r}) / {step!r}), {bins - 1}), 0)::int as bin, count(*) as documents
        from documents where {identifier(column)} is not null group by bin order by bin""")


def licenses(corpus: tuple[str, str], tokens: tuple[str, str] | None, named: bool) -> str:
    """The licence ledger of a corpus: documents, bytes and tokens, each document once.

    `corpus`, `tokens`: (stage, fingerprint). `named`: whether the documents say who names their licence.
    """
    who = "coalesce(any_value(license_from), 'not stated')" if named else "'not stated'"
    counted = "select null::varchar as doc_id, null::bigint as tokens where false"
    if tokens:
        counted = f"""select doc_id, sum(length)::bigint as tokens
            from {identifier(tokens[0])} where fingerprint = {quoted(tokens[1])} group by doc_id"""
    return dedented(f"""
        with named as (
            select doc_id, {who} as license_from from documents group by doc_id
        ),
        counted as (
            {counted}
        )
        select coalesce(license, 'not stated') as license, license_from, source, count(*) as documents,
            sum(text_bytes)::bigint as bytes, sum(tokens)::bigint as tokens
        from {identifier(corpus[0])} left join named using (doc_id) left join counted using (doc_id)
        where fingerprint = {quoted(corpus[1])}
        group by all order by bytes desc, license, license_from, source""")


def mixture(stage: str, fingerprint: str) -> str:
    """What the mixture of a corpus came to, by phase of training and component."""
    return dedented(f"""
        select phase, component, kept_documents, kept_bytes, share_wanted, documents, bytes, share, epochs,
            validation_documents, validation_bytes, exhausted
        from {identifier(stage + "_mixture")} where fingerprint = {quoted(fingerprint)}
        order by phase, bytes desc, component""")


def realised(stage: str, fingerprint: str, phases: Sequence[str]) -> str:
    """What the mixture came to in tokens: shares of each phase's training tokens, copies counted."""
    return dedented(f"""
        select phase, component, sum(tokens)::bigint as tokens,
            sum(tokens) / sum(sum(tokens)) over (partition by phase) as share
        from (
            select component, unnest({list(phases)!r}) as phase,
                unnest(list_transform(phase_copies, one -> one * length)) as tokens
            from {identifier(stage)} where fingerprint = {quoted(fingerprint)} and split = 'train'
        )
        group by phase, component having sum(tokens) > 0 order by phase, tokens desc, component""")


def tokens(stage: str, fingerprint: str) -> str:
    """Tokens of a corpus by source and split; an epoch counts copies."""
    return dedented(f"""
        select source, count(*) as documents, sum(bytes)::bigint as bytes, sum(length)::bigint as tokens,
            (sum(length) filter (split = 'validation'))::bigint as validation_tokens,
            (sum(length * copies) filter (split = 'train'))::bigint as epoch_tokens,
            sum(bytes) / sum(length) as bytes_per_token
        from {identifier(stage)} where fingerprint = {quoted(fingerprint)}
        group by source order by tokens desc, source""")


def tokens_read(model: str, stage: str, tokens_fingerprint: str) -> str:
    """Tokens that a model read in training, by source, and how many documents they are from."""
    return dedented(f"""
        select t.source, sum(r.length)::bigint as tokens, count(distinct r.doc_id) as documents
        from training_rows r join {identifier(stage)} t
            on t.doc_id = r.doc_id and t.fingerprint = {quoted(tokens_fingerprint)}
        where r.fingerprint = {quoted(model)} group by t.source order by tokens desc, source""")


def other_sources(artifacts: Sequence[tuple[str, str]]) -> str:
    """Conversations and questions by source: rows, and rows that could not be read."""
    wanted = ", ".join(sorted({quoted(fingerprint) for _, fingerprint in artifacts}))
    rows = " union all by name ".join(
        f"select {quoted(stage)} as what, source, license, fingerprint from {identifier(stage)}"
        for stage in sorted({stage for stage, _ in artifacts})
    )
    return dedented(f"""
        with lost as (
            select stage as what, source, count(*) as losses from losses where fingerprint in ({wanted}) group by all
        )
        select what, source, coalesce(license, 'not stated') as license, count(*) as rows,
            coalesce(any_value(losses), 0) as losses_of_source
        from ({rows}) left join lost using (what, source)
        where fingerprint in ({wanted}) group by all order by what, source, license""")


def curve(model: str, validated: bool) -> str:
    """The loss of every step of a model's training, nats a token."""
    validation = ", validation_loss" if validated else ", null as validation_loss"
    return f"select step, loss{validation} from training where fingerprint = {quoted(model)} order by step"


def held_out(stage: str, model: str) -> str:
    """The loss of held-out answers before, during and after fine-tuning, nats a token."""
    return dedented(f"""
        select step, loss, conversations, answer_tokens
        from {identifier(stage + "_held_out")} where fingerprint = {quoted(model)} order by step""")


def outcomes(stage: str, model: str) -> str:
    """What became of each conversation in fine-tuning."""
    return dedented(f"""
        select split, outcome, count(*) as conversations, sum(kept_answer_tokens)::bigint as answer_tokens
        from {identifier(stage + "_conversations")} where fingerprint = {quoted(model)}
        group by all order by split desc, conversations desc, outcome""")


def bits_per_byte(base: str, tuned: str) -> str:
    """Bits per byte of validation text by source: both models beside what costs little."""
    either = f"fingerprint in ({quoted(base)}, {quoted(tuned)})"
    return dedented(f"""
        select source, any_value(bytes) as bytes,
            max(value) filter (metric = 'bits_per_byte' and fingerprint = {quoted(base)}) as base,
            max(standard_error) filter (metric = 'bits_per_byte' and fingerprint = {quoted(base)}) as base_error,
            max(value) filter (metric = 'bits_per_byte' and fingerprint = {quoted(tuned)}) as tuned,
            max(value) filter (metric = 'unigram') as unigram,
            max(value) filter (metric = 'byte_unigram') as byte_unigram,
            max(value) filter (metric = 'xz_each') as xz_each, max(value) filter (metric = 'xz_whole') as xz_whole
        from evaluations where task = 'validation' and {either}
        group by source order by source <> 'all', source""")


def scores(base: str, tuned: str) -> str:
    """Share of right answers by task, with standard errors, beside chance."""
    either = f"fingerprint in ({quoted(base)}, {quoted(tuned)})"
    return dedented(f"""
        select task, metric, max(items) as items,
            max(value) filter (fingerprint = {quoted(base)}) as base,
            max(standard_error) filter (fingerprint = {quoted(base)}) as base_error,
            max(value) filter (fingerprint = {quoted(tuned)}) as tuned,
            max(standard_error) filter (fingerprint = {quoted(tuned)}) as tuned_error,
            max(baseline) as chance
        from evaluations where task <> 'validation' and {either} group by all order by task, metric""")


def samples(stage: str, base: str, tuned: str) -> str:
    """What the models say."""
    return dedented(f"""
        select fingerprint = {quoted(tuned)} as tuned, number, prompt, chat, temperature, text, ended
        from {identifier(stage + "_samples")} where fingerprint in ({quoted(base)}, {quoted(tuned)})
        order by prompt, chat, tuned, number""")
