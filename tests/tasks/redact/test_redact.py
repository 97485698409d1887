"""Personal data and secrets: precision and recall on the labelled set, and what holds for any text."""

import math
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.redact.secrets import entropy
from tasks.redact.stage import RedactConfig, find_personal
from tests.tasks.redact.labelled import NEGATIVES, POSITIVES, generate, read

Spans = list[tuple[int, int, str]]
CONFIG = RedactConfig()
FLOORS = {
    "email": (0.99, 0.99),
    "ip": (0.99, 0.97),
    "phone": (0.98, 0.98),
    "credit_card": (0.99, 0.99),
    "iban": (0.99, 0.99),
    "national_id": (0.95, 0.95),
    "secret": (0.95, 0.95),
}
"""Least precision and recall of each kind, a span counted right only from its first character to its last."""


def find(rows: Sequence[tuple[str, str]], config: RedactConfig = CONFIG) -> list[Spans]:
    """The spans of (language, text) rows."""
    columns = {"text": pa.array([text for _, text in rows], pa.large_string())}
    columns["language"] = pa.array([language for language, _ in rows], pa.string())
    found = find_personal.fn(pa.RecordBatch.from_pydict(columns), config)
    assert found["n_pii_spans"].to_pylist() == [len(spans) for spans in found["pii_spans"].to_pylist()]
    return [[(s["start"], s["end"], s["kind"]) for s in spans] for spans in found["pii_spans"].to_pylist()]


def said(text: str, language: str = "en", **options: object) -> list[str]:
    """What is found in a text."""
    return [text[start:end] for start, end, _ in find([(language, text)], CONFIG.model_copy(update=options))[0]]


def test_precision_and_recall_of_each_kind_reach_their_floors(capsys: pytest.CaptureFixture) -> None:
    labelled = [*POSITIVES, *NEGATIVES, *generate(seed=7, count=150)]
    rows = [(language, *read(sentence)) for language, sentence in labelled]
    wanted, found, right = Counter(), Counter(), Counter()
    for (_, _, spans), mine in zip(rows, find([(language, text) for language, text, _ in rows]), strict=True):
        wanted.update(kind for *_, kind in spans)
        found.update(kind for *_, kind in mine)
        right.update(kind for *_, kind in set(spans) & set(mine))
    with capsys.disabled():
        print(f"\n{len(rows)} sentences, {len(NEGATIVES)} of them with nothing to find")
        for kind in FLOORS:
            precision, recall = right[kind] / max(1, found[kind]), right[kind] / wanted[kind]
            print(f"{kind:<12} {wanted[kind]:>4} spans: precision {precision:.3f}, recall {recall:.3f}")
    for kind, (precision, recall) in FLOORS.items():
        assert right[kind] >= precision * found[kind], kind
        assert right[kind] >= recall * wanted[kind], kind


@pytest.mark.parametrize("row", [*POSITIVES, *NEGATIVES], ids=lambda row: row[1][:40])
def test_a_labelled_sentence_is_marked_as_it_is_labelled(row: tuple[str, str]) -> None:
    text, spans = read(row[1])
    (found,) = find([(row[0], text)])
    assert [(text[start:end], kind) for start, end, kind in found] == [(text[s:e], kind) for s, e, kind in spans]


SIGNS = st.text("0123456789 +-./()@:abcdefABCDEFxyzXYZ\"'=_é中\u0301🐟\n", max_size=60)
PLANTED = st.sampled_from([text for text, spans in map(read, [sentence for _, sentence in POSITIVES]) if spans])


@given(st.lists(st.one_of(st.text(max_size=60), SIGNS, PLANTED), max_size=4), st.sampled_from(["en", "de", None]))
def test_spans_are_within_the_text_sorted_and_do_not_overlap_and_other_texts_change_nothing(
    texts: list[str], language: str
) -> None:
    together = find([(language, text) for text in texts])
    assert together == [find([(language, text)])[0] for text in texts]
    for text, spans in zip(texts, together, strict=True):
        last = 0
        for start, end, kind in spans:
            assert last <= start < end <= len(text)
            assert kind in CONFIG.kinds
            last = end


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_address_is_found_wherever_it_stands_by_its_characters(before: str, after: str) -> None:
    text = f"{before} mill@stonewheel.org {after}"
    assert (len(before) + 1, len(before) + 20, "email") in find([("en", text)])[0]


@pytest.mark.parametrize("kind", CONFIG.kinds)
def test_a_kind_that_is_not_asked_for_is_not_marked(kind: str) -> None:
    others = tuple(one for one in CONFIG.kinds if one != kind)
    rows = [(language, read(sentence)[0]) for language, sentence in POSITIVES]
    found = find(rows, CONFIG.model_copy(update={"kinds": others}))
    assert {name for spans in found for *_, name in spans} == set(others)


def test_options_turn_on_what_is_no_persons_and_off_what_is_written_in_words() -> None:
    assert said("Mail nobody@example.com.", reserved_domains=True) == ["nobody@example.com"]
    assert said("joe at kornhaus dot org", obfuscated_emails=False) == []
    assert said("PESEL 44051401359", "pl", countries=("de", "fr")) == []


def test_where_two_kinds_overlap_the_graver_one_stays() -> None:
    assert find([("en", "api_key = 'aB3xk9Qz7mLr5@mill.org'")])[0][0][2] == "email"
    (span,) = find([("de", "Tel. IBAN DE89 3704 0044 0532 0130 00")])[0]
    assert span[2] == "iban"


def test_no_kinds_is_no_stage() -> None:
    assert not RedactConfig(kinds=()).enabled


@given(st.text("ab", min_size=1, max_size=20))
def test_entropy_is_that_of_the_shares_of_two_characters(text: str) -> None:
    share = text.count("a") / len(text)
    expected = -sum(one * math.log2(one) for one in (share, 1 - share) if one)
    assert entropy(text) == pytest.approx(expected)
