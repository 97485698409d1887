"""Block lists: the URLs of documents against 4.5 million domains, beside datatrove's filter with the same lists."""

import itertools
import json
import random
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import PEERS, Contest, Contestant
from tasks.urls.index import load, split_url
from tasks.urls.lists import BlockList, Kind, pin
from tasks.urls.stage import UrlsConfig, look_up_urls
from tasks.urls.suffixes import registered

URLS = 100_000
SOFT_WORDS = 2
"""Soft words from which datatrove's filter drops (its default)."""
FILES: dict[Kind, str] = {
    "domains": "domains",
    "urls": "urls",
    "words": "banned_words.txt",
    "soft_words": "soft_banned_words.txt",
    "substrings": "banned_subwords.txt",
}

NOTES = f"""
{URLS:,} URLs, drawn with a fixed seed: hosts from the list, below hosts of the list, and made up. The lists are those
that datatrove carries. Loading them is set-up and not timed. Ours gives all lists that hold a URL, the entry, and the
registered domain; datatrove's filter stops at the first. Each difference is given its cause by the program.
"""


def prepare(folder: Path) -> None:
    """The lists out of the peers' package, and the URLs."""
    (assets,) = PEERS.glob("lib/python*/site-packages/datatrove/assets")
    with tarfile.open(assets / "url_filterblacklistsv0_3_0.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    for name in FILES.values():
        if (assets / name).exists():
            (folder / name).write_bytes((assets / name).read_bytes())
    draw = random.Random(1)
    with (folder / "domains").open(encoding="utf-8", errors="replace") as file:
        # some of them, as they stand: what this process holds counts as the contestants' memory
        domains = [line.strip() for line in itertools.islice(file, 0, None, 150) if line.strip()]
    addresses = [line for line in (folder / "urls").read_text(encoding="utf-8").split("\n") if line]
    words = [
        f"{first}{second}" for first in ("mill", "bread", "river", "Wheel", "grain") for second in ("", "s", "ing", "2")
    ]
    words += (folder / "soft_banned_words.txt").read_text(encoding="utf-8").split()[:1]
    with (folder / "urls.txt").open("w", encoding="utf-8") as file:
        for _ in range(URLS):
            path = "/".join(
                draw.choice(words) + draw.choice(["", "-" + draw.choice(words)]) for _ in range(draw.randint(0, 4))
            )
            made_up = (
                f"{draw.choice(words)}{draw.randrange(10**6)}.{draw.choice(['com', 'org', 'de', 'co.uk'])}".lower()
            )
            listed = draw.choice(domains)
            host = draw.choices([made_up, f"www.{made_up}", listed, f"a.b.{listed}"], [5, 3, 1, 1])[0]
            url = (
                f"https://{host}/{path}"
                if draw.random() > 0.02
                else draw.choice(["", "http://"]) + draw.choice(addresses)
            )
            file.write(f"{url if '//' in url else 'http://' + url}\n")


def ours(folder: Path, output: Path) -> Callable[[], int]:
    """The stage's function over batches of 256 URLs."""
    lists = tuple(pin(BlockList(name=kind, path=str(folder / name), kind=kind)) for kind, name in FILES.items())
    config = UrlsConfig(block_lists=lists)
    load(config.block_lists).look_up(pa.array(["https://example.org/"]))
    urls = (folder / "urls.txt").read_text(encoding="utf-8").split("\n")[:-1]
    batches = pa.Table.from_pydict({"url": urls}).to_batches(max_chunksize=256)

    def work() -> int:
        pq.write_table(pa.Table.from_batches([look_up_urls.fn(one, config) for one in batches]), output)  # type: ignore[misc]
        return len(urls)

    return work


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """How many URLs both drop, and the causes of the differences."""
    columns = pq.read_table(outputs["gristmill"], columns=["blocked_lists", "blocked_entry", "n_soft_words"])
    mine = [tuple(row.values()) for row in columns.to_pylist()]
    theirs = json.loads(outputs["datatrove"].read_text(encoding="utf-8"))
    causes: dict[str, int] = {}
    dropped = same = 0
    for (lists, entry, soft), (url, reason) in zip(mine, theirs["verdicts"], strict=True):
        blocked = bool(lists) or soft >= SOFT_WORDS
        dropped += blocked
        same += blocked == (reason is not None)
        if blocked != (reason is not None):
            cause = _cause(url, reason, lists, entry, soft)
            causes[cause] = causes.get(cause, 0) + 1
    lines = [
        f"Same verdict on {same:,} of {len(mine):,} URLs ({same / len(mine):.2%}); we drop {dropped:,}. Differences:",
        "",
    ]
    return lines + [f"- {count:,}: {cause}" for cause, count in sorted(causes.items(), key=lambda one: -one[1])]


def _cause(url: str, reason: str | None, lists: list[str] | None, entry: str | None, soft: int) -> str:
    address = split_url(url)
    host = address.host if address else ""
    if reason is None and lists == ["domains"]:
        domain = registered(host)
        if entry == host:
            return "only we: the host is an entry in another form (IDNA, a dot at its end, a port)"
        if domain is None or len(entry or "") < len(domain):
            return "only we: an entry above the registered domain (a public suffix)"
        return "only we: an entry between the host and its registered domain"
    if reason is None and lists and "urls" in lists:
        return "only we: the address is listed without its scheme, or written otherwise"
    if reason is None and lists and lists[0] == "words":
        return "only we: a word with capitals in it"
    if reason is None and soft >= SOFT_WORDS:
        return "only we: soft words with capitals in them"
    return f"left over: {reason or lists}"


CONTEST = Contest(
    name="urls",
    title="Block lists",
    unit="URLs",
    contestants=[Contestant("gristmill", "ours"), Contestant("datatrove", "datatrove", peer=True)],
    prepare=prepare,
    baseline="datatrove",
    compare=compare,
    notes=NOTES,
)
