"""A PostgreSQL server of a test's own, from Debian's package: on loopback, a free port, a temporary folder."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.deployments.served import free_ports


def programs() -> Path:
    """The folder of the newest installed server's programs; the test skips where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("Debian's package postgresql is not installed.")
    return found[-1].parent


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a database; the server is stopped, and its folder deleted, at the end. Root cannot run one: `nobody`
    does then.
    """
    tools = programs()
    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="gristmill-postgres-"))
    user = {}
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def call(*command: str | Path) -> None:
        done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=120, **user)
        assert done.returncode == 0, done.stdout + done.stderr

    data = folder / "data"
    process = None
    try:
        call(tools / "initdb", "-D", data, "-U", "mill", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
        command: Sequence[str] = [str(tools / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
        command = [*command, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with open(folder / "log.txt", "wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **user)
        ready = [str(tools / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
        deadline = time.monotonic() + 60
        while subprocess.run(ready).returncode:
            assert process.poll() is None, (folder / "log.txt").read_text()
            assert time.monotonic() < deadline, (folder / "log.txt").read_text()
            time.sleep(0.1)
        yield f"postgresql://mill@127.0.0.1:{port}/postgres"
    finally:
        if process is not None:
            process.terminate()  # a smart end waits for clients, and the tests have closed theirs
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)
