"""The registry says the same on SQLite and on PostgreSQL, and loses nothing that many writers commit."""

import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import pytest

from storage import names
from storage.catalog.postgres import NoRegistry
from storage.catalog.verify import verify
from storage.lake import Lake
from storage.registry import REGISTRY_URL, SecondHost
from tests.storage import postgres
from tests.storage.small import make, spine


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, lake, monkeypatch) -> Lake:
    """A lake whose registry is in SQLite, then one whose registry is in PostgreSQL."""
    monkeypatch.delenv(REGISTRY_URL, raising=False)
    if request.param == "postgres":
        monkeypatch.setenv(REGISTRY_URL, request.getfixturevalue("postgres_url"))
    return Lake(lake)


def test_what_is_committed_is_listed_in_order_and_what_is_removed_is_not(store):
    made = spine(store, 1)
    assert store.artifacts() == list(made.values())
    assert store.artifacts("compose") == [made["corpus"]]
    assert store.artifacts(kind="annotation") == [made["scores"]]
    assert store.registry.is_used(made["documents"].fingerprint)
    assert not store.registry.is_used(made["corpus"].fingerprint)
    assert store.get(made["decisions"].fingerprint[:12]) == made["decisions"]
    store.discard(made["corpus"])
    assert store.artifacts() == [one for name, one in made.items() if name != "corpus"]
    assert not store.registry.has(made["corpus"].fingerprint)
    assert not store.registry.is_used(made["decisions"].fingerprint)


def test_the_index_is_made_again_from_the_manifests_with_equal_rows(store):
    spine(store, 1)
    before = store.registry.rows()
    assert store.registry.rebuild() == (5, [])
    assert store.registry.rows() == before
    store.registry.remove(*(row[0] for row in before))
    assert store.artifacts() == []
    assert store.registry.rebuild() == (5, [])
    assert store.registry.rows() == before


def test_nothing_stays_of_a_change_that_an_error_cuts_short(store):
    made = make(store, "numbers", a=1)

    def cut_short() -> None:
        with store.registry._connection(write=True) as connection:
            connection.execute("delete from artifacts")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_short()
    assert store.artifacts() == [made]


def test_a_second_host_is_refused_by_sqlite_and_served_by_postgresql(store, monkeypatch):
    make(store, "numbers", a=1)
    monkeypatch.setenv("GRISTMILL_HOST", "elsewhere")
    if store.registry.path.exists():
        with pytest.raises(SecondHost, match="serves one host"):
            make(store, "numbers", a=2)
    else:
        assert len([make(store, "numbers", a=2), *store.artifacts()]) == 3


def test_two_lakes_in_one_database_do_not_see_each_other(tmp_path, monkeypatch, postgres_url):
    monkeypatch.setenv(REGISTRY_URL, postgres_url)
    one, other = Lake(tmp_path / "one"), Lake(tmp_path / "other")
    made = make(one, "numbers", a=1)
    assert (one.artifacts(), other.artifacts()) == ([made], [])
    (tmp_path / "one").rename(tmp_path / "moved")
    assert [str(found) for found in Lake(tmp_path / "moved").artifacts()] == [str(made)]


def test_a_lake_may_name_its_registry_and_a_server_that_is_away_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv(REGISTRY_URL, raising=False)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "lake.json").write_text(
        '{"id": "0123456789abcdef", "registry": "postgresql://mill:secret@127.0.0.1:1/none"}'
    )
    with pytest.raises(NoRegistry, match="cannot be reached") as said:
        Lake(tmp_path / "lake").artifacts()
    assert "secret" not in str(said.value)


WRITER = """
    import sys
    from storage import names
    from storage.lake import Lake
    from tests.storage.small import make
    lake, writer, first = Lake(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    for number in range(first, 10_000):
        artifact = make(lake, "numbers", writer=writer, number=number)
        names.assign(lake, "newest", artifact)
        names.assign(lake, f"of/{writer}", artifact)
        print(number, artifact.fingerprint, flush=True)
"""


@pytest.mark.timeout(280)
def test_eight_writers_that_are_killed_at_random_lose_no_commit_that_was_acknowledged(store):
    """Each writer commits and moves two names, is killed at a random moment, and goes on from its next number."""
    draw = random.Random(11)
    acknowledged: dict[str, list[str]] = {str(number): [] for number in range(8)}

    def start(writer: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(store.root), writer]
        command.append(str(len(acknowledged[writer])))
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    kills = 0
    for _ in range(2):
        writers = {writer: start(writer) for writer in acknowledged}
        first = {writer: process.stdout.readline() for writer, process in writers.items() if process.stdout}
        for writer in draw.sample(sorted(writers), 8):
            time.sleep(draw.uniform(0, 0.15))
            process = writers[writer]
            process.send_signal(signal.SIGKILL)
            said, _ = process.communicate()
            kills += process.returncode == -signal.SIGKILL
            # a line that a kill has cut is no acknowledgement
            lines = (first[writer] + said).rpartition("\n")[0].splitlines()
            acknowledged[writer] += [line.split()[1] for line in lines]
    assert kills == 16
    assert all(acknowledged.values())
    known = {artifact.fingerprint for artifact in store.artifacts()}
    assert known >= {one for of in acknowledged.values() for one in of}
    store.adopt()
    listed = store.registry.rows()
    assert len({row[0] for row in listed}) == len(listed) == len(list(store.root.glob("numbers/[!.]*")))
    found = verify(store)
    assert (found.damages, found.artifacts) == ([], len(listed))
    for writer, made in acknowledged.items():
        history = [artifact.fingerprint for _, artifact, _ in names.history(store, f"of/{writer}")]
        assert history[: len(made)] == made
        assert len(history) <= len(made) + 2
    numbers = [number for number, _, _ in names.history(store, "newest")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= sum(map(len, acknowledged.values()))
