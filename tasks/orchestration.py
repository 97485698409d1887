"""What a stage shows in Prefect: a task run, its progress, a table of what it did. Imported only inside a flow."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from storage.artifact import Artifact
from tasks.config import StageConfig
from tasks.run import Run

if TYPE_CHECKING:
    from tasks.stage import Inputs, Stage


def inside_flow() -> bool:
    """Whether this code runs within a Prefect flow."""
    return FlowRunContext.get() is not None


def make_as_task(stage: "Stage", config: StageConfig, inputs: "Inputs", run: Run) -> Artifact:
    """Make the artifact as one Prefect task run; only handles and the configuration are its parameters."""

    @task(
        name=stage.name,
        description=(stage.fn or stage.work).__doc__ or stage.name,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def make(config: dict[str, Any], inputs: dict[str, list[str]]) -> Artifact:
        progress = create_progress_artifact(
            0.0, key=f"{_key(stage.name)}-progress", description=f"Progress of {stage.name}"
        )
        artifact = stage.make(given_config, given_inputs, run, _observer(progress))
        update_progress_artifact(progress, 100.0)  # type: ignore[arg-type]
        publish(stage, artifact)
        return artifact

    given_config, given_inputs = config, inputs
    return make(config.model_dump(mode="json"), {role: [str(one) for one in given] for role, given in inputs.items()})


def publish(stage: "Stage", artifact: Artifact) -> None:
    """Show what a stage did as Prefect artifacts: its summary table, and its description (curves as `data:` images)."""
    key = _key(stage.name)
    rows = stage.summary(artifact) if stage.summary else []
    tables = dict.fromkeys(part.table for part in artifact.manifest.parts if part.table)
    counts = [{"table": name, "rows": artifact.rows(name)} for name in tables]
    create_table_artifact(rows or counts, key=key, description=f"{artifact}, rows: {artifact.manifest.rows:,}")
    if stage.describe:
        create_markdown_artifact(stage.describe(artifact), key=f"{key}-report", description=str(artifact))


def say_in_logs(run: Run) -> None:
    """Let the page of a flow run show what the run's console says."""
    if inside_flow():
        logger = get_run_logger()
        run.console.also = lambda text, warning: logger.log(logging.WARNING if warning else logging.INFO, text)


def link_report(report: Path, address: str | None) -> None:
    """Show where a run's report is: a link where reports are served, else its path (a page can't link to a file)."""
    if address:
        create_link_artifact(
            address, link_text="The report of this run", key="report", description=f"[Open]({address})"
        )
    else:
        create_markdown_artifact(f"The report of this run is the file `{report}`.", key="report")


def _observer(progress: Any) -> Callable[[float], None]:
    return lambda share: update_progress_artifact(progress, round(share * 100, 1)) and None  # type: ignore[arg-type,return-value]


def _key(name: str) -> str:
    return name.replace("_", "-").replace(" ", "-").lower()
