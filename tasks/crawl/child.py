"""The process of a crawl: Scrapy's reactor cannot be started twice in one, so each crawl has its own.

python -m tasks.crawl.child        settings as JSON on standard input; lines of JSON on standard output
"""

import ctypes
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tasks.crawl.addresses import guard, networks
from tasks.crawl.archive import Archive
from tasks.crawl.config import CrawlConfig
from tasks.crawl.progress import Progress
from tasks.crawl.session import KEY, Session
from tasks.crawl.state import State

PR_SET_PDEATHSIG = 1
LOG = ".crawl.log"
LEAST_DELAY = 0.005


def settings_of(session: Session) -> dict[str, Any]:
    """Scrapy's settings of a crawl."""
    config = session.config
    keeping = {"tasks.crawl.keeping.Keeping": 950} if session.archive else {}
    return {
        KEY: session,
        "USER_AGENT": config.user_agent,
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
            # through a proxy the address of the site would be the proxy's choice, unseen by us
            "scrapy.downloadermiddlewares.httpproxy.HttpProxyMiddleware": None,
            "scrapy.downloadermiddlewares.httpauth.HttpAuthMiddleware": None,
            "scrapy.downloadermiddlewares.redirect.MetaRefreshMiddleware": None,
            "tasks.crawl.rules.Rules": 50,
            "tasks.crawl.rules.Robots": 100,
            "tasks.crawl.rules.Limits": 900,
            **keeping,
        },
        "DOWNLOAD_HANDLERS": {"file": None, "ftp": None, "s3": None, "data": None},
        # with no delay at all, Scrapy starts all that waits for a host at once, whatever the limit for each says
        "DOWNLOAD_DELAY": max(config.delay, LEAST_DELAY),
        "DOWNLOAD_DELAY_JITTER": 0.0,
        "CONCURRENT_REQUESTS": config.hosts_at_once,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "DOWNLOAD_TIMEOUT": config.timeout,
        "DOWNLOAD_MAXSIZE": config.max_page_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,  # text of who knows whom is no text of the site
        "DNS_TIMEOUT": config.timeout,
        "TWISTED_DNS_RESOLVER": "scrapy.resolver.CachingHostnameResolver",
        "REDIRECT_ENABLED": config.redirects > 0,
        "REDIRECT_MAX_TIMES": config.redirects,
        "RETRY_TIMES": 1,
        "CLOSESPIDER_TIMEOUT": config.max_seconds,
        "COOKIES_ENABLED": False,
        "REFERER_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,  # no port of the crawler's own, nor that of the next line
        "REMOTE_CONTROL_ENABLED": False,
        "DEPTH_PRIORITY": 1,
        "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
        "LOG_ENABLED": False,
    }


def main() -> None:
    """Crawl as standard input says; ends on SIGTERM too with whole files, and with its parent."""
    asked = json.load(sys.stdin)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM))
        if os.getppid() != asked["parent"]:
            raise SystemExit("the process that asked for this crawl has gone")
    config, folder = CrawlConfig.model_validate(asked["config"]), Path(asked["folder"])
    progress = Progress()
    state = archive = None
    if not asked["dry_run"]:
        state = State(folder)
        info = {
            "software": "Gristmill, with Scrapy",
            "format": "WARC File Format 1.1",
            "http-header-user-agent": config.user_agent,
            "robots": "obeyed (RFC 9309)",
        }
        prefix = f"{asked['name']}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        archive = Archive(folder, prefix, info, config.file_bytes)
    _run(Session(config, progress, state, archive), None if asked["dry_run"] else folder / LOG)


def _run(session: Session, log: Path | None) -> None:
    from scrapy.crawler import CrawlerProcess

    progress, archive = session.progress, session.archive
    process = CrawlerProcess(settings_of(session), install_root_handler=False)
    if log:  # Scrapy's constructor closes the handlers that are there
        logging.basicConfig(filename=log, filemode="w", level=logging.INFO, format="%(asctime)s %(message)s")

    def end() -> None:
        if archive:
            archive.close()
            progress.files = [path.name for path in archive.files]
        progress.summary()

    def stop(*_: Any) -> None:
        """Every record is whole between two events of the reactor, so that is where a signal ends the crawl."""
        progress.ended_by = "stopped"
        end()
        os._exit(0)

    from tasks.crawl.spider import SiteSpider

    process.crawl(SiteSpider)
    from twisted.internet import reactor

    running: Any = reactor
    guard(running, networks(session.config.allow_private))
    signal.signal(signal.SIGTERM, lambda *_: running.callFromThread(stop))
    process.start(install_signal_handlers=False)
    end()


if __name__ == "__main__":
    main()
