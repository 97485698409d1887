"""Hostile input through the real stage: each ends as a document or a loss, in bounded memory, and costs no other."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from storage.sql import connect
from tests.acceptance.drive import ROOT
from tests.acceptance.hostile import INPUTS


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory):
    """The lake's SQL after everything was read, and the largest memory that its worker had."""
    folder, lake = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("lake") / "lake"
    for name, (make, _) in INPUTS.items():
        (folder / name).write_bytes(make())
    command = [sys.executable, "-m", "tests.acceptance.hostile", str(folder), str(lake)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return connect(lake), json.loads(done.stdout.splitlines()[-1])["peak_bytes"], folder


def outcomes(sql, name: str) -> tuple[set[str], int]:
    reasons = sql.execute("select distinct reason from extract_losses where file = $1", [name]).fetchall()
    documents = sql.execute("select count(*) from extract where file = $1", [name]).fetchone()[0]
    return {reason for (reason,) in reasons} - {"container", "not an archive", "header"}, documents


@pytest.mark.parametrize("name", INPUTS)
def test_it_ends_as_a_document_or_as_a_loss(read, name: str):
    sql, _, _ = read
    expected = INPUTS[name][1]
    assert outcomes(sql, name) == ((set(), 1) if expected is None else ({expected}, 0))


def test_the_worker_stayed_within_its_memory(read):
    _, peak, _ = read
    assert 50e6 < peak < 1e9


def test_nothing_of_this_machine_got_into_a_text(read):
    sql, _, _ = read
    assert sql.execute("select count(*) from extract where contains(text, 'root:')").fetchone() == (0,)
    assert sql.execute("select count(*) from extract where contains(coalesce(title, ''), 'root:')").fetchone() == (0,)


def test_what_a_record_says_of_its_date_and_place_is_kept(read):
    sql, _, _ = read
    dates = dict(sql.execute("select file, capture_date from extract where file like 'from-%'").fetchall())
    assert dates["from-1970.warc.gz"] == datetime(1970, 1, 1, 7, 8, 9, tzinfo=UTC)
    assert dates["from-2099.warc.gz"] == datetime(2099, 12, 31, 7, 8, 9, tzinfo=UTC)
    assert sql.execute("select url from extract where file = 'no-url.warc.gz'").fetchall() == [(None,)]


def test_every_file_is_covered(read):
    sql, _, folder = read
    for path in folder.iterdir():
        rows = sql.execute(
            """select space, "offset", length from extract where file = $1
            union all select space, "offset", length from extract_losses where file = $1 order by all""",
            [path.name],
        ).fetchall()
        ends: dict[str, int] = {}
        for space, offset, length in rows:
            assert offset == ends.get(space, 0), (path.name, space)
            ends[space] = offset + length
        assert "stream" in ends or ends.get("file") == path.stat().st_size
