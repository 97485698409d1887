"""What a crawl may fetch, how gently, and where it ends."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from tasks.config import StageConfig
from tasks.crawl.addresses import networks

Url = Annotated[str, Field(pattern=r"^https?://[^\s/]")]


class CrawlConfig(StageConfig):
    """Where a crawl begins, how far it goes, and how gently. `robots.txt` is always obeyed."""

    contact: str = Field(
        min_length=3,
        pattern=r"^[\x21-\x7e]+$",
        description="An e-mail address or page by which who runs a site can reach you: it stands in the user agent.",
    )
    seeds: tuple[Url, ...] = Field(default=(), description="Pages to begin with.")
    sitemaps: tuple[Url, ...] = Field(default=(), description="Sitemaps to begin with, or indexes of sitemaps.")
    robots_sitemaps: bool = Field(default=True, description="Whether sitemaps that a robots.txt names are read too.")
    domains: tuple[str, ...] = Field(
        default=(), description="Hosts that may be fetched from, with what lies below them. Empty: those of the seeds."
    )
    exclude: tuple[str, ...] = Field(default=(), description="Globs of URLs that are not fetched, such as */print/*.")
    depth: int = Field(default=3, ge=0, description="How many links away from a seed or sitemap a page may be.")
    max_pages: int = Field(default=1000, ge=1, description="At most so many pages are asked for in one crawl.")
    max_pages_per_host: int | None = Field(default=None, ge=1, description="At most so many of one host.")
    max_page_bytes: int = Field(default=8 << 20, ge=1, description="A larger answer is broken off.")
    max_bytes: int = Field(default=1 << 30, ge=1, description="The crawl ends when its answers come to so many bytes.")
    max_seconds: float = Field(default=3600.0, gt=0, description="The crawl ends after so many seconds.")
    content_types: tuple[str, ...] = Field(
        default=("text/", "application/xhtml+xml", "application/xml", "application/pdf", "application/epub+zip"),
        description="How the content types of wanted answers begin; the bodies of others are not fetched.",
    )
    delay: float = Field(
        default=2.0, ge=0, description="Seconds between two requests to a host; a longer Crawl-delay goes before."
    )
    longest_delay: float = Field(
        default=60.0, ge=0, description="A host that asks for a longer Crawl-delay, in seconds, is left out."
    )
    hosts_at_once: int = Field(
        default=8, ge=1, le=64, description="From so many hosts at once; from each one at a time."
    )
    timeout: float = Field(default=30.0, gt=0, description="Seconds that one answer may take, from asking to its end.")
    redirects: int = Field(default=5, ge=0, description="How many redirects in a row are followed.")
    refetch_hours: float = Field(
        default=20.0,
        ge=0,
        description="A page fetched less than so many hours ago is not asked for again; an older one, if it changed.",
    )
    file_bytes: int = Field(default=1 << 30, ge=1, description="A WARC file is closed when it has so many bytes.")
    allow_private: bool | tuple[str, ...] = Field(
        default=False,
        description="Whether addresses that are not public may be fetched from: true, or their networks (10.1.0.0/16).",
    )

    @model_validator(mode="after")
    def _check(self) -> "CrawlConfig":
        if not self.seeds and not self.sitemaps:
            raise ValueError("a crawl needs seeds or sitemaps to begin with")
        networks(self.allow_private)
        return self

    @property
    def user_agent(self) -> str:
        """How the crawler calls itself, with its contact."""
        return f"gristmill/0.1 (+{self.contact})"

    @property
    def allowed_domains(self) -> tuple[str, ...]:
        """The hosts that may be fetched from, in small letters."""
        named = self.domains or tuple(urlsplit(url).hostname or "" for url in (*self.seeds, *self.sitemaps))
        return tuple(dict.fromkeys(name.lower().strip(".") for name in named))
