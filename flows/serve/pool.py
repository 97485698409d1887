"""The work pool of `gristmill up`: how its worker starts a run. Imported after `flows.environment.prepare`."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker


def make(client: SyncPrefectClient, name: str, command: str, folder: Path, environment: dict[str, str]) -> None:
    """Create the process pool, or bring it up to date; a pause that a person set stays.

    Arguments: `command` starts a run; `folder` is where it works, so that a recipe's path means the same as on the
    command line; `environment` is added to the worker's own.
    """
    template = _template(command, folder, environment)
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        about = "Runs on this machine, started by the worker of gristmill up."
        client.create_work_pool(
            WorkPoolCreate(name=name, type=ProcessWorker.type, description=about, base_job_template=template)
        )
    else:
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))


def _template(command: str, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    template = deepcopy(ProcessWorker.get_default_base_job_template())
    variables = template["variables"]["properties"]
    variables["command"]["default"] = command
    variables["working_dir"]["default"] = str(folder)
    variables["env"]["default"] = environment
    return template
