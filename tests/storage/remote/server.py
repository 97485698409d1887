"""A file server on 127.0.0.1 that knows Range, and misbehaves as it is told to."""

import contextlib
import hashlib
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """What the server has: path -> bytes, and what it is to do with the next requests for a path, one each.

    `said`: (path, Range header or None, If-None-Match or None, status) of every answer.
    """

    files: dict[str, bytes]
    acts: dict[str, deque[Callable[["_Handler", bytes], None]]] = field(default_factory=dict)
    said: list[tuple[str, str | None, str | None, int]] = field(default_factory=list)
    validators: bool = True
    ranges: bool = True
    address: str = ""
    connections: int = 0
    most_connections: int = 0

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"

    def next(self, path: str, *acts: Callable[["_Handler", bytes], None]) -> None:
        self.acts.setdefault(path, deque()).extend(acts)

    def asked(self, path: str) -> list[str | None]:
        return [wanted for one, wanted, _, _ in self.said if one == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Files

    def handle(self) -> None:
        self.store.connections += 1
        self.store.most_connections = max(self.store.most_connections, self.store.connections)
        try:
            super().handle()
        finally:
            self.store.connections -= 1

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        data = self.store.files.get(path)
        waiting = self.store.acts.get(path)
        if waiting:
            waiting.popleft()(self, data or b"")
        elif data is None:
            self.answer(404, b"")
        else:
            self.serve(data)

    def serve(self, data: bytes, cut: int | None = None, length: int | None = None) -> None:
        """Answer as a good server does; `cut` ends the connection after so many bytes, `length` is what is claimed."""
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        headers = {"ETag": tag} if self.store.validators else {}
        if self.store.validators and self.headers.get("If-None-Match") == tag:
            return self.answer(304, b"", headers)
        start, status = 0, 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if match and self.store.ranges and self.headers.get("If-Range", tag) == tag:
            start, end = int(match[1]), int(match[2]) if match[2] else len(data) - 1
            if start >= len(data):
                return self.answer(416, b"", headers | {"Content-Range": f"bytes */{len(data)}"})
            status = 206
            headers["Content-Range"] = f"bytes {start}-{min(end, len(data) - 1)}/{len(data)}"
            data = data[: end + 1]
        self.answer(status, data[start:], headers, cut, length)

    def answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None,
        length: int | None = None,
    ) -> None:  # fmt: skip
        self.store.said.append(
            (self.path.lstrip("/"), self.headers.get("Range"), self.headers.get("If-None-Match"), status)
        )
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        with contextlib.suppress(OSError):  # a client that has read enough may go
            self.wfile.write(body[:cut])
        if cut is not None or length is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None: ...


def cut_after(count: int) -> Callable[[_Handler, bytes], None]:
    """The connection ends after so many bytes of the body."""
    return lambda handler, data: handler.serve(data, cut=count)


def busy(status: int = 503, after: str | None = None) -> Callable[[_Handler, bytes], None]:
    """The server has no time now."""
    headers = {"Retry-After": after} if after else {}
    return lambda handler, data: handler.answer(status, b"later", headers)


def claim_length(extra: int) -> Callable[[_Handler, bytes], None]:
    """Content-Length says more (or less) than there is."""
    return lambda handler, data: handler.serve(data, length=len(data) + extra)


@contextlib.contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Files]:
    """A server of these files on a free port, ended at the end."""
    store = Files(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": store}))
    server.daemon_threads = True
    store.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
