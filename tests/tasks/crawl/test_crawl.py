"""A crawl of a site of our own on loopback: what is fetched, what is not, and how it is kept."""

import gzip
import ipaddress
import sqlite3
import ssl
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from warcio.archiveiterator import ArchiveIterator

from tasks.console import Console
from tasks.crawl.config import CrawlConfig
from tasks.crawl.run import Crawled, CrawlError, crawl
from tasks.crawl.state import STATE
from tests.tasks.crawl.site import Answer, Site, moved, page, serving

TEXT = {"Content-Type": "text/plain"}


def run(site: Site, folder: Path, dry_run: bool = False, **more: Any) -> Crawled:
    """Crawl a site without delay, from its first page."""
    quick = {
        "seeds": (site.url(),),
        "delay": 0.0,
        "allow_private": ("127.0.0.1",),
        "refetch_hours": 0.0,
        "timeout": 5.0,
    }
    config = CrawlConfig(contact="miller@mill.example", **(quick | more))
    return crawl(config, folder, "mill", Console(quiet=True), dry_run)


def records(found: Crawled) -> list[Any]:
    """(type, path, status or None, body) of every record, read by warcio with its digests checked."""
    listed = []
    for path in found.files:
        with open(path, "rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                path_ = (record.rec_headers.get_header("WARC-Target-URI") or "").partition("://")[2].partition("/")[2]
                status = record.http_headers.get_statuscode() if record.rec_type == "response" else None
                listed.append((record.rec_type, path_, status, record.content_stream().read()))
    return listed


def test_links_are_followed_within_the_host_its_rules_and_the_depth(tmp_path: Path):
    robots = b"User-agent: *\nDisallow: /private\n"
    pages = {
        "/robots.txt": (200, TEXT, robots),
        "/": page("one", "/a", "/moved", "/private/x", "http://elsewhere.example/", "/a#part", "mailto:m@mill.example"),
        "/a": page("two", "/b"),
        "/b": page("three", "/too-far"),
        "/too-far": page("four"),
        "/moved": moved("/target", 301),
        "/target": page("five"),
    }
    with serving(pages) as site:
        found = run(site, tmp_path, depth=2)
    assert sorted(site.paths) == ["/", "/a", "/b", "/moved", "/target"]
    assert site.asked[0][0] == "/robots.txt"
    assert {agent for _, agent, _, _ in site.asked} == {"gristmill/0.1 (+miller@mill.example)"}
    assert found.refused == {"robots": 1, "domain": 1}
    listed = records(found)
    assert {(path, status) for kind, path, status, _ in listed if kind == "response"} == {
        ("", "200"), ("a", "200"), ("b", "200"), ("moved", "301"), ("target", "200"),
    }  # fmt: skip
    assert Counter(kind for kind, *_ in listed) == {"warcinfo": 1, "response": 5, "request": 5}
    assert next(body for kind, path, _, body in listed if (kind, path) == ("response", "a")) == pages["/a"]
    with sqlite3.connect(tmp_path / STATE) as state:
        assert state.execute("select body from robots").fetchall() == [(robots,)]


def test_links_that_lead_nowhere_are_no_fault_of_the_page(tmp_path: Path):
    links = ["http://[::1/x", "http://127.0.0.1:99999/", "http:///", "javascript:void(0)", "data:text/html,x", "/a"]
    with serving({"/a": page("a")}) as site:
        named = site.url("/secret").replace("http://", "http://miller:rye@")
        site.pages |= {"/": page("one", *links, named, "/hop"), "/hop": moved("http://[half")}
        found = run(site, tmp_path)
    assert sorted(site.paths) == ["/", "/a", "/hop"]
    assert found.pages == 3
    assert found.refused["password"] == 1


def test_what_has_not_changed_is_a_revisit_and_its_links_are_still_followed(tmp_path: Path):
    untagged = {"ETag": "", "Content-Type": "text/html"}
    pages: dict[str, Any] = {"/": page("one", "/a"), "/a": page("two", "/b"), "/b": (200, untagged, page("three"))}
    with serving(pages) as site:
        first = run(site, tmp_path)
        site.asked.clear()
        pages["/a"] = page("two, changed", "/b")
        second = run(site, tmp_path)
    assert (first.pages, second.pages, second.unchanged) == (3, 1, 2)
    tags = {path: tag for path, _, tag, _ in site.asked}
    assert tags["/"] is not None
    assert tags["/b"] in (None, "")
    listed = records(second)
    assert [path for kind, path, *_ in listed if kind == "revisit"] == ["", "b"]
    assert [body for kind, _, _, body in listed if kind == "response"] == [pages["/a"]]
    with open(second.files[0], "rb") as stream:
        headers = [one.rec_headers for one in ArchiveIterator(stream) if one.rec_type == "revisit"]
    assert [one.get_header("WARC-Profile").rpartition("/")[2] for one in headers] == [
        "server-not-modified", "identical-payload-digest",
    ]  # fmt: skip
    with open(first.files[0], "rb") as stream:
        ids = {one.rec_headers.get_header("WARC-Target-URI"): one.rec_headers.get_header("WARC-Record-ID")
               for one in ArchiveIterator(stream) if one.rec_type == "response"}  # fmt: skip
    assert [one.get_header("WARC-Refers-To") for one in headers] == [ids[site.url("/")], ids[site.url("/b")]]


def test_what_was_fetched_not_long_ago_is_not_asked_for_and_what_lies_behind_it_is(tmp_path: Path):
    with serving({"/": page("one", "/a"), "/a": page("two", "/b"), "/b": page("three")}) as site:
        run(site, tmp_path, max_pages=2)
        site.asked.clear()
        found = run(site, tmp_path, refetch_hours=1.0)
    assert site.paths == ["/b"]
    assert found.refused == {"recent": 2}


def test_sitemaps_of_robots_txt_and_of_the_recipe_are_read_and_indexes_too(tmp_path: Path):
    with serving({}) as site:
        listing = '<?xml version="1.0"?><{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{1}</{0}>'
        index = "".join(
            f"<sitemap><loc>{site.url(path)}</loc></sitemap>" for path in ("/one.xml.gz", "/broken.xml", "/bomb")
        )
        places = "".join(f"<url><loc>{site.url(path)}</loc></url>" for path in ("/x", "/y"))
        more = f"<url><loc>{site.url('/z')}</loc></url><url><loc>http://elsewhere.example/</loc></url>"
        site.pages |= {
            "/robots.txt": (200, TEXT, f"Sitemap: {site.url('/index.xml')}\n".encode()),
            "/index.xml": (200, {"Content-Type": "application/xml"}, listing.format("sitemapindex", index).encode()),
            "/one.xml.gz": (200, TEXT, gzip.compress(listing.format("urlset", places).encode())),
            "/bomb": (200, TEXT, gzip.compress(bytes(60 << 20))),
            "/broken.xml": (200, TEXT, b"\x00\x01 no xml <<<"),
            "/more.xml": (200, TEXT, listing.format("urlset", more).encode()),
            **{path: page(path) for path in ("/x", "/y", "/z")},
        }
        found = run(site, tmp_path, seeds=(), sitemaps=(site.url("/more.xml"),), depth=0)
    assert {path for kind, path, *_ in records(found) if kind == "response"} == {"x", "y", "z"}
    assert found.refused["domain"] == 1


def endless(path: str) -> Answer:
    """A calendar: each page leads to the next ones. And redirects without an end below /hop/."""
    name, _, number = path.strip("/").partition("/")
    if name == "hop":
        return moved(f"/hop/{int(number) + 1}")
    if name == "cal":
        return 200, {}, page(path, f"/cal/{int(number or 0) + 1}", f"/cal/{int(number or 0) + 2}")
    return 404, {}, b"nothing here"


def test_calendars_loops_huge_and_slow_answers_end(tmp_path: Path):
    bomb = gzip.compress(bytes(50 << 20))
    pages: dict[str, Any] = {
        "/robots.txt": (200, TEXT, bytes(range(256)) * 50 + b"\nDisallow /\n\xff\xfe: : :\n"),
        "/": page("one", "/loop/a", "/hop/0", "/huge", "/lying", "/slow", "/bomb", "/picture", "/cal/0"),
        "/loop/a": moved("/loop/b"),
        "/loop/b": moved("/loop/a"),
        "/huge": (200, {}, b"<p>x</p>" * 50_000),
        "/lying": (200, {"Content-Length": str(1 << 40)}, b"<p>x</p>"),
        "/bomb": (200, {"Content-Encoding": "gzip"}, bomb),
        "/slow": (200, {}, page("slow")),
        "/picture": (200, {"Content-Type": "image/png"}, b"\x89PNG"),
    }
    with serving(pages) as site:
        site.anything, site.drip = endless, {"/slow": 0.2}
        found = run(site, tmp_path, depth=1000, max_pages=40, max_page_bytes=100_000, timeout=1.0)
    counts = Counter(path.split("/")[1] for path in site.paths)
    assert counts["hop"] == 6  # the first, and five redirects
    assert counts["loop"] <= 6
    assert (counts["huge"], counts["lying"], counts["bomb"], counts["picture"]) == (1, 1, 1, 1)
    assert counts["slow"] == 2  # it is tried once more
    assert found.ended_by == "max_pages"
    assert found.refused["type"] == 1
    kept = {path for kind, path, *_ in records(found) if kind == "response"}
    assert {"", "cal/0", "cal/9"} <= kept
    assert kept.isdisjoint({"huge", "lying", "slow", "picture"})
    assert sum(counts.values()) <= 42


def test_hosts_whose_rules_cannot_be_known_or_ask_for_too_much_are_left_alone(tmp_path: Path):
    answers: list[tuple[Answer, str]] = [
        ((500, {}, b"oops"), "no-robots"),
        ((200, TEXT, b"# nothing\n" * 1_000_000), "no-robots"),
        ((200, {"Content-Length": "10000"}, b"User-agent: *\n"), "no-robots"),
        (moved("/robots.txt"), "no-robots"),
        ((200, TEXT, b"User-agent: *\nCrawl-delay: 90\n"), "slow-robots"),
    ]
    with ExitStack() as stack:
        sites = [stack.enter_context(serving({"/robots.txt": robots, "/": page("one")})) for robots, _ in answers]
        found = run(sites[0], tmp_path, seeds=tuple(site.url() for site in sites), timeout=2.0)
    assert [site.paths for site in sites] == [[]] * len(sites)
    assert found.refused == Counter(reason for _, reason in answers)
    assert found.files == []


def test_a_crawl_delay_is_kept_to(tmp_path: Path):
    robots = (200, TEXT, b"User-agent: *\nCrawl-delay: 0.3\n")
    with serving({"/robots.txt": robots, "/": page("one", "/a", "/b"), "/a": page("a"), "/b": page("b")}) as site:
        run(site, tmp_path)
    times = [when for path, _, _, when in site.asked if path != "/robots.txt"]
    assert len(times) == 3
    assert times[-1] - times[0] > 0.5


def test_a_host_is_asked_for_one_page_at_a_time(tmp_path: Path):
    pages: dict[str, Any] = {"/": page("one", *(f"/{number}" for number in range(5)))}
    with serving(pages | {f"/{number}": (200, {}, b"<p>slow</p>") for number in range(5)}) as site:
        site.drip = {f"/{number}": 0.005 for number in range(5)}
        run(site, tmp_path)
    assert len(site.paths) == 6
    assert site.at_once == 1


def test_a_busy_host_is_left_alone_after_some_answers(tmp_path: Path):
    busy: Answer = (503, {"Retry-After": "3600"}, b"later")
    pages: dict[str, Any] = {"/": page("one", *(f"/{number}" for number in range(9)))}
    with serving(pages | {f"/{number}": busy for number in range(9)}) as site:
        found = run(site, tmp_path, longest_delay=0.1)
    assert len(site.paths) < 5
    assert found.refused["busy"] >= 7


def test_a_page_that_says_nofollow_leads_nowhere(tmp_path: Path):
    pages: dict[str, Any] = {
        "/": page("one", "/a", "/b").replace(b"<article>", b'<a rel="nofollow" href="/z">z</a>'),
        "/a": page("a", "/x", head='<meta name="ROBOTS" content="noindex, NOFOLLOW">'),
        "/b": (200, {"X-Robots-Tag": "none"}, page("b", "/y")),
    }
    with serving(pages) as site:
        run(site, tmp_path)
    assert sorted(site.paths) == ["/", "/a", "/b"]


def test_a_dry_run_asks_for_robots_and_sitemaps_alone_and_writes_nothing(tmp_path: Path):
    with serving({"/robots.txt": (200, TEXT, b"User-agent: *\nDisallow: /no\n"), "/": page("one", "/a")}) as site:
        found = run(site, tmp_path / "new", dry_run=True, seeds=(site.url(), site.url("/no")))
    assert site.paths == []
    assert found.would == [site.url()]
    assert not (tmp_path / "new").exists()


def private_links(port: int) -> list[str]:
    """Ways to write the loopback address that is not allowed, and other addresses that are not public."""
    hosts = [
        "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]",
        "169.254.169.254", "10.0.0.1",
    ]  # fmt: skip
    return [f"http://{host}:{port}/secret" for host in hosts]


def test_no_link_and_no_redirect_leads_to_a_private_address(tmp_path: Path):
    with (
        serving({"/secret": page("secret"), "/robots.txt": (200, TEXT, b"")}) as secret,
        serving({}, "127.0.0.3") as site,
    ):
        links = private_links(int(secret.address.rpartition(":")[2]))
        hops = {f"/hop{number}": moved(f"{link}?hop") for number, link in enumerate(links)}
        site.pages |= {"/": page("one", *links, *hops), **hops}
        domains = tuple(link.split("/")[2].rpartition(":")[0].strip("[]") for link in links)
        found = run(site, tmp_path, domains=("127.0.0.3", *domains), allow_private=("127.0.0.3",))
    assert secret.asked == []
    assert sorted(site.paths) == sorted(["/", *hops])
    assert found.refused == {"private": 2 * len(links)}
    assert found.failed == 0


def test_not_even_a_robots_txt_is_fetched_over_a_redirect_to_a_private_address(tmp_path: Path):
    with serving({"/robots.txt": (200, TEXT, b"")}) as secret, serving({"/": page("one")}, "127.0.0.3") as site:
        site.pages["/robots.txt"] = moved(secret.url("/robots.txt"))
        found = run(site, tmp_path, allow_private=("127.0.0.3",))
    assert (secret.asked, site.paths) == ([], [])
    assert found.refused == {"private": 1}


def test_by_default_nothing_on_loopback_is_fetched(tmp_path: Path):
    with serving({"/": page("one")}) as site:
        found = run(site, tmp_path, allow_private=False)
    assert site.asked == []
    assert found.refused == {"private": 1}


def certificate(folder: Path) -> Path:
    """A key and a certificate for loopback that nobody vouches for, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    day = datetime.now(UTC).replace(microsecond=0)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, day - timedelta(1), day + timedelta(1))
    signed = built.add_extension(address, critical=False).sign(key, hashes.SHA256())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    (folder / "site.pem").write_bytes(text)
    return folder / "site.pem"


def test_a_site_that_nobody_vouches_for_is_not_read(tmp_path: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with serving({"/": page("one")}, context=context) as site:
        found = run(site, tmp_path / "crawl")
    assert site.asked == []
    assert (found.pages, found.refused) == (0, {"no-robots": 1})


def test_two_crawls_do_not_write_into_one_folder(tmp_path: Path):
    import fcntl

    with open(tmp_path / ".crawl.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with serving({}) as site, pytest.raises(CrawlError, match="Another crawl is writing"):
            run(site, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [{"seeds": ()}, {"seeds": ("ftp://a.example/",)}, {"contact": "a b"}, {"allow_private": ("10.0.0.1/8",)}],
)
def test_a_crawl_that_cannot_be_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        CrawlConfig(**({"contact": "m@mill.example", "seeds": ("http://a.example/",)} | wrong))
