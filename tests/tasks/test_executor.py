"""The executor with real processes, real deaths and real signals."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.executor import ShardExecutor, ShardFailed, shared_executor
from tasks.workers import WORKER_ENVIRONMENT
from tests.tasks import executor_work as work

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def executor() -> Iterator[ShardExecutor]:
    """Two workers, one CPU second a record."""
    with ShardExecutor(workers=2, cpu_seconds=1.0) as two_workers:
        yield two_workers


def results_of(executor: ShardExecutor, function: Any, shards: list[Any], **options: Any) -> list[tuple[Any, Any]]:
    """The pairs of shard and result, in the order in which they came."""
    results: list[tuple[Any, Any]] = []
    executor.run(function, shards, lambda shard, result: results.append((shard, result)), **options)
    return results


def test_each_shard_is_done_once_with_any_number_of_workers() -> None:
    shards = [list(range(start, start + 7)) for start in range(0, 210, 7)]
    expected = sorted((record, record * record) for shard in shards for record in shard)
    for workers in (0, 1, 4):
        with ShardExecutor(workers) as executor:
            results = results_of(executor, work.Squares(), shards)
        assert sorted(shard for shard, _ in results) == shards
        assert sorted(pair for _, result in results for pair in result["squares"]) == expected


def test_a_slow_shard_does_not_hold_up_the_others(executor: ShardExecutor) -> None:
    results = results_of(executor, work.sleep, [0.8, 0.0, 0.01, 0.02])
    assert [shard for shard, _ in results][-1] == 0.8


def test_done_is_called_in_the_calling_thread(executor: ShardExecutor) -> None:
    threads: list[int] = []
    executor.run(work.sleep, [0.0, 0.0], lambda shard, result: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()] * 2


def test_no_shards_are_no_work(executor: ShardExecutor) -> None:
    assert results_of(executor, work.sleep, []) == []


def test_the_workers_stay_for_the_next_run(executor: ShardExecutor) -> None:
    first = {pid for _, pid in results_of(executor, work.sleep, [0.2] * 4)}
    second = {pid for _, pid in results_of(executor, work.sleep, [0.2] * 4)}
    assert len(first) == 2
    assert first == second
    assert os.getpid() not in first


@pytest.mark.parametrize(
    ("act", "reason", "detail"),
    [
        ("segfault", "crash", "killed by SIGSEGV"),
        ("exit 3", "crash", "exit code 3"),
        ("exit 0", "crash", "exit code 0"),
        ("kill", "memory", "killed (out of memory?)"),
        ("python loop", "timeout", "used more than 4 s of CPU"),
        ("c loop", "timeout", "used more than 4 s of CPU"),
    ],
)
def test_a_record_that_kills_its_process_is_lost_alone(
    executor: ShardExecutor, act: str, reason: str, detail: str
) -> None:
    shards = [list(range(10)), list(range(10, 20)), list(range(20, 30))]
    results = results_of(executor, work.Squares({14: act}), shards)
    assert sorted(shard for shard, _ in results) == shards
    assert sorted(pair for _, result in results for pair in result["squares"]) == [
        (record, record * record) for record in range(30) if record != 14
    ]
    assert [death for _, result in results for death in result["deaths"]] == [(14, reason, detail)]


def test_a_record_that_blocks_without_using_its_cpu_time_is_lost_alone() -> None:
    with ShardExecutor(workers=1, cpu_seconds=0.1) as executor:
        ((_, result),) = results_of(executor, work.Squares({2: "block"}), [[1, 2, 3]])
    assert result["deaths"] == [(2, "timeout", "did not end within 4 s, without using its CPU time")]
    assert result["squares"] == [(1, 1), (3, 9)]


def test_many_killers_in_a_shard_cost_one_more_reading(executor: ShardExecutor) -> None:
    what = {3: "exit 3", 4: "segfault", 5: "kill", 9: "exit 3", 12: "segfault"}
    results = results_of(executor, work.Squares(what), [list(range(10)), list(range(10, 20))])
    assert sorted(death[0] for _, result in results for death in result["deaths"]) == [3, 4, 5, 9, 12]
    assert sorted(record for _, result in results for record, _ in result["squares"]) == sorted(
        set(range(20)) - set(what)
    )


def test_a_careful_reading_sees_what_a_plain_one_sees(executor: ShardExecutor) -> None:
    what = {1: "value error", 3: "memory", 4: "large"}
    ((_, plain),) = results_of(executor, work.Squares(what), [list(range(1, 10))])
    ((_, careful),) = results_of(executor, work.Squares({0: "exit 3", **what}), [list(range(10))])
    assert plain["deaths"] == [(3, "memory", "raised MemoryError")]
    assert plain["errors"] == [(1, "ValueError", "a bad number")]
    assert (4, 16 << 20) in plain["squares"]
    assert careful["deaths"] == [(0, "crash", "exit code 3"), *plain["deaths"]]
    assert careful["squares"] == plain["squares"]
    assert careful["errors"] == plain["errors"]


def test_what_cannot_leave_a_child_is_said_in_words(executor: ShardExecutor) -> None:
    what = {0: "exit 3", 1: "two words", 2: "local"}
    ((_, result),) = results_of(executor, work.Squares(what), [[0, 1, 2, 3]])
    (two_words, local) = result["errors"]
    assert two_words == (1, "RuntimeError", "TwoWords: not picklable")
    assert "pickle" in local[2]
    assert result["squares"] == [(3, 9)]


def test_a_worker_that_dies_twice_outside_of_a_guarded_call_fails_the_run() -> None:
    with (
        ShardExecutor(2) as executor,
        pytest.raises(
            ShardFailed, match=r"^squares: shard 3 was tried twice.*outside of any guarded call: exit code 7"
        ),
    ):
        results_of(executor, work.die_outside, list(range(6)), label="squares")


def test_a_worker_that_dies_once_outside_of_a_guarded_call_is_forgiven(executor: ShardExecutor, tmp_path: Path) -> None:
    results = results_of(executor, work.die_once, [(number, str(tmp_path)) for number in range(6)])
    assert sorted(result for _, result in results) == list(range(6))


def test_an_exception_of_the_work_fails_the_run_with_a_sentence_and_the_worker_s_traceback_apart(
    executor: ShardExecutor,
) -> None:
    with pytest.raises(ShardFailed) as failure:
        results_of(executor, work.raise_in_shard, list(range(50)), label="language")
    assert str(failure.value) == "language: shard 2 failed (last guarded record: 41) with KeyError: 'no such column'"
    assert 'raise KeyError("no such column")' in failure.value.trace
    assert isinstance(failure.value.__cause__, KeyError)


def test_a_failed_run_leaves_no_worker_and_the_next_run_starts_new_ones() -> None:
    with ShardExecutor(2) as executor:
        pids = {pid for _, pid in results_of(executor, work.sleep, [0.2] * 4)}
        with pytest.raises(ShardFailed):
            results_of(executor, work.raise_in_shard, list(range(50)))
        assert not any(is_running(pid) for pid in pids)
        assert len(results_of(executor, work.sleep, [0.0] * 4)) == 4


def test_an_exception_of_done_stops_the_workers() -> None:
    def refuse(shard: float, pid: int) -> None:
        pids.append(pid)
        raise ValueError("no")

    pids: list[int] = []
    with ShardExecutor(1) as executor:
        with pytest.raises(ValueError, match=r"^no$"):
            executor.run(work.sleep, [0.0, 30.0], refuse)
        assert not is_running(pids[0])


def test_a_worker_killed_while_it_waits_is_replaced() -> None:
    with ShardExecutor(1) as executor:
        ((_, pid),) = results_of(executor, work.sleep, [0.0])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid))
        ((_, other),) = results_of(executor, work.sleep, [0.0])
    assert other != pid


def test_the_end_of_the_thread_that_ran_first_ends_no_worker() -> None:
    with ShardExecutor(2) as executor:
        first: list[Any] = []
        thread = threading.Thread(target=lambda: first.extend(results_of(executor, work.sleep, [0.2] * 4)))
        thread.start()
        thread.join()
        time.sleep(0.5)
        assert {pid for _, pid in results_of(executor, work.sleep, [0.2] * 4)} == {pid for _, pid in first}


def test_workers_use_one_thread_and_one_order_also_after_a_restart(executor: ShardExecutor) -> None:
    before = dict(os.environ)
    results_of(executor, work.Squares({0: "exit 3", 10: "exit 3"}), [[0, 1], [10, 11]])
    assert dict(results_of(executor, work.environment, list(WORKER_ENVIRONMENT))) == WORKER_ENVIRONMENT
    orders = [order for _, order in results_of(executor, work.set_order, list(range(8)))]
    assert all(order == orders[0] for order in orders)
    assert dict(os.environ) == before


def test_progress_grows_to_the_sum_of_records(executor: ShardExecutor) -> None:
    told: list[tuple[int, int]] = []
    shards = [[0, 1, 2, 3], [4, 5], [6]]
    what = {2: "half a second", 3: "half a second", 5: "half a second"}
    results_of(executor, work.Squares(what), shards * 2, on_progress=lambda *counts: told.append(counts))
    assert told[-1] == (14, 6)
    assert len(told) > 1
    assert told == sorted(told)


def test_workers_start_no_workers(executor: ShardExecutor) -> None:
    with pytest.raises(ShardFailed, match="Pools are not nested"):
        results_of(executor, work.nest, [0])


def test_without_workers_everything_runs_here() -> None:
    executor = ShardExecutor(0)
    assert results_of(executor, work.sleep, [0.0]) == [(0.0, os.getpid())]
    told: list[tuple[int, int]] = []
    results_of(executor, work.Squares(), [[1, 2], [3]], on_progress=lambda *counts: told.append(counts))
    assert told == [(2, 1), (3, 2)]
    with pytest.raises(ShardFailed, match=r"shard 2 failed .*KeyError"):
        results_of(executor, work.raise_in_shard, [1, 2])


def test_impossible_settings_are_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="The number of workers is -1"):
        ShardExecutor(-1)
    with pytest.raises(ValueError, match="The CPU limit is 0"):
        ShardExecutor(1, cpu_seconds=0)


def test_one_executor_is_shared_until_another_number_of_workers_is_asked_for() -> None:
    one = shared_executor(1)
    ((_, pid),) = results_of(one, work.sleep, [0.0])
    assert shared_executor(1) is one
    two = shared_executor(2)
    assert two is not one
    assert not is_running(pid)
    two.close()


SCRIPT = """
    import signal
    import sys
    from tasks.executor import shared_executor
    from tests.tasks import executor_work as work

    # a shell starts what it puts into the background with SIGINT ignored, and with it the whole test run
    signal.signal(signal.SIGINT, signal.default_int_handler)

    if {guarded}:
        executor = shared_executor(2)
        executor.run(work.sleep, [0.1] * 4, lambda shard, pid: print(pid, flush=True))
        print("ready", flush=True)
        executor.run({function}, {shards}, lambda shard, result: None)
"""


def start(function: str = "work.sleep", shards: str = "[60.0] * 2", guarded: str = "True") -> subprocess.Popen[str]:
    """A process of its own with two busy workers."""
    script = textwrap.dedent(SCRIPT).format(function=function, shards=shards, guarded=guarded)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def read_pids(parent: subprocess.Popen[str]) -> set[int]:
    """The workers of a process that `start` has started, once they are busy."""
    assert parent.stdout is not None
    pids: set[int] = set()
    while (line := parent.stdout.readline().strip()) != "ready":
        pids.add(int(line))
    time.sleep(0.3)
    return pids


@pytest.mark.parametrize(
    ("function", "shards"),
    [("work.sleep", "[60.0] * 2"), ("work.Squares({0: 'c loop', 1: 'c loop'})", "[[0], [1]]")],
    ids=["asleep", "in C"],
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_workers_end_with_their_parent(number: signal.Signals, function: str, shards: str) -> None:
    parent = start(function, shards)
    pids = read_pids(parent)
    assert all(is_running(pid) for pid in pids)
    parent.send_signal(number)
    wait_until(lambda: not any(is_running(pid) for pid in pids))
    assert parent.wait(timeout=5) != 0
    if number == signal.SIGINT:
        assert parent.stderr is not None
        assert "KeyboardInterrupt" in parent.stderr.read()


def test_ctrl_c_in_a_terminal_reaches_the_parent_alone() -> None:
    parent = start()
    pids = read_pids(parent)
    os.killpg(parent.pid, signal.SIGINT)
    wait_until(lambda: not any(is_running(pid) for pid in pids))
    _, errors = parent.communicate(timeout=5)
    assert errors.count("KeyboardInterrupt") == 1


def test_a_forked_child_ends_with_its_worker() -> None:
    parent = start("work.Squares({0: 'exit 3', 1: 'c loop'})", "[[0, 1]]")
    read_pids(parent)
    wait_until(lambda: len(descendants(parent.pid, depth=2)) == 1, seconds=10)
    children = descendants(parent.pid, depth=2)
    parent.kill()
    wait_until(lambda: not any(is_running(pid) for pid in children))
    parent.wait(timeout=5)


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT).format(function="work.sleep", shards="[0.0]", guarded="True"))
    run = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert 'under `if __name__ == "__main__":`' in run.stderr.splitlines()[-1]


def test_a_guarded_call_is_cheap(executor: ShardExecutor) -> None:
    ((_, (guarded, bare)),) = results_of(executor, work.call_many, [20_000])
    print(f"one guarded call: {(guarded - bare) * 1e6:.1f} µs more than a bare one")
    assert guarded > bare


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def descendants(pid: int, depth: int) -> list[int]:
    """The running children (depth 1) or grandchildren (depth 2) of a process."""
    pids = [pid]
    for _ in range(depth):
        pids = [
            int(child)
            for parent in pids
            for thread in Path(f"/proc/{parent}/task").glob("*/children")
            for child in thread.read_text().split()
        ]
    return [child for child in pids if is_running(child)]


def wait_until(condition: Any, seconds: float = 3.0) -> None:
    """Waits for a condition; fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
