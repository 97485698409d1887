"""Documents that kill the function of an annotation stage are lost alone, at a bounded cost; errors are explained."""

import time

import pytest

from storage.files import read_json
from tasks.ingest import Source, ingest
from tasks.run import running
from tasks.stage import StageFailed
from tests.tasks.toy import LinesConfig, lines
from tests.tasks.toy_annotation import MeasureConfig, measure


def test_documents_that_kill_their_batch_are_null_rows_and_all_others_are_kept(tmp_path):
    """A batch that died is tried once more as a whole, then each document alone with a third of the CPU time."""
    (tmp_path / "source").mkdir()
    texts = [f"line {number}{' and more' * number}" for number in range(80)]
    texts[40], texts[63] = "an ENDLESS line", "a FATAL line"
    (tmp_path / "source" / "0.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    with running(tmp_path / "lake", "measure", workers=1, cpu_seconds=1.5, quiet=True):
        (snapshot,) = ingest(Source(name="toy", path=str(tmp_path / "source")))
        documents = lines(LinesConfig(), snapshot=snapshot)
        begun = time.monotonic()
        measured = measure(MeasureConfig(), documents=documents)
    ids = documents.read(["doc_id"]).column("doc_id").to_pylist()
    rows = measured.read().to_pylist()
    assert [row["doc_id"] for row in rows] == ids
    vicious = (40, 63)
    expected = [None if number in vicious else len(text) for number, text in enumerate(texts)]
    assert [row["characters"] for row in rows] == expected
    losses = measured.read(table="losses").to_pylist()
    assert [(row["doc_id"], row["reason"], row["detail"]) for row in losses] == [
        (ids[40], "timeout", "used more than 0.5 s of CPU"),
        (ids[63], "crash", "killed by SIGSEGV"),
    ]
    assert time.monotonic() - begun < 60


def test_a_failed_stage_says_which_shard_and_why_and_what_to_do_and_keeps_the_traceback_in_a_file(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "fine.txt").write_text("a line\n" * 3)
    (tmp_path / "source" / "wrong.txt").write_text("a WRONG line\n")
    with pytest.raises(StageFailed) as caught, running(tmp_path / "lake", "measure", workers=1, quiet=True) as run:  # noqa: PT012
        (snapshot,) = ingest(Source(name="toy", path=str(tmp_path / "source")))
        measure(MeasureConfig(), documents=lines(LinesConfig(), snapshot=snapshot))
    log = tmp_path / "lake" / "logs" / f"{run.id}-measure.txt"
    message = str(caught.value)
    assert message.startswith("measure: shard 1 (lines/")
    assert message.endswith(
        "part-00001.parquet) failed (last guarded record: 0) with KeyError: 'no unit is known'. Mend the cause "
        f"(its traceback is in {log}) and run again: finished shards are kept."
    )
    assert read_json(tmp_path / "lake" / "runs" / run.id / "ended.json")["message"] == message
    assert "toy_annotation.py" in log.read_text()
    assert 'raise KeyError("no unit is known")' in log.read_text()
