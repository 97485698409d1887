"""Lookups in block lists: what fits, what nearly fits, and that the compiled reader equals the readable one."""

import gzip
import random
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.urls.index import _KINDS, BlockIndex, Match, _hashes, load, normal_entry, split_url
from tasks.urls.kernels import hash_keys
from tasks.urls.lists import BlockList, BlockListMissing, Kind, fingerprint, pin
from tasks.urls.stage import UrlsConfig, look_up_urls
from tasks.urls.suffixes import registered


def block_list(folder: Path, name: str, kind: Kind, *lines: str) -> BlockList:
    """A list of these lines."""
    path = folder / f"{name}.list"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pin(BlockList(name=name, path=str(path), kind=kind))


def found(index: BlockIndex, url: str) -> tuple[list[str], str | None]:
    """Lists and entry of one URL."""
    (match,) = index.find([url])
    assert isinstance(match, Match)
    return match.lists, match.entry


@pytest.mark.parametrize(
    ("url", "blocked"),
    [
        ("https://mill.example.org/", "mill.example.org"),
        ("http://MILL.Example.ORG:8080/a?b#c", "mill.example.org"),
        ("https://deep.under.mill.example.org/x", "mill.example.org"),
        ("https://user:secret@mill.example.org/", "mill.example.org"),
        ("https://mill.example.org./", "mill.example.org"),
        ("<https://mill.example.org/>", "mill.example.org"),
        ("//mill.example.org/page", "mill.example.org"),
        ("mill.example.org/page", "mill.example.org"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://192.0.2.7/", "192.0.2.7"),
        ("https://windmill.example.org/", None),
        ("https://example.org/mill.example.org", None),
        ("https://mill.example.org.example.net/", None),
        ("https://host.invalid/?next=https://mill.example.org/", None),
        ("http://192.0.2.7.example.net/", None),
        ("dns:mill.example.org", None),
        ("urn:uuid:00000000", None),
        ("", None),
    ],
)
def test_a_domain_blocks_itself_and_all_below_it(tmp_path: Path, url: str, blocked: str | None):
    lines = ["# grain", "", "0.0.0.0 mill.example.org # why", "*.Bücher.example", "192.0.2.7"]
    index = BlockIndex([block_list(tmp_path, "a", "domains", *lines)])
    assert found(index, url) == (["a"] if blocked else [], blocked)


@pytest.mark.parametrize(
    ("url", "blocked"),
    [
        ("http://example.org/Old/Page", True),
        ("https://www.example.org:443/old/page/#part", True),
        ("https://example.org/old/page?view=1", False),
        ("https://example.org/old/page/more", False),
        ("https://example.org/shop?id=7", True),
        ("https://example.org/shop", False),
    ],
)
def test_a_url_blocks_itself_however_it_is_written(tmp_path: Path, url: str, blocked: bool):
    index = BlockIndex(
        [block_list(tmp_path, "u", "urls", "https://www.example.org/old/page/", "example.org/shop?id=7")]
    )
    assert found(index, url)[0] == (["u"] if blocked else [])


def test_words_are_whole_and_substrings_are_not(tmp_path: Path):
    index = BlockIndex(
        [
            block_list(tmp_path, "words", "words", "grist"),
            block_list(tmp_path, "soft", "soft_words", "bran", "husk"),
            block_list(tmp_path, "inside", "substrings", "flour", "/tag/"),
        ]
    )
    assert found(index, "https://a.example/new-grist") == (["words"], "grist")
    assert found(index, "https://a.example/gristmill") == ([], None)
    assert found(index, "https://a.example/wholeflourbag") == (["inside"], "flour")
    assert found(index, "https://a.example/f-l-o-u-r") == (["inside"], "flour")
    assert found(index, "https://a.example/tag/x") == (["inside"], "/tag/")
    (match,) = index.find(["https://a.example/bran/husk?bran=1"])
    assert match == Match([], None, 2, "a.example")


def test_all_lists_that_hold_a_url_are_named_in_the_order_of_the_recipe(tmp_path: Path):
    first = block_list(tmp_path, "first", "domains", "example.org")
    second = block_list(tmp_path, "second", "domains", "a.example.org", "example.org")
    assert found(BlockIndex([first, second]), "https://a.example.org/") == (["first", "second"], "example.org")
    assert found(BlockIndex([second, first]), "https://a.example.org/") == (["second", "first"], "a.example.org")


LINES = st.lists(
    st.text(alphabet=" \t\r*.:/#?@wWaBz09-_%üß\0", max_size=24).map(lambda line: line.replace("\n", "")), max_size=20
)


@given(LINES, st.sampled_from(["domains", "urls"]))
def test_the_compiled_reader_of_lists_equals_the_readable_one(lines: list[str], kind: Kind):
    entries = [normal_entry(kind, line) for line in lines]
    encoded = [entry.encode() for entry in entries if entry]
    offsets = np.cumsum([0, *map(len, encoded)]).astype(np.int64)
    wanted = np.empty(len(encoded), np.uint64)
    kinds = np.full(len(encoded), _KINDS[kind], np.int64)
    hash_keys(np.frombuffer(b"".join(encoded) or b"\0", np.uint8), offsets, kinds, wanted)
    assert sorted(_hashes(kind, "\n".join(lines).encode()).tolist()) == sorted(wanted.tolist())


@given(st.text(max_size=60))
def test_any_text_is_looked_up(url: str):
    address = split_url(url)
    assert address is None or (address.host and "/" not in address.host)


def test_lookups_among_many_entries_equal_a_set_of_strings(tmp_path: Path):
    draw = random.Random(5)
    names = [f"n{draw.randrange(10**9)}.{draw.choice(['org', 'net', 'co.uk'])}" for _ in range(200_000)]
    path = tmp_path / "many.gz"
    path.write_bytes(gzip.compress("\n".join(names).encode(), 1))
    index = load((pin(BlockList(name="many", path=str(path), kind="domains")),))
    held = set(names)
    hosts = [
        draw.choice(["", "www."]) + draw.choice([draw.choice(names), f"n{draw.randrange(10**9)}.org"])
        for _ in range(2000)
    ]
    for host, match in zip(hosts, index.find([f"https://{host}/x" for host in hosts]), strict=True):
        assert match is not None
        assert bool(match.lists) == any(".".join(host.split(".")[at:]) in held for at in range(host.count(".") + 1))


def test_entries_cost_ten_bytes_each(tmp_path: Path):
    path = tmp_path / "domains"
    path.write_text("".join(f"host-number-{number}.example.org\n" for number in range(100_000)), encoding="utf-8")
    index = BlockIndex([BlockList(name="many", path=str(path))])
    assert len(index) == 100_000
    assert (index._hashes.nbytes + index._lists.nbytes) / len(index) == 10


def test_a_list_that_changes_is_another_list(tmp_path: Path):
    one = block_list(tmp_path, "a", "domains", "example.org")
    Path(one.path).write_text("example.net\n", encoding="utf-8")
    with pytest.raises(BlockListMissing, match="not the one that the run began with"):
        load((one,))
    assert fingerprint(one) != one.sha256
    with pytest.raises(BlockListMissing, match="as the recipe says"):
        pin(one)


def test_a_list_that_is_missing_says_where_it_was_looked_for(tmp_path: Path):
    with pytest.raises(BlockListMissing, match="nowhere"):
        pin(BlockList(name="a", path=str(tmp_path / "nowhere")))
    (tmp_path / "mystery").write_text("x\n")
    with pytest.raises(BlockListMissing, match="Set `kind`"):
        pin(BlockList(name="a", path=str(tmp_path / "mystery")))


def registered_domains(urls: list[str]) -> list[str | None]:
    """Those that the compiled pass finds."""
    return BlockIndex([]).look_up(pa.array(urls, pa.string())).registered


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://a.b.example.co.uk/x", "example.co.uk"),
        ("https://www.example.com", "example.com"),
        ("http://192.0.2.7/", None),
        ("https://co.uk/", None),
        ("dns:example.org", None),
    ],
)
def test_the_registered_domain_is_below_the_public_suffix(url: str, domain: str | None):
    assert registered_domains([url]) == [domain]


def test_registered_domains_equal_those_of_tldextract():
    import tldextract

    oracle = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    rules = sorted({rule.lstrip("!*.") for rule in oracle.tlds if rule.isascii()})
    hosts = [
        host
        for rule in rules
        for host in (rule, f"mill.{rule}", f"www.mill.{rule}", f"a.b.c.{rule}", f"mill.{rule}.unknown")
    ]
    wanted = [oracle.extract_str(host).top_domain_under_public_suffix or None for host in hosts]
    assert registered_domains([f"https://{host}/" for host in hosts]) == wanted
    assert [registered(host) for host in hosts] == wanted


LABELS = ["mill", "www", "a-b", "x_1", "co", "uk", "com", "kobe", "jp", "city", "ck", "github", "io", "7", ""]
HOSTS = st.lists(st.sampled_from(LABELS), min_size=1, max_size=5).map(".".join)
URLS = st.text(alphabet=" \t\n<>:/?#@[].-_wWmilL1k7üß%", max_size=30) | st.builds(
    lambda before, host, port, path, after: f"{before}{host}{port}{path}{after}",
    st.sampled_from(["http://", "HTTPS://", "//", "", " <http://", "a+b.c-d://", "http://u@", "http://[", "dns:"]),
    HOSTS,
    st.sampled_from(["", "", ":", ":80", ":8x"]),
    st.lists(st.sampled_from(["/", "mill", "Bran", "husk", "?", "#", "flour", "-", "f-l-o-u-r", "/tag/"])).map("".join),
    st.sampled_from(["", "", ">", "> ", "\n", "\x1f", "ü", "/", "//"]),
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> list[BlockList]:
    """Lists of every kind."""
    folder = tmp_path_factory.mktemp("lists")
    return [
        block_list(folder, "d", "domains", "mill.com", "a-b.mill.com", "co.uk", "7", "com", "github.io", "7.7"),
        block_list(folder, "u", "urls", "mill.com/mill", "http://www.co.uk", "github.io/", "mill.co.uk/?mill", "www"),
        block_list(folder, "e", "domains", "mill.com", "x_1.uk", "kobe.jp"),
        block_list(folder, "w", "words", "mill", "7", "x_1"),
        block_list(folder, "v", "words", "mill"),
        block_list(folder, "s", "soft_words", "bran", "husk", "com"),
        block_list(folder, "i", "substrings", "flour", "/tag/", "millmill", "com/"),
    ]


@given(st.lists(st.none() | URLS, max_size=8), st.sampled_from([slice(0, 7), slice(0, 1), slice(1, 2), slice(3, 7)]))
def test_the_compiled_pass_says_what_the_lookup_of_one_url_says(
    mixed: list[BlockList], urls: list[str | None], some: slice
):
    config = UrlsConfig(block_lists=tuple(mixed[some]))
    batch = pa.RecordBatch.from_pydict({"url": pa.array(["http://first", *urls], pa.string())}).slice(1)
    rows = look_up_urls.fn(batch, config).to_pylist()  # type: ignore[misc]
    for url, row, match in zip(urls, rows, load(config.block_lists).find(urls), strict=True):
        if match is None:
            assert list(row.values()) == [None] * 5
            continue
        assert row == {
            "registered_domain": registered(match.host) if match.host else None,
            "blocked_by": match.lists[0] if match.lists else None,
            "blocked_entry": match.entry,
            "blocked_lists": match.lists or None,
            "n_soft_words": match.soft_words,
        }, url


def test_urls_of_the_usual_form_need_no_second_look(mixed: list[BlockList], monkeypatch: pytest.MonkeyPatch):
    asked: list[str | None] = []
    index = BlockIndex(mixed)
    monkeypatch.setattr(index, "find", lambda urls: asked.extend(urls) or [])
    usual = ["https://www.example.org/a/b?c=d&e=%20#f", "http://x_1.example.org:8080", "HTTP://EXAMPLE.ORG./"]
    assert index.look_up(pa.array(usual * 100)).registered == ["example.org"] * 300
    assert asked == []


def test_every_entry_of_the_ut1_lists_is_found(test_data: Path, tmp_path: Path):
    with tarfile.open(test_data / "filters" / "ut1-small.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    for folder in sorted(path for path in (tmp_path / "ut1").iterdir() if path.is_dir()):
        if not any((folder / name).is_file() for name in ("domains", "urls")):
            continue
        index = BlockIndex([pin(BlockList(name=folder.name, path=str(folder)))])
        assert len(index)
        for name in ("domains", "urls"):
            if (folder / name).is_file():
                lines = (folder / name).read_bytes().decode("utf-8", "replace").split("\n")
                entries = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
                missed = [
                    entry
                    for entry, match in zip(entries, index.find([f"http://{one}" for one in entries]), strict=True)
                    if match is None or match.lists != [folder.name]
                ]
                assert len(missed) <= 0.001 * len(entries), (folder.name, name, missed[:3])
