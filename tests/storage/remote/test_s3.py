"""Files of an S3 bucket, through s3fs itself, from a server of our own that speaks as much of S3 as that takes."""

import gzip
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from storage.remote.mirror import Mirror
from storage.remote.patience import Patience
from storage.remote.places import find_remote
from storage.remote.ranges import Range, fetch_records
from storage.sources import SourceError

DATE = "Wed, 01 May 2024 10:00:00 GMT"


class Bucket(ThreadingHTTPServer):
    """A bucket `lot` of objects by key; `got`: keys and ranges that were read."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.got: list[tuple[str, str | None]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if bucket != "lot":
            return self.answer(404, b"<Error><Code>NoSuchBucket</Code></Error>", {})
        if not key:
            return self.answer(200, self.listing(parse_qs(parts.query)), {"Content-Type": "application/xml"})
        data = self.server.objects.get(key)
        if data is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>", {})
        headers = {"ETag": tag(data), "Last-Modified": DATE, "Accept-Ranges": "bytes"}
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if self.command == "GET":
            self.server.got.append((key, self.headers.get("Range")))
        if match:
            start, end = int(match[1]), min(int(match[2]), len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            return self.answer(206, data[start : end + 1], headers)
        return self.answer(200, data, headers)

    def listing(self, query: dict[str, list[str]]) -> bytes:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        below = {key: data for key, data in self.server.objects.items() if key.startswith(prefix)}
        folders = {
            prefix + key[len(prefix) :].split("/")[0] + "/"
            for key in below
            if delimiter and delimiter in key[len(prefix) :]
        }
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2024-05-01T10:00:00.000Z</LastModified>"
            f"<ETag>{tag(data).replace(chr(34), '&quot;')}</ETag><Size>{len(data)}</Size></Contents>"
            for key, data in below.items()
            if not any(key.startswith(folder) for folder in folders)
        )
        entries += "".join(f"<CommonPrefixes><Prefix>{one}</Prefix></CommonPrefixes>" for one in sorted(folders))
        head = f"<Name>lot</Name><Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>"
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<ListBucketResult xmlns="{space}">{head}{entries}</ListBucketResult>'.encode()

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


def tag(data: bytes) -> str:
    """An entity tag as S3 makes it."""
    return f'"{hashlib.md5(data).hexdigest()}"'


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    import s3fs

    server = Bucket()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "miller", "AWS_SECRET_ACCESS_KEY": "rye", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_glob_of_a_bucket_is_fetched_once_and_what_changed_again(bucket: Bucket, tmp_path: Path):
    bucket.objects |= {"crawl/a/one.warc.gz": b"one" * 1000, "crawl/b/two.warc.gz": b"two", "crawl/notes.txt": b"n"}
    mirror = Mirror(tmp_path / "mirror", patience=Patience(tries=1))
    found = find_remote("s3://lot/crawl/**/*.warc.gz")
    assert [file.name for file in found] == ["a/one.warc.gz", "b/two.warc.gz"]
    assert [mirror.fetch(file).read_bytes() for file in found] == [b"one" * 1000, b"two"]
    bucket.got.clear()
    bucket.objects["crawl/b/two.warc.gz"] = b"two and a half"
    again = [mirror.fetch(file).read_bytes() for file in find_remote("s3://lot/crawl/**/*.warc.gz")]
    assert again == [b"one" * 1000, b"two and a half"]
    assert {key for key, _ in bucket.got} == {"crawl/b/two.warc.gz"}


def test_single_records_of_a_bucket_are_read_by_their_bytes(bucket: Bucket, tmp_path: Path):
    members = [gzip.compress(b"record %d" % number) for number in range(3)]
    bucket.objects["cc/file.warc.gz"] = b"".join(members)
    wanted = [Range("file.warc.gz", len(members[0]), len(members[1]))]
    (path,) = fetch_records(Mirror(tmp_path / "mirror"), "s3://lot/cc/", wanted)
    assert path.read_bytes() == members[1]
    assert bucket.got == [("cc/file.warc.gz", f"bytes={len(members[0])}-{len(members[0]) + len(members[1]) - 1}")]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("s3://lot/none/*.gz", "matches no file"),
        ("s3://lot/none.gz", "does not exist"),
        ("s3://other/x.gz", "does not exist"),
    ],
)
def test_what_is_not_in_the_bucket_is_said(bucket: Bucket, path: str, said: str):
    with pytest.raises(SourceError, match=said):
        find_remote(path)
