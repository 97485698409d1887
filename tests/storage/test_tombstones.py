"""What a tombstone names: by an oracle that looks at one address at a time."""

import fnmatch
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage.forget import marks
from storage.forget.leftovers import quoting_reports
from storage.forget.tombstones import (
    BadTombstone,
    Matcher,
    Tombstone,
    all_tombstones,
    bury,
    entries,
    fits_everything,
    parse,
)
from storage.lake import Lake
from tests.storage.small import make, ran

HOSTS = ["mill.example", "www.mill.example", "notmill.example", "MILL.example", "mill.example.org", "example"]
PATHS = ["", "/", "/a", "/a/", "/A", "/a?b=c", "/a%20b", "/a.b(c)+[d]"]
addresses = st.builds(
    lambda scheme, user, host, port, path, fragment: f"{scheme}://{user}{host}{port}{path}{fragment}",
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(["", "", "me:you@"]),
    st.sampled_from(HOSTS),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.sampled_from(PATHS),
    st.sampled_from(["", "#top"]),
)


def named(tombstone: Tombstone, urls: list[str | None]) -> list[bool]:
    return matched([tombstone], urls).tolist()


def matched(tombstones: list[Tombstone], urls: list[str | None], records: list[str | None] | None = None):
    """Which rows of a source `pages` are named; the id of each is its number."""
    doc_ids = [f"{number:032x}" for number in range(len(urls))]
    columns = (doc_ids, urls, ["pages"] * len(urls), records or [None] * len(urls))
    return Matcher(tombstones).matches(*(pa.array(column, pa.string()) for column in columns))


def plain(url: str) -> tuple[str, int | None, str]:
    """What makes two addresses one: host, port if it is unusual, and what is asked of it."""
    parts = urlsplit(url)
    port = None if parts.port in (80, 443) else parts.port
    return parts.hostname or "", port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@given(addresses, st.lists(addresses, max_size=8))
def test_a_url_names_the_page_whatever_scheme_case_of_host_port_and_fragment(url, others):
    urls = [url, *others]
    assert named(Tombstone("url", url), urls) == [plain(other) == plain(url) for other in urls]


@given(st.sampled_from(HOSTS), st.lists(addresses, max_size=8))
def test_a_domain_names_its_host_and_its_subdomains_and_no_other_that_ends_alike(domain, urls):
    wanted = domain.lower()
    hosts = [urlsplit(url).hostname or "" for url in urls]
    expected = [host == wanted or host.endswith(f".{wanted}") for host in hosts]
    assert named(parse(f"domain:{domain}"), urls) == expected


@given(st.text(st.sampled_from("*am./?[]+(:"), min_size=1, max_size=12), st.lists(addresses, max_size=8))
def test_in_a_glob_only_the_star_is_special(pattern, urls):
    escaped = "".join({"[": "[[]", "?": "[?]"}.get(sign, sign) for sign in pattern)
    assert named(Tombstone("glob", pattern), urls) == [fnmatch.fnmatchcase(url, escaped) for url in urls]


@given(st.lists(st.sampled_from(range(9)), max_size=4))
def test_doc_ids_and_patterns_add_up_and_a_document_without_a_url_is_named_by_its_id_alone(numbers):
    urls = [None if number % 3 == 0 else f"http://mill.example/{number}" for number in range(9)]
    doc_ids = [f"{number:032x}" for number in range(9)]
    tombstones = [*(Tombstone("doc_id", doc_ids[number]) for number in numbers), Tombstone("regex", "/[45]$")]
    assert matched(tombstones, urls).tolist() == [number in numbers or number in (4, 5) for number in range(9)]


@given(st.lists(st.one_of(st.none(), st.text(st.sampled_from("ab/1*:."), max_size=5)), max_size=8))
@example(["/a1", "a/1", "a1"])
def test_a_record_is_named_by_its_source_and_its_own_id_and_a_source_by_its_name_alone(records):
    urls: list[str | None] = ["http://mill.example/a"] * len(records)

    def names(what: str) -> list[bool]:
        return matched([parse(what)], urls, records).tolist()

    assert names("record:pages/a") == [one == "a" for one in records]
    assert names("record:*/a*1") == [bool(one) and one[0] == "a" and one[-1] == "1" and len(one) > 1 for one in records]
    assert names("record:talks/a") == names("record:*s/other/*") == [False] * len(records)
    assert names("source:pages") == [True] * len(records)
    assert names("source:page") == [False] * len(records)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("https://mill.example/a", Tombstone("url", "https://mill.example/a")),
        ("mill.example/a", Tombstone("url", "mill.example/a")),
        ("Mill.Example", Tombstone("domain", "mill.example")),
        ("domain:bücher.example.", Tombstone("domain", "xn--bcher-kva.example")),
        ("https://mill.example/a?b=[1]", Tombstone("url", "https://mill.example/a?b=[1]")),
        ("*://mill.example/user/*", Tombstone("glob", "*://mill.example/user/*")),
        ("regex:/user/[0-9]+", Tombstone("regex", "/user/[0-9]+")),
        ("record:talks/user-17", Tombstone("record", "talks/user-17")),
        ("source:talks", Tombstone("source", "talks")),
        ("0123456789abcdef0123456789abcdef", Tombstone("doc_id", "0123456789abcdef0123456789abcdef")),
    ],
)
def test_what_a_person_types_is_read_as_what_it_looks_like(given_, expected):
    assert parse(given_) == expected


@pytest.mark.parametrize("given_", ["", "regex:(", "doc_id:12", "domain:a b", "domain:http://x", "url: ", "record:17"])
def test_what_names_nothing_is_refused_with_a_sentence(given_):
    with pytest.raises(BadTombstone, match=r"\."):
        parse(given_)


@pytest.mark.parametrize(
    ("pattern", "all_"),
    [
        ("*", True),
        ("http*", True),
        ("regex:.", True),
        ("*.example/*", False),
        ("record:*/*", True),
        ("source:a", False),
    ],
)
def test_a_pattern_that_fits_everything_is_told(pattern, all_):
    assert fits_everything(parse(pattern)) is all_


def test_tombstones_accumulate_in_their_order_and_none_is_written_twice(tmp_path):
    lake = Lake(tmp_path)
    wanted = [parse(f"http://mill.example/{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(lambda one: bury(lake, one), [*wanted, *wanted]))
    assert sorted(set(numbers)) == [1, 2, 3, 4, 5, 6]
    assert [entry.number for entry in entries(lake)] == [1, 2, 3, 4, 5, 6]
    assert all_tombstones(lake) == tuple(sorted(wanted))


def test_a_mark_is_written_once_and_again_only_when_it_says_more(tmp_path):
    lake = Lake(tmp_path)
    model = make(lake, "pretrain", kind="model")
    for documents, steps in ((1, 3), (1, 3), (2, 5)):
        marks.put(lake, model, "learned", documents, steps)
    assert [(one.number, one.texts, one.steps) for one in marks.marks_of(lake, model)] == [(1, 1, 3), (2, 2, 5)]
    first, last = marks.all_marks(lake)
    assert str(first).endswith("since (3 steps read 1 such text)")
    assert str(last).endswith("since (5 steps read 2 such texts)")
    assert str(replace(first, steps=1, texts=2)).endswith("since (1 step read 2 such texts)")


def test_a_report_goes_that_shows_what_holds_the_text_and_one_stays_whose_tokenizer_learned_from_it(tmp_path):
    lake = Lake(tmp_path)
    tokenizer = make(lake, "train_tokenizer", kind="tokenizer")
    scores, anew = (make(lake, "evaluate", kind="evaluation", number=number) for number in (1, 2))
    ran(lake, "before", [tokenizer, scores])
    ran(lake, "after", [tokenizer, anew])
    (tmp_path / "reports").mkdir()
    for run in ("before", "after"):
        (tmp_path / "reports" / f"{run}.html").write_text("Samples")
    assert quoting_reports(lake) == []
    planned = quoting_reports(lake, [scores])
    bury(lake, parse("http://mill.example/1"))
    marks.put(lake, scores, "holds")
    marks.put(lake, tokenizer, "learned")
    assert quoting_reports(lake) == planned == [tmp_path / "reports" / "before.html"]
