"""Small flows for tests of deployments: a stage whose shards take their time, one that fails, one that is scheduled."""

import time
from pathlib import Path
from typing import Annotated

import pyarrow as pa
from prefect import flow
from pydantic import Field

from deployments.deploy import Deployment, register
from flows.serve.up import POOL
from storage.commit import ShardOutput
from storage.lake import Lake
from storage.table import Table
from tasks.executor import Watch
from tasks.run import running
from tasks.stage import Inputs, Shard, Stage, StageConfig

TOYS = (
    Deployment("tests.deployments.toys.slow", "slow"),
    Deployment("tests.deployments.toys.failing", "failing"),
    Deployment("flows.refresh.refresh", "refresh", cron="0 3 * * *"),
    Deployment("tests.deployments.toys.counting", "counting", ("scheduled",), cron="*/5 * * * *"),
)


class SlowConfig(StageConfig):
    """How much there is to do."""

    shards: int = 4
    seconds: float = 0.1
    fails: bool = False


def plan_slow(inputs: Inputs, config: SlowConfig) -> list[Shard]:
    """Shards that differ in nothing but their number."""
    return [Shard(number, {"number": number}, 1, label=f"crawl-{number}.warc") for number in range(config.shards)]


def work_slow(shard: Shard, config: SlowConfig, output: ShardOutput, watch: Watch) -> None:
    """One row, after a while; the third shard may be a broken one."""
    time.sleep(config.seconds)
    if config.fails and shard.index == 2:
        raise ValueError(f"crawl-{shard.index}.warc is cut off at byte 4711.")
    output.write(pa.RecordBatch.from_pydict({"number": pa.array([shard.index], pa.int64())}))


slow_stage = Stage(
    "slow", 1, "toy", SlowConfig, {"part": Table(pa.schema([("number", pa.int64())]))}, plan_slow, work_slow
)


@flow(persist_result=False)
def slow(
    shards: Annotated[int, Field(title="Shards", ge=1, description="How many shards there are.")] = 4,
    seconds: Annotated[float, Field(description="Seconds that each takes.")] = 0.1,
) -> None:
    """A stage with shards that take a while."""
    with running(Lake.default(), "slow", workers=2):
        slow_stage(SlowConfig(shards=shards, seconds=seconds))


@flow(persist_result=False)
def failing() -> None:
    """A stage with a shard that cannot be done."""
    with running(Lake.default(), "failing", workers=2):
        slow_stage(SlowConfig(fails=True))


@flow(persist_result=False)
def counting() -> None:
    """Leaves a file for every run."""
    folder = Path(Lake.default().root) / "counted"
    folder.mkdir(exist_ok=True)
    (folder / str(time.time_ns())).touch()


if __name__ == "__main__":
    register(TOYS, POOL)
