"""A person presses Run: the shipped `data_to_model` on a real server and worker, and what it shows there."""

import json
import re
import signal
from pathlib import Path

import httpx
import pytest

from storage.lake import Lake
from storage.sql import connect
from tests.acceptance.world import write_world
from tests.deployments.served import Shipped

pytestmark = pytest.mark.slow

STAGES = {
    *(
        "ingest",
        "extract",
        "language",
        "quality",
        "sign",
        "redact",
        "contamination",
        "phrases",
        "decide",
        "compose",
    ),
    *("train-tokenizer", "tokenize", "pack"),
    *("conversations", "questions", "pretrain", "finetune", "evaluate", "export"),
}
DROPPED = "select source, coalesce(dropped_by, 'kept'), count(*) from documents group by all"


def test_a_run_of_the_whole_way_shows_what_was_dropped_the_curve_the_progress_and_the_report(tmp_path: Path):
    up = Shipped(tmp_path / "lake", tmp_path / "log.txt")
    try:
        up.start()
        recipe = str(write_world(tmp_path / "world", warcs=2))
        with pytest.raises(httpx.HTTPStatusError, match="409"):  # the form's bounds hold for whoever calls the API
            up.run("data-to-model", recipe=recipe, min_words=-1)
        run = up.run("data-to-model", recipe=recipe, min_words=150)
        state = up.ended(run)
        assert state["type"] == "COMPLETED", state["message"]
        shown = up.artifacts(run)

        (decisions,) = Lake(up.lake).artifacts("decide")
        config = decisions.manifest.identity.config
        assert (config["gopher"]["min_words"], config["gopher"]["min_stop_words"]) == (150, 0)

        (table,) = [one for one in shown if (one["key"], one["type"]) == ("decide", "table")]
        rows = [tuple(row.values()) for row in json.loads(table["data"])]
        with connect(up.lake) as connection:
            assert sorted(rows) == sorted(connection.sql(DROPPED).fetchall())
        assert {"kept", "gopher.min_words", "duplicates.exact"} <= {reason for _, reason, _ in rows}

        curves = {one["key"]: one["data"] for one in shown if one["key"] in ("pretrain-report", "finetune-report")}
        assert len(curves) == 2
        assert all("](data:image/" in curve for curve in curves.values())

        progress = [(one["key"].removesuffix("-progress"), one["data"]) for one in shown if one["type"] == "progress"]
        assert {stage for stage, _ in progress} == STAGES
        assert {share for _, share in progress} == {100}

        (report,) = [one["data"] for one in shown if one["key"] == "report"]
        (address,) = re.findall(r"\((http://127\.0\.0\.1:[^)]+)\)", report)
        assert address.startswith(f"http://127.0.0.1:{up.ports[1]}/")
        answer = httpx.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
        assert answer.text.lstrip().lower().startswith("<!doctype html>")

        up.signal(signal.SIGTERM)
        assert up.processes() == []
    finally:
        for process in up.processes():
            process.kill()
