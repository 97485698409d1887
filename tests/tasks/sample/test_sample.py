"""The real sample, whole: what it must hold, and that it is the same when it is built again."""

import collections
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import lxml.html
import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator

from models.language import LID_176, predict
from storage.files import read_json, sha256_file
from tasks.console import Console
from tasks.extract.tables import COMMON_NAMES
from tasks.ingest import Source
from tasks.sample import carriers, hgweb, texts
from tasks.sample.build import PARTS, _warc, sample_sources
from tasks.sample.conversations import CONVERSATIONS
from tasks.sample.fetch import fetch
from tasks.sample.questions import QUESTIONS
from tasks.sample.warcs import RENDERED, SHIPPED, TEMPLATED
from tasks.source import find_files


class Record(NamedTuple):
    """What warcio says of a record."""

    file: str
    kind: str
    headers: dict[str, str]
    content_type: str
    status: str
    body: bytes


def read(path: Path) -> Iterator[Record]:
    with open(path, "rb") as stream:
        for record in ArchiveIterator(stream, check_digests="raise"):
            http = record.http_headers if record.rec_type == "response" else None
            headers = dict(record.rec_headers.headers)
            content_type = http.get_header("Content-Type") if http else headers["Content-Type"]
            status = http.get_statuscode() if http else ""
            yield Record(path.name, record.rec_type, headers, content_type, status, record.content_stream().read())


@pytest.fixture(scope="module")
def records(sample: Path) -> list[Record]:
    return [record for path in sorted((sample / "pages").glob("*.warc.gz")) for record in read(path)]


@pytest.fixture(scope="module")
def pages(records: list[Record]) -> list[Record]:
    """What a crawl would call pages: HTML that was there."""
    wanted = [record for record in records if record.kind in ("resource", "response")]
    return [one for one in wanted if one.content_type.startswith("text/html") and one.status in ("", "200")]


def test_no_carrier_is_missing(sample: Path):
    manifest = read_json(sample / "sample.json")
    assert manifest["missing"] == {}
    assert {one["pin"] for one in manifest["carriers"]} == {carrier.pin for carrier in carriers.CARRIERS}


def test_two_thousand_pages_of_which_a_thousand_are_not_rendered_here(pages: list[Record]):
    origins = collections.Counter(page.headers["Gristmill-Origin"] for page in pages)
    assert set(origins) == {SHIPPED, TEMPLATED, RENDERED}
    assert origins[SHIPPED] > 200
    assert origins[SHIPPED] + origins[TEMPLATED] >= 1000
    assert origins.total() >= 2000
    assert len({page.file for page in pages}) >= 8


def test_no_page_is_empty(pages: list[Record]):
    assert [page.headers["WARC-Target-URI"] for page in pages if not page.body.strip()] == []


def test_every_record_says_whose_it_is_and_under_which_licence(records: list[Record]):
    pins = {carrier.pin: carrier.license for carrier in carriers.CARRIERS}
    assert all(pins[one.headers["Gristmill-Carrier"]] == one.headers["Gristmill-License"] for one in records)
    ids = [one.headers["WARC-Record-ID"] for one in records]
    assert len(set(ids)) == len(ids)
    addresses = [one.headers["WARC-Target-URI"] for one in records if one.kind in ("resource", "response")]
    assert len(set(addresses)) == len(addresses)
    assert all(address.startswith("https://docs.example.org/") for address in addresses)


def test_there_are_records_that_are_no_pages(records: list[Record]):
    kinds = collections.Counter((one.kind, one.content_type.split("/")[0], one.status) for one in records)
    assert kinds["response", "text", "404"] >= 1
    assert kinds["response", "image", "200"] >= 1
    assert kinds["warcinfo", "application", ""] == len({one.file for one in records})
    assert kinds["request", "application", ""] == sum(one.kind == "response" for one in records)


def test_at_least_eight_languages(pages: list[Record]):
    shown = []
    for page in pages:
        tree = lxml.html.fromstring(page.body)
        for element in tree.xpath("//script|//style|//head|//nav|//header|//footer|//pre"):
            element.drop_tree()
        text = " ".join(tree.text_content().split())
        if len(text) >= 200:
            shown.append(text[:1000])
    labels, likely = predict(LID_176, shown)
    languages = collections.Counter(one[0] for one, sure in zip(labels, likely, strict=True) if sure[0] >= 0.5)
    common = {language for language, count in languages.items() if count >= 10}
    assert common >= {"en", "de", "fr", "es", "pt", "ru", "zh", "ja"}
    assert sum(count for language, count in languages.items() if language != "en") >= 400


def test_there_are_duplicates_as_a_crawl_has_them(pages: list[Record]):
    bodies = collections.Counter(page.body for page in pages)
    assert sum(count - 1 for count in bodies.values()) >= 50
    versions: dict[str, set[bytes]] = collections.defaultdict(set)
    for page in pages:
        if page.headers["Gristmill-Carrier"].startswith("alembic=="):
            versions[page.headers["WARC-Target-URI"].split("/", 5)[5]].add(page.body)
    assert sum(len(bodies) == 2 for bodies in versions.values()) >= 15


def test_pages_have_boilerplate(pages: list[Record]):
    menus = sum(bool(re.search(rb"<nav\b|class=\"(?:menu|page[_-]nav|sphinxsidebar|docs-)", one.body)) for one in pages)
    assert menus >= 0.9 * len(pages)


def test_no_page_names_a_path_of_this_machine(pages: list[Record], sample: Path):
    temporary = re.compile(rb"/(?:\.build-|tmp|mercurial-)[a-z0-9_]{8}\b|" + re.escape(str(sample.parent).encode()))
    made_here = [one for one in pages if one.headers["Gristmill-Origin"] != SHIPPED]
    assert [one.headers["WARC-Target-URI"] for one in made_here if temporary.search(one.body)] == []


@pytest.mark.parametrize("name", ["books", "code"])
def test_texts_have_the_columns_that_extraction_looks_for(sample: Path, name: str):
    for path in (sample / name).glob("*.parquet"):
        table = pq.read_table(path)
        assert table.schema.equals(texts.TEXTS.schema)
        assert set(table.column_names) <= {COMMON_NAMES[field][0] for field in COMMON_NAMES}
        assert sum(len(text) for text in table.column("text").to_pylist()) > 1_000_000
        assert min(len(license) for license in table.column("license").to_pylist()) > 0


def test_books_hold_exact_duplicates(sample: Path):
    found = pq.read_table(sample / "books/shakespeare.parquet", columns=["text"]).column("text").to_pylist()
    assert len(found) - len(set(found)) >= 30


def test_instruction_data_hold_no_question_of_the_evaluation(sample: Path):
    chats = [row for path in (sample / "conversations").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert len(chats) > 15_000
    assert len({row["language"] for row in chats}) >= 20
    held_out = pq.read_table(sample / "questions/boolq.parquet").column("context").to_pylist()
    asked = {context.rsplit("Question: ", 1)[1].removesuffix("\nAnswer:").lower() for context in held_out}
    assert len(asked) > 3000
    assert [row["id"] for row in chats if row["messages"][0]["content"].rsplit("\n\n", 1)[-1].lower() in asked] == []
    assert all(pq.read_schema(path).equals(CONVERSATIONS.schema) for path in (sample / "conversations").iterdir())


def test_evaluation_sets_have_balanced_gold_labels(sample: Path):
    counts = {}
    for path in (sample / "questions").glob("*.parquet"):
        table = pq.read_table(path)
        assert table.schema.equals(QUESTIONS.schema)
        rows = table.to_pylist()
        assert all(0 <= row["gold"] < len(row["choices"]) and row["license"] and row["carrier"] for row in rows)
        gold = collections.Counter(row["gold"] for row in rows)
        if path.stem != "boolq":  # 62 % are yes
            assert max(gold.values()) <= 1.35 * len(rows) / max(len(row["choices"]) for row in rows)
        counts[path.stem] = len(rows)
    assert counts == {
        "openbookqa": 500,
        "commonsenseqa": 1215,
        "siqa": 1929,
        "boolq": 3270,
        "mmlu_control": 200,
        "stereoset_meaning": 2106,
        "word_order": 1000,
    }


def test_a_recipe_finds_every_source(sample: Path):
    found = {source.name: len(find_files(Source.model_validate(vars(source)))[1]) for source in sample_sources(sample)}
    assert found["pages"] == len(list((sample / "pages").iterdir()))
    assert {name: count for name, count in found.items() if name != "pages"} == {
        "books": 1,
        "code": 1,
        "conversations": 2,
        "questions": 7,
    }


def test_the_files_are_those_of_the_manifest(sample: Path):
    listed = {path: about["sha256"] for path, about in read_json(sample / "sample.json")["files"].items()}
    there = {path.relative_to(sample).as_posix() for path in sample.rglob("*") if path.is_file()} - {"sample.json"}
    assert there == set(listed)
    assert {path: sha256_file(sample / path) for path in listed} == listed


AGAIN = ["alembic", "beautifulsoup", "books", "code", "answers", "questions", "chats"]
"""Parts of every kind but the slow ones."""


def test_what_is_built_again_is_the_same_byte_for_byte(sample: Path, tmp_path: Path):
    from flows.sample import cache_folder

    fetched = fetch(carriers.CARRIERS, cache_folder() / "carriers", Console(quiet=True)).files
    written: dict[str, int] = {}
    for name in AGAIN:
        carrier = PARTS[name].carrier
        written |= PARTS[name].make(fetched[carrier] if carrier else Path(), tmp_path)
    manual = hgweb.pages_of_manual(fetched[carriers.MERCURIAL], ["ru"], tmp_path)["ru"]
    written |= _warc(tmp_path, "mercurial-7.2.4-ru", carriers.MERCURIAL, manual)
    listed = read_json(sample / "sample.json")["files"]
    assert {path: (count, sha256_file(tmp_path / path)) for path, count in written.items()} == {
        path: (listed[path]["records"], listed[path]["sha256"]) for path in written
    }
    assert len(written) >= 13
