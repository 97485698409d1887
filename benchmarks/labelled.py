"""Pages with known main text, and how near an extractor's text comes to it.

Two sets have a truth: trafilatura's evaluation pages (short strings that must and must not be in the text) and fundus's
news pages (the publisher's body text). Two more have the output that another extractor once gave (readability,
defuddle): agreement with it says how alike two extractors are, not who is right.

Half of the pages of the first two sets is held out: those of whose domain the SHA-256 begins with an odd byte. No
weight was learned from them. Designs were compared on both halves, so they are no proof of what was never looked at.
"""

import gzip
import hashlib
import json
import re
import statistics
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CORPORA = (
    "trafilatura-pages.tar.gz",
    "trafilatura-truth.jsonl.gz",
    "fundus-pages.tar.gz",
    "fundus-truth.jsonl.gz",
)
"""The files of the two sets with a truth, below `extract/` of the test data."""

_WORD = re.compile(r"\w+")
# Han, kana, Hangul and Thai are compared by character: they put no spaces between words, or few.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_MARKDOWN_HEAD = re.compile(r"\A```json.*?```\s*", re.S)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class LabelledPage:
    """A page and what is known of its text.

    Attributes:
        kind: snippets, news, readability or defuddle.
        truth: the row of the truth file, or for the last two `{"expected": text}`.
    """

    kind: str
    name: str
    url: str | None
    body: bytes
    truth: Mapping[str, Any]

    @property
    def held_out(self) -> bool:
        """Whether no weight was learned from this page."""
        domain = (urlsplit(self.url).hostname or self.url).removeprefix("www.") if self.url else self.name
        return hashlib.sha256(domain.encode()).digest()[0] % 2 == 1


def read_pages(data: Path, kinds: Iterable[str] = ("snippets", "news")) -> Iterator[LabelledPage]:
    """The pages of these kinds, from the folder of the test data."""
    folder = data / "extract"
    for kind in kinds:
        if kind in ("snippets", "news"):
            name = "trafilatura" if kind == "snippets" else "fundus"
            bodies = _members(folder / f"{name}-pages.tar.gz")
            for line in gzip.decompress((folder / f"{name}-truth.jsonl.gz").read_bytes()).split(b"\n"):
                if line.strip():
                    truth = json.loads(line)
                    yield LabelledPage(kind, truth["file"], truth["url"], bodies[f"pages/{truth['file']}"], truth)
        elif kind == "readability":
            bodies = _members(folder / "readability-test-pages.tar.gz")
            for name, body in bodies.items():
                if name.endswith("/source.html"):
                    expected = _TAG.sub(" ", bodies[name.replace("/source.", "/expected.")].decode())
                    yield LabelledPage(kind, name.split("/")[-2], None, body, {"expected": expected})
        else:
            bodies = _members(folder / "defuddle-fixtures.tar.gz")
            for name, body in bodies.items():
                markdown = "expected/" + Path(name).name.removesuffix(".html") + ".md"
                if name.startswith("fixtures/") and markdown in bodies:
                    expected = _MARKDOWN_HEAD.sub("", bodies[markdown].decode())
                    yield LabelledPage(kind, Path(name).name, None, body, {"expected": expected})


def _members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {
            member.name.removeprefix("./"): file.read()
            for member in archive
            if member.isfile() and (file := archive.extractfile(member))
        }


def corpus_hashes(data: Path) -> dict[str, str]:
    """SHA-256 of each file of CORPORA."""
    return {name: hashlib.sha256((data / "extract" / name).read_bytes()).hexdigest() for name in CORPORA}


def snippet_scores(pages: Iterable[LabelledPage], text_of: Callable[[LabelledPage], str]) -> tuple[float, float, float]:
    """F1, precision and recall over all snippets, as trafilatura's evaluation counts them.

    A wanted string in the text is a true positive, an unwanted one a false positive; white space is normalised.
    """
    right = missed = wrong = 0
    for page in pages:
        text = _plain(text_of(page))
        wanted = sum(_plain(snippet) in text for snippet in page.truth["with"])
        right += wanted
        missed += len(page.truth["with"]) - wanted
        wrong += sum(_plain(snippet) in text for snippet in page.truth["without"])
    precision, recall = right / max(right + wrong, 1), right / max(right + missed, 1)
    return 2 * precision * recall / max(precision + recall, 1e-9), precision, recall


def token_scores(pages: Iterable[LabelledPage], text_of: Callable[[LabelledPage], str]) -> tuple[float, float, float]:
    """F1, precision and recall of the text's tokens (as a multiset) against the truth's, each the mean over pages."""
    scores = [_token_score(text_of(page), _expected(page)) for page in pages]
    return tuple(statistics.fmean(score[index] for score in scores) for index in range(3))  # type: ignore[return-value]


def _expected(page: LabelledPage) -> str:
    if page.kind != "news":
        return page.truth["expected"]
    body = page.truth["expected"]["body"]
    parts = [part for section in body["sections"] for part in (*section["headline"], *section["paragraphs"])]
    return "\n".join([*body["summary"], *parts])


def _token_score(text: str, expected: str) -> tuple[float, float, float]:
    found, wanted = _tokens(text), _tokens(expected)
    both = sum((found & wanted).values())
    if not both:
        return 0.0, 0.0, 0.0
    precision, recall = both / found.total(), both / wanted.total()
    return 2 * precision * recall / (precision + recall), precision, recall


def _tokens(text: str) -> Counter[str]:
    tokens: Counter[str] = Counter()
    for word in _WORD.findall(text.lower()):
        tokens.update(word if _UNSPACED.search(word) else (word,))
    return tokens


def _plain(text: str) -> str:
    return " ".join(text.split())
