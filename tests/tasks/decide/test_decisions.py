"""Decisions against a slow, obvious version, and what they promise to a reader of the table."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tasks.decide.decisions import DECISIONS, decide_documents
from tasks.decide.duplicates.spilled import Memory
from tasks.decide.failures import DecideError
from tasks.decide.predicates import PredicateError
from tasks.decide.rules import DecideConfig
from tasks.decide.signatures import SignatureFiles
from tasks.sign import SignConfig, sign_documents, signatures_table
from tests.tasks.decide.inputs import SIGN, Page, config, named, write_inputs
from tests.tasks.decide.slow import day, decide_slowly


def decide(
    pages: list[Page], rules: DecideConfig, pieces: int = 1, shuffle: int | None = None, **more: Any
) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        documents, annotations = write_inputs(Path(folder), pages, pieces, shuffle)
        return decide_documents(documents, annotations, rules, **more)


def rows_of(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["doc_id"]: row for row in table.to_pylist()}


@st.composite
def page_sets(draw: st.DrawFn) -> list[Page]:
    value = st.integers(0, 2)
    signature = st.none() | st.tuples(*[value] * SIGN.n_values)
    # Cosines of such vectors are far from the limits that are drawn, or equal to them with no rounding.
    embedding = st.none() | st.tuples(*[st.integers(-1, 1)] * 3)
    simhash = st.integers(0, 15).map(lambda bits: bits * 0x1000_0100_0001_0001 % 2**64)
    contents = draw(st.lists(st.tuples(signature, simhash, embedding), min_size=1, max_size=12))
    ids = draw(st.lists(st.integers(0, 2**128 - 1), unique=True, max_size=14))
    pages = []
    for number in ids:
        content = draw(st.integers(-1, len(contents) - 1))
        signature, simhash, embedding = contents[content]
        pages.append(
            Page(
                doc_id=named(number),
                content="" if content < 0 else named(7**40 * (content + 1) % 2**128),
                signature=None if content < 0 else signature,
                simhash=None if content < 0 or signature is None else simhash,
                embedding=None if content < 0 else embedding,
                date=day(draw(st.none() | st.integers(0, 3))),
                scores={
                    "n_words": draw(st.sampled_from([10, 100, 100, 100])),
                    "bullet_line_share": draw(st.sampled_from([None, 0.0, 0.25, 0.5])),
                },
                url=draw(st.none() | st.sampled_from(["https://a.example/1", "https://a.example/2"])),
                text_bytes=draw(st.none() | st.integers(1, 3)),
            )
        )
    return pages


POLICIES: list[dict[str, Any]] = [
    {},
    {"keep": "newest"},
    {"keep": "longest"},
    {"keep": "best", "keep_by": "bullet_line_share"},
]


@st.composite
def duplicate_rules(draw: st.DrawFn) -> dict[str, Any]:
    switches = {kind: draw(st.booleans()) for kind in ("exact", "url", "near")}
    return {
        **switches,
        "min_jaccard": draw(st.sampled_from([None, 0.0, 0.5, 0.6, 0.8, 1.0])),
        "min_exact_jaccard": draw(st.sampled_from([None, None, 0.0, 0.4, 0.6])),
        "simhash": draw(st.sampled_from([None, None, 0, 1, 4])),
        "semantic": draw(st.sampled_from([None, None, 0.4, 0.6, 0.95])),
        **draw(st.sampled_from(POLICIES)),
    }


@given(page_sets(), duplicate_rules(), st.integers(1, 3), st.integers(0, 99))
@hypothesis_settings(max_examples=80)
def test_decisions_equal_a_brute_force_over_all_pairs(
    pages: list[Page], duplicates: dict[str, Any], pieces: int, shuffle: int
) -> None:
    rules = config(duplicates=duplicates)
    table = decide(pages, rules, pieces, shuffle)
    table.validate(full=True)
    assert table.schema.equals(DECISIONS.schema)
    assert table.column("doc_id").to_pylist() == sorted(page.doc_id for page in pages)
    rows = rows_of(table)
    expected = decide_slowly(pages, rules)
    for doc_id, row in expected.items():
        assert {name: rows[doc_id][name] for name in row} == row
    for row in rows.values():
        assert (row["split"] is None) == (row["cluster"] is None)
        if row["cluster"] is not None:
            assert row["split"] == rows[row["cluster"]]["split"]


@given(page_sets(), duplicate_rules(), st.integers(1, 5), st.integers(0, 10**6))
@hypothesis_settings(max_examples=20)
def test_neither_order_nor_files_nor_spilling_change_the_table(
    pages: list[Page], duplicates: dict[str, Any], pieces: int, shuffle: int
) -> None:
    rules = config(duplicates=duplicates)
    expected = decide(pages, rules, memory=Memory(1 << 30))
    assert decide(pages, rules, pieces, shuffle, memory=Memory(0)).equals(expected)
    assert decide(pages, rules, pieces, shuffle, memory=Memory(200)).equals(expected)


@given(page_sets(), duplicate_rules(), st.booleans(), st.integers(0, 99))
@hypothesis_settings(max_examples=10)
def test_sizes_before_the_rules_are_those_that_clusters_have_without_them(
    pages: list[Page], duplicates: dict[str, Any], all_texts: bool, shuffle: int
) -> None:
    rules = {"short": "n_words < 50", "listed": "bullet_line_share > 0.3"}
    after = [] if all_texts else ["rules.listed"]
    table = decide(pages, config(rules=rules, duplicates={**duplicates, "sizes_after": after}), 2, shuffle)
    plain = decide(pages, config(rules=rules, duplicates=duplicates))
    assert table.select(plain.column_names).equals(plain)
    left = {} if all_texts else {"listed": rules["listed"]}
    sizes = decide(pages, config(rules={"short": "false", **left}, duplicates=duplicates)).column("cluster_size")
    assert table.column("unfiltered_cluster_size").to_pylist() == sizes.to_pylist()


def test_sizes_are_after_rules_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"sizes_after: langage is no group and no rule; did you mean"):
        config(duplicates={"sizes_after": ["langage"]})


def chain() -> list[Page]:
    """Three pages of which the first and last share no bucket: only the middle connects them."""
    return [
        Page(named(1), named(101), (1, 1, 2, 2, 3, 3), day(1)),
        Page(named(2), named(102), (1, 1, 5, 5, 6, 6), day(2)),
        Page(named(3), named(103), (7, 7, 8, 8, 6, 6), day(3)),
    ]


def test_a_chain_is_one_cluster_and_its_first_page_stays() -> None:
    rows = rows_of(decide(chain(), config()))
    assert [rows[named(number)]["kept_as"] for number in (1, 2, 3)] == [None, named(1), named(1)]
    assert rows[named(3)]["jaccard"] == 0.0  # connected through the middle, and the table says so
    assert {row["cluster_size"] for row in rows.values()} == {3}


def test_dropping_the_middle_of_a_chain_keeps_both_ends() -> None:
    first, middle, last = chain()
    rows = rows_of(
        decide(
            [first, Page(middle.doc_id, middle.content, middle.signature, middle.date, "web", {"n_words": 1}), last],
            config(),
        )
    )
    assert [rows[page.doc_id]["dropped_by"] for page in (first, middle, last)] == [None, "rules.short", None]


def test_dropping_the_middle_of_one_bucket_keeps_its_ends_together() -> None:
    pages = [
        Page(named(n), named(100 + n), (1, 1, n, n, n + 50, n), day(n), scores={"n_words": 1 if n == 2 else 90})
        for n in (1, 2, 3)
    ]
    rows = rows_of(decide(pages, config()))
    assert rows[named(3)]["kept_as"] == named(1)
    assert rows[named(1)]["cluster_size"] == 2


def test_a_page_dropped_for_quality_never_takes_its_twin_along() -> None:
    twin = (1, 2, 3, 4, 5, 6)
    pages = [Page(named(1), named(9), twin, day(0), scores={"n_words": 3}), Page(named(2), named(9), twin, day(9))]
    rows = rows_of(decide(pages, config()))
    assert rows[named(2)]["kept"]
    assert rows[named(2)]["cluster_size"] == 1
    assert rows[named(1)]["dropped_by"] == "rules.short"


def test_a_forgotten_page_promotes_its_twin() -> None:
    twin = (1, 2, 3, 4, 5, 6)
    pages = [Page(named(1), named(9), twin, day(0)), Page(named(2), named(9), twin, day(9))]
    assert rows_of(decide(pages, config()))[named(2)]["dropped_by"] == "duplicates.exact"
    rows = rows_of(decide(pages, config(), tombstones=[named(1), named(77)]))
    assert rows[named(1)]["failed"] == ["forget.tombstone"]
    assert rows[named(2)]["kept"]


def test_a_document_that_a_stage_could_not_finish_is_dropped_by_name() -> None:
    pages = [Page(named(1), named(8)), Page(named(2), named(9))]
    rows = rows_of(decide(pages, config(), lost={"quality": [named(2)]}))
    assert rows[named(1)]["kept"]
    assert rows[named(2)]["dropped_by"] == "quality.lost"


def test_a_document_that_sign_lost_has_its_text(tmp_path) -> None:
    pages = [Page(named(1), None), Page(named(2), None), Page(named(3), named(9))]
    rows = rows_of(decide(pages, config(), lost={"sign": [named(2)]}))
    assert rows[named(1)]["failed"] == ["extract.text_missing"]
    assert rows[named(2)]["failed"] == ["sign.lost"]
    assert rows[named(3)]["kept"]


def test_every_failed_rule_is_named_in_order() -> None:
    bad = {
        "n_words": 20,
        "mean_word_length": 11.5,
        "has_curly_bracket": True,
        "language": "xx",
        "language_probability": 0.1,
    }
    rules = DecideConfig.model_validate(
        {
            "language": {"allowed": ["en", "de"], "min_probability": 0.65},
            "gopher": {
                "max_hash_to_word_ratio": None,
                "max_ellipsis_to_word_ratio": None,
                "max_ellipsis_line_share": None,
                "min_alphabetic_word_share": None,
                "min_stop_words": None,
            },
            "repetition": None,
            "c4": {"min_sentences": None, "lorem_ipsum": False},
            "rules": {"zeta": "n_words = 20", "alpha": "url LIKE '%example.org%'"},
        }
    )
    page = Page(named(1), named(5), url="https://example.org/", scores=bad)
    failed = rows_of(decide([page], rules))[named(1)]["failed"]
    assert failed == [
        "language.allowed",
        "language.min_probability",
        "gopher.min_words",
        "gopher.max_mean_word_length",
        "c4.curly_bracket",
        "rules.alpha",
        "rules.zeta",
    ]


def test_a_score_that_is_null_drops_nothing() -> None:
    rules = config(rules={"short": "n_words < 50", "negated": "NOT (n_words > 60)"})
    rows = rows_of(decide([Page(named(1), named(5), scores={"n_words": None})], rules))
    assert rows[named(1)]["kept"]


def test_a_share_of_exactly_the_limit_passes() -> None:
    rules = config(rules={"mine": "bullet_line_share > 0.3"}, gopher=None, fineweb=None)
    limit = np.float32(0.3)  # a little above 3/10 once widened
    pages = [
        Page(named(1), named(5), scores={"bullet_line_share": limit}),
        Page(named(2), named(6), scores={"bullet_line_share": np.nextafter(limit, np.float32(1))}),
    ]
    assert [row["kept"] for row in rows_of(decide(pages, rules)).values()] == [True, False]
    only = dict.fromkeys(
        (
            "min_words",
            "max_words",
            "max_hash_to_word_ratio",
            "max_ellipsis_to_word_ratio",
            "max_ellipsis_line_share",
            "min_stop_words",
        )
    )
    gopher = {**only, "min_alphabetic_word_share": None, "max_bullet_line_share": 0.3}
    assert [row["kept"] for row in rows_of(decide(pages, config(rules={}, gopher=gopher))).values()] == [True, False]


def test_fineweb_drops_at_its_limit() -> None:
    fineweb = {
        "max_short_line_share": None,
        "max_line_character_duplicate_share": None,
        "max_newline_to_word_ratio": None,
    }
    pages = [Page(named(n), named(5 + n), scores={"line_punctuation_share": s}) for n, s in ((1, 0.12), (2, 0.121))]
    assert [row["kept"] for row in rows_of(decide(pages, config(fineweb=fineweb))).values()] == [False, True]


def test_sources_can_have_rules_of_their_own() -> None:
    gopher = dict.fromkeys(
        (
            "max_hash_to_word_ratio",
            "max_ellipsis_to_word_ratio",
            "max_ellipsis_line_share",
            "min_stop_words",
            "min_alphabetic_word_share",
        )
    )
    rules = config(
        gopher=gopher,
        rules={"short": "n_words < 10"},
        sources={
            "code": {"gopher": None, "rules": {"short": None, "tiny": "n_words < 5"}},
            "o'books": {"gopher": {"min_words": 1000}},
        },
    )
    wanted = {
        ("web", 40): ["gopher.min_words"],
        ("web", 9): ["gopher.min_words", "rules.short"],
        ("code", 9): [],
        ("code", 4): ["rules.tiny"],
        ("o'books", 900): ["gopher.min_words"],
        ("o'books", 1000): [],
    }
    pages = [
        Page(named(n), named(50 + n), source=source, scores={"n_words": words})
        for n, (source, words) in enumerate(wanted)
    ]
    rows = rows_of(decide(pages, rules))
    assert {key: rows[named(n)]["failed"] for n, key in enumerate(wanted)} == wanted


def test_counts_add_up() -> None:
    rng = np.random.default_rng(3)
    pages = [
        Page(
            named(n),
            named(1000 + int(rng.integers(300))),
            None,
            day(int(rng.integers(9))),
            scores={"n_words": int(rng.integers(20, 200))},
        )
        for n in range(500)
    ]
    table = decide(pages, config(), pieces=4, shuffle=1)
    reasons = Counter(table.column("dropped_by").to_pylist())
    assert sum(reasons.values()) == table.num_rows == 500
    assert reasons[None] == sum(table.column("kept").to_pylist()) > 0
    assert set(reasons) == {None, "rules.short", "duplicates.exact"}
    rows = rows_of(table)
    for row in rows.values():
        assert (row["failed"][0] if row["failed"] else None) == row["dropped_by"]
        if row["kept"]:
            assert row["cluster_size"] == 1 + sum(other["kept_as"] == row["doc_id"] for other in rows.values())


def test_validation_is_a_share_of_clusters_that_others_do_not_move() -> None:
    pages = [Page(named(n), named(n * 7**43 % 2**128)) for n in range(1, 3001)]
    rules = config(validation_share=0.1)
    table = decide(pages, rules)
    share = table.column("split").to_pylist().count("validation") / len(pages)
    assert 0.08 < share < 0.12  # within 3.6 standard deviations
    half = rows_of(decide(pages[::2], rules))
    rows = rows_of(table)
    assert all(rows[doc_id]["split"] == row["split"] for doc_id, row in half.items())
    assert set(decide(pages[:50], config(validation_share=0)).column("split").to_pylist()) == {"train"}


def test_no_document_is_an_empty_table() -> None:
    assert decide([], config()).num_rows == 0


def test_a_text_that_cannot_be_read_does_not_matter(tmp_path: Path) -> None:
    documents, annotations = write_inputs(tmp_path, [Page(named(n), named(9 + n)) for n in range(2000)])
    path = Path(documents[0])
    table = pq.read_table(path)
    pq.write_table(table, path, use_dictionary=False, compression="none")
    place = pq.read_metadata(path).row_group(0).column(table.schema.get_field_index("text"))
    damaged = bytearray(path.read_bytes())
    start = place.data_page_offset
    damaged[start : start + place.total_compressed_size] = b"\xff" * place.total_compressed_size
    path.write_bytes(damaged)
    with pytest.raises(OSError, match=r"page|Corrupt|Thrift|TProtocol|deserialize"):
        pq.read_table(path, columns=["text"])
    assert decide_documents(documents, annotations, config()).num_rows == 2000


def test_inputs_that_do_not_fit_are_refused_with_a_sentence(tmp_path: Path) -> None:
    pages = [Page(named(n), named(9 + n)) for n in range(4)]
    documents, annotations = write_inputs(tmp_path / "whole", pages)
    _, fewer = write_inputs(tmp_path / "fewer", pages[:3])
    with pytest.raises(DecideError, match=r"quality has no row for 1 documents, such as 0+3: annotate"):
        decide_documents(documents, {**annotations, "quality": fewer["quality"]}, config())
    with pytest.raises(DecideError, match="documents has more than one row for 4 documents"):
        decide_documents(documents * 2, annotations, config())
    with pytest.raises(DecideError, match="No annotation has the column content_hash"):
        decide_documents(documents, {"quality": annotations["quality"]}, config())
    with pytest.raises(DecideError, match="Both quality and again have a column n_words"):
        decide_documents(documents, {**annotations, "again": annotations["quality"]}, config())
    with pytest.raises(
        PredicateError, match=r"decide\.gopher\.max_hash_to_word_ratio needs the column hash_to_word_ratio"
    ):
        decide_documents(documents, annotations, DecideConfig())
    with pytest.raises(PredicateError, match="cannot be computed for some document"):
        decide_documents(documents, annotations, config(rules={"cast": "source::INTEGER > 3"}))


@pytest.mark.parametrize("other", [{"seed": 2}, {"ngram": 3}, {"unit": "characters"}])
def test_signatures_that_were_made_otherwise_are_not_compared(tmp_path: Path, other: dict) -> None:
    paths = []
    for number, settings in enumerate(({}, other)):
        signing = SignConfig(**settings)
        schema = signatures_table(signing).schema
        signed = sign_documents(pa.RecordBatch.from_pydict({"text": pa.array(["The mill turns."])}), signing)
        paths.append(str(tmp_path / f"{number}.parquet"))
        pq.write_table(pa.Table.from_batches([pa.RecordBatch.from_arrays(signed.columns, schema=schema)]), paths[-1])
    assert SignatureFiles(paths[:1]).buckets(np.arange(1))[1].all()
    with pytest.raises(ValueError, match="with the same n-gram, unit, scheme and seed"):
        SignatureFiles(paths).buckets(np.arange(2))


def test_who_stays_goes_by_a_column_that_there_is_and_that_has_a_highest(tmp_path: Path) -> None:
    documents, annotations = write_inputs(tmp_path, [Page(named(1), named(5))])
    for column, message in {
        "n_word": r"decide\.duplicates\.keep_by reads the column n_word, .*; did you mean n_words",
        "language": r"decide\.duplicates\.keep_by: language holds VARCHAR, which has no highest",
        "text": "decisions are made on scores alone",
    }.items():
        with pytest.raises(PredicateError, match=message):
            decide_documents(documents, annotations, config(duplicates={"keep": "best", "keep_by": column}))
    for wrong in ({"keep": "best"}, {"keep": "longest", "keep_by": "n_words"}):
        with pytest.raises(ValueError, match="keep_by"):
            config(duplicates=wrong)


def test_captures_of_one_page_are_one_cluster_whatever_their_texts() -> None:
    pages = [
        Page(
            named(1), named(11), (1, 1, 2, 2, 3, 3), day(2), url="http://www.example.org/mill?utm_source=letter&b=2&a=1"
        ),
        Page(named(2), named(12), (4, 4, 5, 5, 6, 6), day(1), url="https://example.org/mill/?a=1&b=2#wheel"),
        Page(named(3), named(13), (7, 7, 8, 8, 9, 9), day(3), url="https://example.org/mill?a=2&b=1"),
    ]
    rows = rows_of(decide(pages, config(duplicates={"url": True})))
    assert [row["dropped_by"] for row in rows.values()] == ["duplicates.url", None, None]
    assert rows[named(1)]["kept_as"] == named(2)
    assert rows[named(2)]["cluster_size"] == 2
    assert all(row["kept"] for row in rows_of(decide(pages, config())).values())
