"""What a run says of long work."""

import io

from tasks import console
from tasks.console import Console, Progress, duration


def test_the_time_left_is_that_of_this_run_where_an_earlier_one_did_a_part(monkeypatch):
    stream, clock = io.StringIO(), [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    shares: list[float] = []
    progress = Progress(Console(stream), "pretrain", 1, 2000, "tokens", shares.append)
    for seconds, units in ((1, 1000), (2, 1010), (21, 1200), (31, 1300)):
        clock[0] = 100.0 + seconds
        progress.update(units, 0, units)
    assert stream.getvalue().splitlines() == [
        "pretrain: 0/1 shards, 1,200 tokens, 10 tokens/s, 1 min 20 s left",
        "pretrain: 0/1 shards, 1,300 tokens, 10 tokens/s, 1 min 10 s left",
    ]
    assert shares == [0.6, 0.65]


def test_durations_as_a_person_says_them():
    assert [duration(seconds) for seconds in (0, 59.4, 60, 3599, 9000)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "2 h 30 min",
    ]
