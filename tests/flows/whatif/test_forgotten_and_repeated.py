"""What-if where documents are forgotten and parts of others go: what it says is what --commit gives, spilled or not."""

import pytest

from flows.forget import forget
from storage.forget.tombstones import parse
from storage.sql import connect
from tasks.decide.duplicates.spilled import VARIABLE
from tests.flows.whatif.conftest import Mill

DIAL = "decide.gopher.min_words"


@pytest.fixture
def partly_forgotten(mill: Mill) -> Mill:
    """A mill whose decisions take repeated lines out, and of which three pages are forgotten: one stays, for a copy."""
    text = mill.recipe.read_text(encoding="utf-8")
    mill.recipe.write_text(
        text.replace("decide:\n", "decide:\n  repeated_lines: {min_documents: 3}\n"), encoding="utf-8"
    )
    mill.refresh()
    with connect(mill.lake) as connection:
        wanted = connection.execute(
            "(select kept_as from documents where kept_as is not null order by kept_as limit 1) union all "
            "(select doc_id from documents where kept and cluster_size = 1 and n_words between 65 and 80 limit 1) "
            "union all (select doc_id from documents where dropped_by = 'gopher.min_words' and n_words > 30 limit 1)"
        ).fetchall()
    forget(mill.lake, [parse(f"doc_id:{doc_id}") for (doc_id,) in wanted], workers=1)
    return mill


@pytest.mark.usefixtures("prefect_harness")
def test_what_is_told_of_forgotten_and_repeated_texts_is_what_a_commit_gives(
    partly_forgotten: Mill, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mill = partly_forgotten
    with connect(mill.lake) as connection:
        forgotten = connection.execute("select failed from documents where dropped_by = 'forget.tombstone'").fetchall()
    assert forgotten == [(["forget.tombstone"],)] * 3
    points = mill.ask(capsys, curve=f"{DIAL}=30,60,90", clusters=True)["points"]
    plain = mill.ask(capsys, curve=f"{DIAL}=30,60,90")["points"]
    for one, ruled in zip(points, plain, strict=True):
        whole, by_rules = (mill.ask(capsys, f"{DIAL}={one['value']}", clusters=clusters) for clusters in (True, False))
        total = whole["total"]
        assert (one["documents"], one["estimated_tokens"]) == (
            total["documents_after"],
            total["estimated_tokens_after"],
        )
        assert ruled["documents"] == by_rules["total"]["documents_after"] > total["documents_after"]
        failed = [{rule["rule"]: rule["failed_after"] for rule in answer["by_rule"]} for answer in (whole, by_rules)]
        assert failed[0][DIAL.removeprefix("decide.")] == failed[1][DIAL.removeprefix("decide.")]
        assert failed[0]["forget.tombstone"] == failed[1]["forget.tombstone"] == 3
    told = mill.ask(capsys, f"{DIAL}=30")
    assert told["total"]["documents_after"] > told["total"]["documents_before"]
    with monkeypatch.context() as spilling:
        spilling.setenv(VARIABLE, "0")
        corpus = mill.commit(capsys, told, f"{DIAL}=30")
    assert corpus.input("decisions").rows("removals") > 0
    with connect(mill.lake) as connection:
        kept = connection.execute("select count(*) from documents where kept").fetchall()
    assert kept == [(told["total"]["documents_after"],)]
