"""What a run says of long work."""

import io
import os
import pty
import termios

import pytest

from tasks import console
from tasks.console import Console, Progress, duration, size


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


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (100, "pretrain: 0/1 shards, 1,200 tokens, 10 tokens/s, 1 min 20 s left"),
        (60, "pretrain: 0/1 shards, 1 min 20 s left"),
        (30, "pretrain: 1 min 20 s left"),
        (12, "pretrain: 1"),
    ],
)
def test_the_moving_line_never_wraps_and_a_narrow_terminal_shows_the_time_left(monkeypatch, columns, said):
    clock = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    screen, terminal = pty.openpty()
    try:
        termios.tcsetwinsize(terminal, (24, columns))
        with open(terminal, "w", closefd=False) as stream:
            progress = Progress(Console(stream), "pretrain", 1, 2000, "tokens")
            for seconds, units in ((1, 1000), (21, 1200)):
                clock[0] = 100.0 + seconds
                progress.update(units, 0, units)
        assert os.read(screen, 1000).decode().removeprefix("\r\x1b[2K") == said
    finally:
        os.close(terminal)
        os.close(screen)


def test_bytes_are_said_as_sizes(monkeypatch):
    stream, clock = io.StringIO(), [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    progress = Progress(Console(stream), "verify", 1200, 4_000_000, "bytes", pieces="files")
    for seconds, read in ((1, 0), (21, 1_000_000)):
        clock[0] = 100.0 + seconds
        progress.update(read, 300 * (seconds > 1), read)
    assert stream.getvalue() == "verify: 300/1,200 files, 1.0 MB, 50.0 kB/s, 1 min 0 s left\n"
    sizes = {0: "0 B", 999: "999 B", 1000: "1.0 kB", 12_340_000: "12.3 MB", 5e9: "5.0 GB", 1.2e12: "1.2 TB"}
    assert {count: size(count) for count in sizes} == sizes
