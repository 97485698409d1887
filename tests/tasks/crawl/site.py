"""A small web site on a loopback address: pages of our own, and whatever a site may do to a crawler."""

import contextlib
import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """Path -> page (bytes), an answer, or what makes one of a path; and what was asked for.

    `asked`: (path, user agent, If-None-Match, seconds) of every request. `at_once`: how many at most
    were served at a time.
    """

    pages: dict[str, bytes | Answer | Callable[[str], Answer]]
    address: str = ""
    asked: list[tuple[str, str, str | None, float]] = field(default_factory=list)
    now: int = 0
    at_once: int = 0
    drip: dict[str, float] = field(default_factory=dict)
    anything: Callable[[str], Answer] | None = None

    def url(self, path: str = "/") -> str:
        return self.address + path

    @property
    def paths(self) -> list[str]:
        """Everything but robots.txt that was asked for, in order."""
        return [path for path, *_ in self.asked if path != "/robots.txt"]


def page(title: str, *links: str, head: str = "") -> bytes:
    """A page with links, and text enough to be a document."""
    days = "".join(
        f"<p>The mill {title} grinds rye on day {day}, and wheat on all the others.</p>\n" for day in range(9)
    )
    anchors = "".join(f'<a href="{link}">more</a>\n' for link in links)
    top = f"<html><head><title>{title}</title>{head}</head><body>"
    return f"{top}<article>{days}</article>{anchors}</body></html>".encode()


def moved(to: str, status: int = 302) -> Answer:
    """A redirect."""
    return status, {"Location": to}, b""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        self.site.now += 1
        self.site.at_once = max(self.site.at_once, self.site.now)
        try:
            self.answer(self.site)
        finally:
            self.site.now -= 1

    def answer(self, site: Site) -> None:
        """Serve a path as the site says."""
        site.asked.append(
            (self.path, self.headers.get("User-Agent", ""), self.headers.get("If-None-Match"), time.monotonic())
        )
        found = site.pages.get(self.path, site.anything or (404, {}, b"nothing here"))
        status, headers, body = (
            found(self.path) if callable(found) else found if isinstance(found, tuple) else (200, {}, found)
        )
        if status == 200:
            tag = f'"{hashlib.md5(body).hexdigest()}"'
            headers = {"Content-Type": "text/html; charset=utf-8", "ETag": tag} | headers
            if self.headers.get("If-None-Match") == headers["ETag"]:
                status, headers, body = 304, {"ETag": tag}, b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304 and "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            pause = site.drip.get(self.path)
            if pause is None:
                self.wfile.write(body)
                return
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(pause)

    def log_message(self, format: str, *args: object) -> None: ...


@contextlib.contextmanager
def serving(
    pages: dict[str, bytes | Answer | Callable[[str], Answer]],
    host: str = "127.0.0.1",
    context: ssl.SSLContext | None = None,
) -> Iterator[Site]:
    """The site on a free port of a loopback address, ended at the end; over TLS with a context."""
    site = Site(pages)
    server = ThreadingHTTPServer((host, 0), type("Handler", (_Handler,), {"site": site}))
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site.address = f"http{'s' if context else ''}://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
