"""Asks Mercurial's web interface for its help pages. Runs as a program of its own, beside an unpacked Mercurial.

    python -P hgweb_child.py FOLDER STYLE

FOLDER holds the packages `mercurial` and `hgext`; the language is that of the environment (LANGUAGE). One JSON object a
line goes to standard output for each answer: path, status, content_type, body (base64).
"""

import base64
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module

LINK = re.compile(rb'href="/(help/[^"?#]+|static/[^"?#]+\.(?:css|js|png))"')
NOWHERE = "help/no-such-topic"


def ask(application: Callable, path: str) -> dict[str, str]:
    """What the web application answers to a GET: its status, content type and body."""
    answer: dict[str, str] = {"path": path}

    def start_response(status: str, headers: list[tuple[str, str]], error: object = None) -> None:
        answer["status"] = status
        answer["content_type"] = dict(headers).get("Content-Type", "")

    environment = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/" + path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    answer["body"] = base64.b64encode(b"".join(application(environment, start_response))).decode()
    return answer


def crawl(application: Callable) -> Iterator[dict[str, str]]:
    """The index of the help, every page it links to and the pages those link to, what decorates them, one dead link."""
    todo, seen = ["help", NOWHERE], set()
    while todo:
        path = todo.pop(0)
        if path in seen:
            continue
        seen.add(path)
        answer = ask(application, path)
        yield answer
        if answer["content_type"].startswith("text/html"):
            todo += [link.decode() for link in LINK.findall(base64.b64decode(answer["body"]))]


def main(folder: str, style: str) -> None:
    """Write every answer to standard output, in order of paths."""
    sys.path.insert(0, folder)
    import_module("mercurial.initialization").init()  # commands and help topics register themselves there
    hg, settings, hgweb_mod = [import_module(f"mercurial.{one}") for one in ("hg", "ui", "hgweb.hgweb_mod")]
    with tempfile.TemporaryDirectory() as name:  # hgweb shows a repository; this one stays empty
        ui = settings.ui.load()
        for key, value in {b"style": style.encode(), b"name": b"manual", b"cache": b"no"}.items():
            ui.setconfig(b"web", key, value)
        application = hgweb_mod.hgweb(hg.repository(ui, name.encode(), create=True))
        for answer in sorted(crawl(application), key=lambda one: one["path"]):
            print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
