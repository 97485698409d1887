"""datatrove's URLFilter with its own lists."""

import json
from collections.abc import Callable
from pathlib import Path


def datatrove(folder: Path, output: Path) -> Callable[[], int]:
    """The filter, document by document; the public suffix list is the one that tldextract carries."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import URLFilter
    from tldextract import TLDExtract

    def lines(name: str) -> list[str]:
        return [line for line in (folder / name).read_text(encoding="utf-8").split("\n") if line]

    made = URLFilter(
        extra_domains=lines("domains"),
        extra_urls=lines("urls"),
        banned_words=lines("banned_words.txt"),
        banned_subwords=lines("banned_subwords.txt"),
        soft_banned_words=lines("soft_banned_words.txt"),
        use_integrated_lists=False,
    )
    made.tldextractor = TLDExtract(suffix_list_urls=(), cache_dir=None)
    urls = (folder / "urls.txt").read_text(encoding="utf-8").split("\n")[:-1]
    documents = [Document(text="", id=str(number), metadata={"url": url}) for number, url in enumerate(urls)]
    made.tldextractor(urls[0])

    def work() -> int:
        verdicts = [made.filter(document) for document in documents]
        told = [None if verdict is True else verdict[1] for verdict in verdicts]
        output.write_text(json.dumps({"verdicts": list(zip(urls, told, strict=True))}))
        return len(urls)

    return work
